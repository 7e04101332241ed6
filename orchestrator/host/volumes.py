"""Volumes: captured, proved, and put back by renames whatever their size.

Beside each volume lies ``.wardship/<change>/`` on the same file system, and in it ``<name>.tmp``
(captured, not proved), ``<name>`` (proved, read-only), ``<name>.new`` (writable, about to be live
again) and ``<name>.failed`` (what was live before it was put back). ``<name>.new`` is made as soon
as the capture is proved: on a file system that the new release filled up there is no room for it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Dict, List, Protocol

from .btrfs import Btrfs
from .disk import Disk
from .manifest import Volume
from .outcome import FailedError
from .system import System


class Snapshots(Protocol):
    """What a snapshot provider can do; all by path, all on one file system."""

    def problems(self, live: Path) -> List[str]: ...
    def freeze(self, live: Path, at: Path) -> None: ...
    def thaw(self, frozen: Path, at: Path) -> None: ...
    def delete(self, snapshot: Path) -> None: ...
    def sync(self, path: Path) -> None: ...


PROVIDERS: Dict[str, Callable[[System], Snapshots]] = {"btrfs": Btrfs}


class Place:
    """Where one volume and what belongs to it lie for one change."""

    def __init__(self, system: System, change: str, volume: Volume) -> None:
        self.volume = volume
        self.live = system.at(volume.path)
        self.store = self.live.parent / ".wardship" / change
        self.frozen = self.store / volume.name
        self.aside = self.store / f"{volume.name}.tmp"
        self.new = self.store / f"{volume.name}.new"
        self.failed = self.store / f"{volume.name}.failed"


def capture(place: Place, snapshots: Snapshots, disk: Disk) -> None:
    """Freeze a volume under its temporary name and prove it against the live one.

    Raises:
        FailedError: a snapshot stands already, or is not what is live.
    """
    if place.frozen.exists():
        raise FailedError(f"{place.frozen} is there already: a snapshot is never retaken")
    disk.make_dir(place.store)
    snapshots.delete(place.aside)
    snapshots.freeze(place.live, place.aside)
    different = first_difference(place.live, place.aside)
    if different:
        raise FailedError(f"the snapshot of {place.live} is not what is live: {different}")


def seal(place: Place, snapshots: Snapshots, disk: Disk) -> None:
    """Give a proved capture its name, and make ready what would be live again."""
    snapshots.sync(place.store)
    disk.rename(place.aside, place.frozen)
    snapshots.thaw(place.frozen, place.new)
    snapshots.sync(place.store)


def put_back(place: Place, snapshots: Snapshots, disk: Disk) -> str:
    """Make the volume again what it was; says what was done. May be cut and called again.

    Raises:
        FailedError: the proved snapshot is gone.
    """
    if place.failed.exists() and place.live.exists():
        return f"{place.live} was put back already"
    if not place.frozen.exists():
        raise FailedError(f"{place.frozen} is gone: {place.live} cannot be put back")
    if not place.new.exists():
        snapshots.thaw(place.frozen, place.new)
    if place.live.exists():
        disk.rename(place.live, place.failed)
    disk.rename(place.new, place.live)
    snapshots.sync(place.live)
    return f"{place.live} is again what it was, the failed state is {place.failed}"


def forget(place: Place, snapshots: Snapshots, disk: Disk) -> None:
    """Remove everything that a change keeps of a volume, never the volume."""
    for kept in (place.aside, place.new, place.failed, place.frozen):
        snapshots.delete(kept)
    disk.remove_dir(place.store)


def files(top: Path) -> Iterator["tuple[str, os.stat_result]"]:
    """Every file, link and directory below ``top`` with its lstat, by name, in order."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        children = _children(top / prefix, is_top=not prefix)
        yield from ((prefix + name, about) for name, about in children)
        pending += [
            f"{prefix}{name}/" for name, about in reversed(children) if stat.S_ISDIR(about.st_mode)
        ]


def _children(directory: Path, *, is_top: bool) -> List["tuple[str, os.stat_result]"]:
    """What is in a directory now; one that went away meanwhile has nothing, but for the top."""
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - the names are all that is wanted
    except FileNotFoundError:
        if is_top:
            raise
        return []
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            found.append((name, os.lstat(directory / name)))
    return found


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
