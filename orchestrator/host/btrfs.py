"""The snapshot provider ``btrfs``: a volume is a subvolume; a snapshot of it costs nothing.

Acts only on paths that it is given. ``btrfs subvolume list`` shows the whole file system, other
products and hosts included, and is never asked.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import List, Sequence

from . import room
from .outcome import FailedError
from .system import System
from .walk import files


class Btrfs:
    """Snapshots of one machine's subvolumes."""

    thaws_at_once = True

    def __init__(self, system: System) -> None:
        self.system = system

    def problems(self, lives: Sequence[Path], beside: Sequence[room.Need]) -> List[str]:
        """Why these cannot be captured; only what is copied beside them takes room."""
        found = room.shortages(self.system, beside)
        for live in lives:
            ran = self.system.run(["btrfs", "subvolume", "show", str(live)])
            if ran.code != 0:
                found.append(f"{live} is not a btrfs subvolume: {ran.reason}")
        return found

    def freeze(self, live: Path, at: Path, _listed: Path) -> None:
        """A read-only snapshot of ``live`` at ``at``; it needs no listing."""
        self._btrfs("snapshot", at, ["subvolume", "snapshot", "-r", str(live), str(at)])

    def difference(self, live: Path, at: Path, _listed: Path) -> str:
        """The first thing that is not on both sides; empty when all is."""
        return first_difference(live, at)

    def thaw(self, frozen: Path, at: Path) -> None:
        """A writable snapshot of a read-only one."""
        self._btrfs("snapshot", at, ["subvolume", "snapshot", str(frozen), str(at)])

    def delete(self, snapshot: Path) -> None:
        """Remove a snapshot; nothing when there is none."""
        if snapshot.exists():
            argv = ["subvolume", "delete", "--commit-after", str(snapshot)]
            self._btrfs("delete", snapshot, argv)

    def empty(self, snapshot: Path) -> None:
        """Give back the room of what failed."""
        self.delete(snapshot)

    def sync(self, path: Path) -> None:
        """Everything of the file system of ``path`` on its disk."""
        self._btrfs("sync", path, ["filesystem", "sync", str(path)])

    def _btrfs(self, what: str, path: Path, argv: List[str]) -> None:
        self.system.disk.effect(f"btrfs {what}", path)
        ran = self.system.run(["btrfs", *argv], timeout=None)
        if ran.code != 0:
            raise FailedError(f"btrfs {what} of {path}: {ran.reason}")


def first_difference(one: Path, other: Path) -> str:
    """The first thing that is not on both sides with its kind and size; empty when all is."""
    left, right = files(one), files(other)
    while True:
        a, b = next(left, None), next(right, None)
        if a is None and b is None:
            return ""
        if a is None or b is None or a[0] != b[0]:
            return f"{min(x[0] for x in (a, b) if x)} is on one side only"
        if _shape(a[1]) != _shape(b[1]):
            return f"{a[0]} has another kind or size"


def _shape(about: os.stat_result) -> "tuple[int, int, int]":
    is_dir = stat.S_ISDIR(about.st_mode)
    return about.st_mode, about.st_uid, 0 if is_dir else about.st_size
