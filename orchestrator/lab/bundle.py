"""A self-contained directory of one Orthanc release, made from an unpacked Debian file tree.

Holds the program, its plugins, every library they load, the loader and its character sets, so that
a release runs beside another on a host whose C library is older. Nothing in it knows its own path.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import LabError

LOADER = "ld-linux-x86-64.so.2"
#: A release without these is not one that the hospital can run.
NEEDED_PLUGINS = ("libOrthancPostgreSQLIndex.so", "libOrthancDicomWeb.so")
#: Taken where Debian has them.
OTHER_PLUGINS = ("libModalityWorklists.so", "libServeFolders.so")
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LIBRARY_PATH = (_LIBRARIES, "usr/lib")
_PLUGIN_DIRECTORIES = ("usr/share/orthanc/plugins", "usr/lib/orthanc", f"{_LIBRARIES}/orthanc")
_LISTED = re.compile(r"(?:=> )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
#: The loader is run by name: a bundle uses none of the host's libraries and need not know its path.
WRAPPER = f"""#!/bin/sh
# Runs this release with its own loader and libraries, wherever it was unpacked.
here=$(readlink -f "$0") || exit 1
release=${{here%/bin/*}}
DCMDICTPATH="$release/share/dcmtk/dicom.dic:$release/share/dcmtk/private.dic"
GCONV_PATH="$release/lib/gconv"
export DCMDICTPATH GCONV_PATH
exec "$release/lib/{LOADER}" --library-path "$release/lib" "$release/bin/Orthanc" "$@"
"""


def assemble(tree: Path, release: Path, *, packages: Iterable[str]) -> None:
    """Copy out of an unpacked tree what the release needs, and prove that it loads.

    Raises:
        LabError: a program, plugin, library or dictionary is missing.
    """
    for directory in ("bin", "lib", "plugins", "share/dcmtk"):
        (release / directory).mkdir(parents=True)
    program = release / "bin/Orthanc"
    shutil.copy2(tree / "usr/sbin/Orthanc", program)
    loaded = [program, *_copy_plugins(tree, release / "plugins")]
    for name, library in _closure(tree, loaded).items():
        shutil.copyfile(library, release / "lib" / name)
    (release / "lib" / LOADER).chmod(0o755)
    shutil.copytree(tree / _LIBRARIES / "gconv", release / "lib/gconv")
    _copy_dictionaries(tree, release / "share/dcmtk")
    (release / "share/packages.txt").write_text("".join(f"{name}\n" for name in sorted(packages)))
    wrapper = release / "bin/orthanc"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    _prove(release)


def pack(release: Path, archive: Path) -> None:
    """Write ``release``'s content as a gzipped tar: the same bytes for the same content, always."""
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as zipped:
        _write_tar(release, zipped)


def _write_tar(release: Path, stream: gzip.GzipFile) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(release.rglob("*")):
            entry = tarfile.TarInfo(path.relative_to(release).as_posix())
            runs = path.is_dir() or path.stat().st_mode & 0o100
            entry.mode = 0o755 if runs else 0o644
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                content = path.read_bytes()
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def _copy_plugins(tree: Path, into: Path) -> list[Path]:
    copied = []
    for name in (*NEEDED_PLUGINS, *OTHER_PLUGINS):
        found = _first(tree / directory / name for directory in _PLUGIN_DIRECTORIES)
        if found is not None:
            shutil.copy2(found, into / name)
            copied.append(into / name)
        elif name in NEEDED_PLUGINS:
            raise LabError(
                f"Debian's packages hold no {name}",
                hint="the packages changed: mend the lab's recipe",
            )
    return copied


def _closure(tree: Path, loaded: Iterable[Path]) -> dict[str, Path]:
    """Every library that the files load, and the loader; asked of the tree's own loader.

    ``ldd`` runs the machine's loader, which refuses programs built for a newer C library.
    """
    loader = tree / _LIBRARIES / LOADER
    libraries = {LOADER: loader}
    for path in loaded:
        libraries |= {found.name: found for found in _loads(loader, tree, path)}
    return dict(sorted(libraries.items()))


def _loads(loader: Path, tree: Path, path: Path) -> list[Path]:
    search = ":".join(str(tree / directory) for directory in _LIBRARY_PATH)
    listed = subprocess.run(
        [str(loader), "--library-path", search, "--list", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise LabError(
            f"{path.name} does not load: {listed.stderr.strip()}",
            hint="its packages are not complete: empty the lab's cache and try again",
        )
    return [Path(found) for found in _LISTED.findall(listed.stdout)]


def _copy_dictionaries(tree: Path, into: Path) -> None:
    """DCMTK's dictionaries, whose directory carries a version in Debian's packages."""
    for name in ("dicom.dic", "private.dic"):
        found = _first(sorted((tree / "usr/share").glob(f"*dcmtk*/{name}")))
        if found is None:
            raise LabError(
                f"Debian's packages hold no {name}",
                hint="the packages changed: mend the lab's recipe",
            )
        shutil.copyfile(found, into / name)


def _prove(release: Path) -> None:
    """The copy, not the tree, must run: a library left behind shows here."""
    asked = subprocess.run(
        [str(release / "bin/orthanc"), "--version"], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise LabError(
            f"the assembled release does not run: {asked.stderr.strip()}",
            hint="the packages changed: mend the lab's recipe",
        )


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.exists()), None)
