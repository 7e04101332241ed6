"""The snapshot provider ``btrfs``: a volume is a subvolume; a snapshot of it costs nothing.

Acts only on paths that it is given. ``btrfs subvolume list`` shows the whole file system, other
products and hosts included, and is never asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import List

from .outcome import FailedError
from .system import System


class Btrfs:
    """Snapshots of one machine's subvolumes."""

    def __init__(self, system: System) -> None:
        self.system = system

    def problems(self, live: Path) -> List[str]:
        """Why ``live`` cannot be captured."""
        ran = self.system.run(["btrfs", "subvolume", "show", str(live)])
        return [] if ran.code == 0 else [f"{live} is not a btrfs subvolume: {ran.reason}"]

    def freeze(self, live: Path, at: Path) -> None:
        """A read-only snapshot of ``live`` at ``at``."""
        self._btrfs("snapshot", at, ["subvolume", "snapshot", "-r", str(live), str(at)])

    def thaw(self, frozen: Path, at: Path) -> None:
        """A writable snapshot of a read-only one."""
        self._btrfs("snapshot", at, ["subvolume", "snapshot", str(frozen), str(at)])

    def delete(self, snapshot: Path) -> None:
        """Remove a snapshot; nothing when there is none."""
        if snapshot.exists():
            argv = ["subvolume", "delete", "--commit-after", str(snapshot)]
            self._btrfs("delete", snapshot, argv)

    def sync(self, path: Path) -> None:
        """Everything of the file system of ``path`` on its disk."""
        self._btrfs("sync", path, ["filesystem", "sync", str(path)])

    def _btrfs(self, what: str, path: Path, argv: List[str]) -> None:
        self.system.disk.effect(f"btrfs {what}", path)
        ran = self.system.run(["btrfs", *argv], timeout=None)
        if ran.code != 0:
            raise FailedError(f"btrfs {what} of {path}: {ran.reason}")
