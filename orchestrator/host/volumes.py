"""Volumes: captured, proved, and put back by renames whatever their size.

Beside each *index* volume lies ``.wardship/<change>/`` on the same file system, and in it
``<name>.tmp`` (captured, not proved), ``<name>`` (proved), ``<name>.new`` (about to be live again)
and ``<name>.failed`` (what was live before it was put back). Where a snapshot costs nothing
``<name>.new`` is made as soon as the capture is proved: on a file system that the new release
filled up there is no room for it. A copy becomes ``<name>.new`` itself, and is used up.

An *archive* is never copied or moved: its objects are listed and held (``archive``), and what
holds them lies in ``.wardship/<change>/`` inside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, List, Protocol, Sequence

from . import archive, listing, room
from .btrfs import Btrfs
from .copying import Copy
from .disk import Disk
from .outcome import FailedError
from .place import Place
from .system import System


class Snapshots(Protocol):
    """What a snapshot provider can do; all by path, all on one file system.

    ``thaws_at_once``: what is put back is made ready with the snapshot. ``listed``: where a
    provider whose snapshots keep no inode numbers and times leaves the listing.
    """

    @property
    def thaws_at_once(self) -> bool: ...
    def problems(self, lives: Sequence[Path], beside: Sequence[room.Need], /) -> List[str]: ...
    def freeze(self, live: Path, at: Path, listed: Path, /) -> None: ...
    def difference(self, live: Path, at: Path, listed: Path, /) -> str: ...
    def thaw(self, frozen: Path, at: Path) -> None: ...
    def delete(self, snapshot: Path) -> None: ...
    def empty(self, snapshot: Path) -> None: ...
    def sync(self, path: Path) -> None: ...


#: Where databases are copied in their cluster, volumes are copied as well.
PROVIDERS: Dict[str, Callable[[System], Snapshots]] = {
    "btrfs": Btrfs,
    "copy": Copy,
    "postgres": Copy,
}


def problems(
    places: Sequence[Place],
    snapshots: Snapshots,
    system: System,
    *,
    beside: Sequence[room.Need] = (),
) -> List[str]:
    """Why these volumes cannot be captured, or an archive is not where it should be.

    ``beside``: what else is to be copied on this host, which may be on the same file systems.
    """
    indexes = [place for place in places if not place.is_archive]
    found = snapshots.problems([place.live for place in indexes], beside)
    for place in places:
        if place.is_archive:
            found += archive.problems(place, indexes, system)
        found += [
            f"{place.live}/{directory} is not a directory"
            for directory in place.volume.objects
            if not (place.live / directory).is_dir()
        ]
    return found


def require_archives(places: Sequence[Place]) -> None:
    """The archives that were listed are there: no release may start on an empty mount point.

    Raises:
        FailedError: one is not.
    """
    for place in places:
        if place.is_archive and place.listing.exists():
            there = place.live.stat().st_ino if place.live.is_dir() else None
            if there != listing.top(place.listing):
                raise FailedError(f"{place.live} is not the archive that was there: is it mounted?")


def capture(place: Place, snapshots: Snapshots, disk: Disk) -> None:
    """Freeze a volume under its temporary name and prove it against the live one.

    Raises:
        FailedError: a snapshot stands already, or is not what is live.
    """
    if place.frozen.exists() or place.listing.exists():
        raise FailedError(f"{place.frozen} is there already: a snapshot is never retaken")
    if place.is_archive:
        archive.hold(place, disk)
        return
    disk.make_dir(place.store)
    snapshots.delete(place.aside)
    snapshots.freeze(place.live, place.aside, place.listing_aside)
    different = snapshots.difference(place.live, place.aside, place.listing_aside)
    if different:
        raise FailedError(f"the snapshot of {place.live} is not what is live: {different}")


def seal(place: Place, snapshots: Snapshots, disk: Disk) -> None:
    """Give a proved capture its name, and make ready what would be live again."""
    if place.listing_aside.exists():
        disk.rename(place.listing_aside, place.listing)
    if not place.is_archive:
        snapshots.sync(place.store)
    disk.rename(place.aside, place.frozen)
    if place.is_archive:
        return
    if snapshots.thaws_at_once:
        snapshots.thaw(place.frozen, place.new)
    snapshots.sync(place.store)


def put_back(place: Place, snapshots: Snapshots, disk: Disk) -> str:
    """Make the volume again what it was; says what was done. May be cut and called again.

    Raises:
        FailedError: the proved snapshot is gone.
    """
    if place.is_archive:
        require_archives([place])
        return archive.put_back(place, disk)
    if place.failed.exists() and place.live.exists():
        return f"{place.live} was put back already"
    if not place.new.exists():
        if not place.frozen.exists():
            raise FailedError(f"{place.frozen} is gone: {place.live} cannot be put back")
        snapshots.thaw(place.frozen, place.new)
    if place.live.exists():
        disk.rename(place.live, place.failed)
    disk.rename(place.new, place.live)
    snapshots.sync(place.live)
    return f"{place.live} is again what it was, the failed state is {place.failed}"


def forget(place: Place, snapshots: Snapshots, disk: Disk) -> None:
    """Remove everything that a change keeps of a volume, never the volume."""
    delete = disk.remove_tree if place.is_archive else snapshots.delete
    for kept in (place.aside, place.new, place.failed, place.frozen):
        delete(kept)
    disk.remove_dir(place.store)
    disk.remove_dir(place.store.parent)
