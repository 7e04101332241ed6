"""The snapshot provider ``copy``: a directory copied beside itself, for hosts without snapshots.

Blocks are shared where the file system can (``FICLONE``, ioctl_ficlone(2)); else every byte is
copied, and read back from the disk against the hash of what was read. Owner, mode, attributes,
times, links, hard links and holes are kept. Refuses a volume that reaches over to another file
system, one that is a mount point (it could not be put back by rename), and one without room.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

from . import listing, room
from .listing import Listed, marks
from .outcome import FailedError
from .system import System
from .tree import CHUNK, about, dress
from .walk import files

FICLONE = 0x40049409
#: Errors of a file system that shares no blocks, or not of this file.
UNSHARED = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)


class Copy:
    """Copies of one machine's directories. Each is used up by what it puts back."""

    thaws_at_once = False

    def __init__(self, system: System) -> None:
        self.system = system
        self.disk = system.disk

    def problems(self, lives: Sequence[Path], beside: Sequence[room.Need] = ()) -> List[str]:
        """Why these cannot be copied, all of them at once, or a copy not be put back."""
        found: List[str] = []
        needs: List[room.Need] = [*beside]
        for live in lives:
            if not live.is_dir() or live.is_symlink():
                found.append(f"{live} is not a directory")
            elif self.system.device(live) != self.system.device(live.parent):
                found.append(f"{live} is a mount point: a copy cannot be put back by rename")
            else:
                strange, need = self._look(live)
                found += strange
                needs.append(need)
        return found + room.shortages(self.system, needs)

    def _look(self, live: Path) -> Tuple[List[str], room.Need]:
        """What cannot be copied, and what the rest takes."""
        found, size, entries, device = [], 0, 1, live.lstat().st_dev
        for name, seen in files(live):
            size += seen.st_blocks * 512
            entries += 1
            if seen.st_dev != device:
                found.append(f"{live / name} is on another file system")
            elif not _is_known(seen.st_mode):
                found.append(f"{live / name} is neither file, directory, link nor socket")
        size = 0 if shares_blocks(live.parent) else size
        return found[:5], room.Need(live, size, entries)

    def freeze(self, live: Path, at: Path, listed: Path) -> None:
        """Copy ``live`` to ``at``, where nothing is, and list beside ``listed`` what was read.

        Raises:
            FailedError: something cannot be copied.
        """
        first: Dict[int, Path] = {}
        directories: List[str] = []
        with listing.writing(_read_list(listed), live, self.disk) as note:
            for name, seen in chain([("", live.lstat())], files(live)):
                if stat.S_ISSOCK(seen.st_mode):
                    continue
                self.disk.effect("copy", at / name)
                if stat.S_ISDIR(seen.st_mode):
                    (at / name).mkdir(mode=0o700)
                    directories.append(name)
                    summed = ""
                else:
                    summed = _one(live / name, at / name, seen, first)
                note(replace(listing.listed(name, seen), sha256=summed))
        for name in reversed(directories):  # children first: what is made in one changes its time
            dress(at / name, about(live / name, name))

    def difference(self, live: Path, at: Path, listed: Path) -> str:
        """The first thing that is not in the copy as it is live; with none, the proved listing."""
        self.sync(at)
        count = 0
        with listing.writing(listed, live, self.disk) as note:
            for one in listing.read(_read_list(listed)):
                if marks((live / one.path).lstat()) != one.marks:
                    return f"{one.path or 'its top'} changed while it was copied"
                if _differs(one, live / one.path, at / one.path):
                    return f"{one.path or 'its top'} is another"
                note(replace(one, copied=marks((at / one.path).lstat())))
                count += 1
        if count != 1 + sum(1 for _ in files(at)):
            return "the copy holds more than what is live"
        _read_list(listed).unlink()
        return ""

    def thaw(self, frozen: Path, at: Path) -> None:
        """The copy itself: a second one would cost the time and the room of the first."""
        self.disk.rename(frozen, at)

    def delete(self, snapshot: Path) -> None:
        """Remove a copy; nothing when there is none."""
        self.disk.remove_tree(snapshot)

    def empty(self, snapshot: Path) -> None:
        """Give back the room of what failed. The directory stays: it says that it was put back."""
        for name in sorted(snapshot.iterdir()) if snapshot.is_dir() else []:
            self.disk.remove_tree(name)

    def sync(self, path: Path) -> None:
        """Everything of the file system of ``path`` on its disk."""
        self.disk.effect("sync", path)
        ran = self.system.run(["sync", "-f", str(path)], timeout=None)
        if ran.code != 0:
            raise FailedError(f"sync of {path}: {ran.reason}")


