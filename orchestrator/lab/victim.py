"""The host as those who break it see it: its settings, its objects, what to put back later."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Settings = dict[str, Any]


class Host:
    """The machine: its files below ``root``, its programs through ``run``."""

    def __init__(self, root: Path, run: Callable[[list[str]], str]) -> None:
        self.run = run
        self.settings = root / "etc/orthanc"
        self.data = root / "data"
        self.storage = root / "data/live/orthanc"
        self.filler = root / "data/lab-filler"
        self.releases = root / "opt/orthanc"
        self.certificates = root / "usr/local/share/lab-certificates"
        self.own = root / "lab"
        self._root = root

    @property
    def current(self) -> str:
        """The release that starts, or runs."""
        return (self.releases / "current").readlink().name

    def mounts(self) -> list[tuple[str, str]]:
        """What is mounted, in order: where, and ``ro`` or ``rw`` (proc(5), mountinfo)."""
        lines = (self._root / "proc/self/mountinfo").read_text().splitlines()
        return [(fields[4], fields[5].partition(",")[0]) for fields in map(str.split, lines)]

    def edit(self, key: str, change: Callable[[Settings], None]) -> None:
        """Change the settings file that has ``key`` at its top."""
        for path in sorted(self.settings.glob("*.json")):
            settings = json.loads(path.read_text(encoding="utf-8"))
            if key in settings:
                change(settings)
                self.write(path, json.dumps(settings, indent=2, ensure_ascii=False).encode())
                return
        raise SystemExit(f"no file in {self.settings} has {key}")

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file's content, in place: owner and mode stay. What it was is kept."""
        there, saved = path.read_bytes(), self._saved(path)
        broken = saved.with_name(f"{saved.name}.broken")
        if there == content:
            return
        if not (broken.exists() and broken.read_bytes() == there):
            saved.write_bytes(there)
        broken.write_bytes(content)
        path.write_bytes(content)

    def remove(self, path: Path) -> None:
        """Remove a file. What it was is kept."""
        _copy(path, self._saved(path))
        path.unlink()

    def put_back(self, top: Path) -> None:
        """Undo every ``write`` and ``remove`` below ``top`` that nobody else undid meanwhile."""
        for saved in sorted(self._saved(top).rglob("*")):
            if not saved.is_file() or saved.name.endswith(".broken"):
                continue
            path = self._root / saved.relative_to(self.own / "saved")
            broken = saved.with_name(f"{saved.name}.broken")
            if not broken.exists() and not path.exists() and path.parent.is_dir():
                _copy(saved, path)
            elif broken.exists() and path.exists() and path.read_bytes() == broken.read_bytes():
                path.write_bytes(saved.read_bytes())
            broken.unlink(missing_ok=True)
            saved.unlink()

    def stored(self) -> list[Path]:
        """The stored DICOM files (PS3.10 section 7.1), the largest first."""
        files = [path for path in self.storage.glob("??/??/*") if _is_dicom(path)]
        return sorted(files, key=lambda path: (-path.stat().st_size, path.name))

    def sql(self, statement: str) -> str:
        """Run as the database's owner."""
        psql = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", "orthanc", "-c", statement]
        return self.run(["runuser", "-u", "postgres", "--", *psql])

    def _saved(self, path: Path) -> Path:
        saved = self.own / "saved" / path.relative_to(self._root)
        saved.parent.mkdir(parents=True, exist_ok=True)
        return saved


def _copy(path: Path, to: Path) -> None:
    shutil.copy2(path, to)
    owner = path.stat()
    os.chown(to, owner.st_uid, owner.st_gid)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"
