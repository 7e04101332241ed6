"""Listings: every file of a volume as it was at the snapshot, one JSON line each.

They stand where no snapshot keeps inode numbers and times: beside a copy, and for an archive, which
is never copied. The first line names the top, so that a volume which is not mounted is noticed.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

from .disk import Disk
from .outcome import FailedError

Marks = Tuple[int, int, int]
"""Inode, mtime and ctime (ns): no program can set the last."""


@dataclass(frozen=True)
class Listed:
    """A file as it was. ``copied``: the marks of its copy, proved equal. ``sha256`` where read."""

    path: str
    mode: int
    size: int
    marks: Marks
    copied: Optional[Marks] = None
    sha256: str = ""

    @property
    def is_object(self) -> bool:
        return not stat.S_ISDIR(self.mode)

    def as_line(self) -> bytes:
        kept = [self.path, self.mode, self.size, self.marks, self.copied, self.sha256]
        return json.dumps(kept, separators=(",", ":")).encode() + b"\n"


def marks(about: os.stat_result) -> Marks:
    return about.st_ino, about.st_mtime_ns, about.st_ctime_ns


def listed(path: str, about: os.stat_result) -> Listed:
    return Listed(path, about.st_mode, about.st_size, marks(about))


@contextmanager
def writing(at: Path, top: Path, disk: Disk) -> Iterator[Callable[[Listed], None]]:
    """A new listing of ``top`` at ``at``, on its disk when the block ends well."""
    disk.make_dir(at.parent)
    disk.effect("list", at)
    with at.open("wb") as file:
        file.write(json.dumps({"top": top.stat().st_ino}).encode() + b"\n")
        yield lambda one: _ignore(file.write(one.as_line()))
        file.flush()
        os.fsync(file.fileno())


def _ignore(_: int) -> None:
    """What a write returns."""


def read(at: Path) -> Iterator[Listed]:
    """The files of a listing.

    Raises:
        FailedError: it is gone, or is none.
    """
    for line in _lines(at, skip=1):
        path, mode, size, was, copied, sha256 = line
        yield Listed(path, mode, size, _marks(was), _marks(copied) if copied else None, sha256)


def top(at: Path) -> int:
    """The inode number of the directory that was listed."""
    for line in _lines(at, skip=0):
        return int(line["top"])
    raise FailedError(f"{at} is empty")


def _lines(at: Path, *, skip: int) -> Iterator[Any]:
    try:
        with at.open("rb") as file:
            for number, line in enumerate(file):
                if number >= skip:
                    yield json.loads(line)
    except (OSError, ValueError) as error:
        raise FailedError(f"the listing {at} cannot be read: {error}") from None


def _marks(found: List[int]) -> Marks:
    inode, mtime, ctime = found
    return inode, mtime, ctime


def is_object(about: os.stat_result) -> bool:
    return not stat.S_ISDIR(about.st_mode)