def shares_blocks(directory: Path) -> bool:
    """Whether files in ``directory`` can share blocks, tried with two that have no name."""
    nameless = os.O_TMPFILE | os.O_RDWR
    try:
        one = os.open(directory, nameless, 0o600)
    except OSError:
        return False
    other = os.open(directory, nameless, 0o600)
    try:
        os.write(one, bytes(4096))
        return _clone(one, other)
    finally:
        os.close(one)
        os.close(other)


def _clone(source: int, to: int) -> bool:
    try:
        fcntl.ioctl(to, FICLONE, source)
    except OSError as error:
        if error.errno in UNSHARED:
            return False
        raise
    return True


def _is_known(mode: int) -> bool:
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK, stat.S_ISSOCK)
    return any(is_kind(mode) for is_kind in kinds)


def _read_list(listed: Path) -> Path:
    return listed.with_name(f"{listed.name}.read")


def _one(source: Path, to: Path, seen: os.stat_result, first: Dict[int, Path]) -> str:
    """Copy a file or link; the hash of what was read, empty where nothing was."""
    known = first.get(seen.st_ino) if seen.st_nlink > 1 else None
    if known is not None:
        os.link(known, to, follow_symlinks=False)
        return ""
    if seen.st_nlink > 1:
        first[seen.st_ino] = to
    entry = about(source, to.name)  # refuses what is no file and no link
    summed = ""
    if entry.kind == "link":
        to.symlink_to(entry.target)
    else:
        summed = duplicate(source, to)
    dress(to, entry)
    return summed


def duplicate(source: Path, to: Path) -> str:
    """Copy a file's content, or share it: SHA-256 of what was read, empty where it is shared."""
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out, source.open("rb") as file:
        if _clone(file.fileno(), out.fileno()):
            return ""
        summed, at = hashlib.sha256(), 0
        while chunk := os.pread(file.fileno(), CHUNK, at):
            summed.update(chunk)
            for start, end in _data(file.fileno(), at, at + len(chunk)):
                out.seek(start)
                out.write(chunk[start - at : end - at])
            at += len(chunk)
        out.truncate(at)
        return summed.hexdigest()


def _data(file: int, at: int, end: int) -> Iterator[Tuple[int, int]]:
    """Where a file has data between two places, from and to; the rest is holes (lseek(2))."""
    while at < end:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data from there to the end
                return
            raise
        if start >= end:
            return
        at = min(os.lseek(file, start, os.SEEK_HOLE), end)
        yield start, at


def _differs(one: Listed, live: Path, copy: Path) -> bool:
    """Whether the copy is not what is live, in all that is kept; bytes are read from its disk."""
    if not os.path.lexists(copy):
        return True
    left, right = about(live, one.path), about(copy, one.path)
    is_file = left.kind == "file"
    if left != right or left.mtime_ns != right.mtime_ns:
        return True
    if is_file and copy.lstat().st_size != one.size:
        return True
    return bool(one.sha256) and _digest_from_disk(copy) != one.sha256


def _digest_from_disk(file: Path) -> str:
    """SHA-256 of what the disk has: pages that are written out are forgotten first."""
    summed = hashlib.sha256()
    with file.open("rb") as source:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := source.read(CHUNK):
            summed.update(chunk)
    return summed.hexdigest()
