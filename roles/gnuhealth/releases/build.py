#!/usr/bin/env python3
"""Makes the artifact of a GNU Health release for a depot: python3 build.py 5.0.6 --out DIR

From the packages that ``gnuhealth-<release>.lock`` names by hash, for Debian 12's Python 3.11. What
comes out is one archive that needs no network and no compiler where it is unpacked: ``site`` with
every package, compiled, and ``bin`` with programs that find it wherever it lies. Building needs a
network, ``pip``, and for psycopg2 a compiler (Debian: python3-pip gcc python3-dev libpq-dev).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PYTHON = (3, 11)
SHELL = '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n'
#: The packages of this release and no others, whatever the account that starts it has.
INTERPRETER = f"""{SHELL}export PYTHONPATH="$here/../site" PYTHONNOUSERSITE=1
exec /usr/bin/python3.11 -P "$@"
"""
STARTED = SHELL + 'exec "$here/python" "$here/../site/bin/{name}" "$@"\n'
#: Says which release this is, and so proves that its packages can be used on this host.
PROOF = f"""{SHELL}exec "$here/python" -c '
import importlib.metadata as known
import lxml.etree, psycopg2, trytond.config, werkzeug
print("gnuhealth", known.version("gnuhealth"), "trytond", known.version("trytond"))'
"""
PROGRAMS = {
    "python": INTERPRETER,
    "trytond": STARTED.format(name="trytond"),
    "trytond-admin": STARTED.format(name="trytond-admin"),
    "gnuhealth-release": PROOF,
}


def build(release: str, out: Path) -> Path:
    """The archive's path.

    Raises:
        subprocess.CalledProcessError: pip or the compiler failed; it has said why.
    """
    archive = out / f"gnuhealth-{release}.tar.gz"
    with tempfile.TemporaryDirectory(dir=out, prefix=".building-") as name:
        wheels, tree = Path(name, "wheels"), Path(name, "tree")
        lock = str(HERE / f"gnuhealth-{release}.lock")
        pip("wheel", "--no-deps", "--require-hashes", "-r", lock, "-w", str(wheels))
        found = sorted(map(str, wheels.glob("*.whl")))
        site = tree / "site"
        pip("install", "--no-index", "--no-deps", "--no-compile", "--target", str(site), *found)
        lay_programs(tree)
        compile_all(site)
        partial = Path(name, archive.name)
        pack(tree, partial)
        partial.replace(archive)
    return archive


def pip(*words: str) -> None:
    """Run pip quietly."""
    argv = [sys.executable, "-m", "pip", *words, "-qq", "--disable-pip-version-check"]
    subprocess.run(argv, check=True)


def lay_programs(tree: Path) -> None:
    """Only what is started is left of the packages' own programs."""
    for program in (tree / "site" / "bin").iterdir():
        if program.name not in PROGRAMS:
            program.unlink()
    (tree / "bin").mkdir()
    for name, text in PROGRAMS.items():
        path = tree / "bin" / name
        path.write_text(text)
        path.chmod(0o755)


def compile_all(site: Path) -> None:
    """Beforehand, since the account that runs it cannot write there; no path of ours is kept."""
    words = ["-m", "compileall", "-q", "-s", str(site), "--invalidation-mode", "unchecked-hash"]
    # What cannot be compiled (a template, a test of a syntax to come) is not imported either.
    subprocess.run([sys.executable, *words, str(site)], check=False, stdout=subprocess.DEVNULL)


def pack(tree: Path, archive: Path) -> None:
    """Sorted, owned by root, without times: the same packages give the same archive."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as packed,
    ):
        for path in sorted(tree.rglob("*")):
            packed.add(path, str(path.relative_to(tree)), recursive=False, filter=plain)


def main() -> None:
    """Build one, and say what to declare."""
    known = sorted(path.name[10:-5] for path in HERE.glob("gnuhealth-*.lock"))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("release", choices=known)
    parser.add_argument("--out", type=Path, default=Path.cwd())
    wanted = parser.parse_args()
    if sys.version_info[:2] != PYTHON:
        parser.error("the packages are locked for Python 3.11, start this with python3.11")
    try:
        archive = build(wanted.release, wanted.out)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"gnuhealth {wanted.release} was not built: {error}")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    sys.stdout.write(f"{archive}\nsha256: {sha256}\nsize: {archive.stat().st_size}\n")


if __name__ == "__main__":
    main()
