"""Writes that survive a power cut: written aside, fsynced, renamed, and the directory fsynced.

Every change to a disk passes through here and announces itself to ``effect`` first, so that a test
can cut the power at each one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


class Disk:
    """The disk of the machine. Only atomic steps; nothing here reads or decides."""

    def effect(self, what: str, path: Path) -> None:
        """Called right before each change; tests cut the power here."""

    def write(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        """Put ``data`` at ``path``: the old content or the new one, never a part."""
        aside = self.aside(path)
        self._write_aside(aside, data, mode)
        self.rename(aside, path)

    def create(self, path: Path, data: bytes, *, mode: int = 0o600) -> bool:
        """Create ``path`` with its whole content; False when somebody else was first."""
        aside = self.aside(path)
        self._write_aside(aside, data, mode)
        self.effect("link", path)
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        sync(path.parent)
        return True

    def rename(self, old: Path, new: Path) -> None:
        self.effect("rename", new)
        old.rename(new)
        sync(new.parent)
        if old.parent != new.parent:
            sync(old.parent)

    def link(self, target: str, path: Path) -> None:
        """Let the symbolic link ``path`` name ``target``, in one step."""
        aside = self.aside(path)
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
        aside.symlink_to(target)
        self.rename(aside, path)

    def make_dir(self, path: Path, *, mode: int = 0o700) -> None:
        """Make ``path`` and what is missing above it, each with ``mode``."""
        if path.is_dir():
            return
        self.make_dir(path.parent, mode=mode)
        self.effect("mkdir", path)
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        sync(path.parent)

    def remove(self, path: Path) -> None:
        """Remove a file or link; nothing when it is not there."""
        if not os.path.lexists(path):
            return
        self.effect("remove", path)
        path.unlink()
        sync(path.parent)

    def remove_dir(self, path: Path) -> None:
        """Remove a directory if it is empty; nothing otherwise."""
        if path.is_dir() and not any(path.iterdir()):
            self.effect("rmdir", path)
            path.rmdir()
            sync(path.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove whatever is at ``path``; a cut may leave a part, so only for what is set aside."""
        if path.is_symlink() or not path.is_dir():
            self.remove(path)
            return
        self.effect("rmtree", path)
        shutil.rmtree(path)
        sync(path.parent)

    def aside(self, path: Path) -> Path:
        """Where the next content of ``path`` is made; the process's own, so two never share it."""
        return path.with_name(f".{path.name}.{os.getpid()}.wardship")

    def _write_aside(self, aside: Path, data: bytes, mode: int) -> None:
        self.effect("write", aside)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def sync(directory: Path) -> None:
    """fsync a directory: only then does a rename in it survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
