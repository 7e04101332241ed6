"""Archives: every stored object listed and held by a second name, never copied.

A hard link takes no room for data. What the new release, or anybody after a commit, deletes on the
archive is there by its second name until cleanup, and is put back by a restore. What is written
into an object is not undone: the listing tells that it was touched.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import List, Sequence

from . import listing
from .disk import Disk, sync
from .listing import is_object, listed
from .outcome import FailedError
from .place import Place
from .system import System
from .walk import files

#: Second names in one directory.
BUCKET = 10_000


def problems(place: Place, indexes: Sequence[Place], system: System) -> List[str]:
    """Why an archive is not what it should be, or its objects could not be held."""
    if not place.live.is_dir():
        return [f"the archive {place.live} is not a directory"]
    found = [
        f"the archive {place.live} lies on one file system with {index.live}: is it mounted?"
        for index in indexes
        if index.live.is_dir() and system.device(index.live) == system.device(place.live)
    ]
    if system.is_read_only(place.live):
        return [*found, f"the archive {place.live} is mounted read-only"]
    if not _has_links(place.live):
        found.append(f"the file system of the archive {place.live} has no hard links")
    return found


def _has_links(directory: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix=".wardship-", dir=directory) as top:
        one = Path(top, "one")
        one.touch()
        try:
            Path(top, "two").hardlink_to(one)
        except OSError:
            return False
        return True


def hold(place: Place, disk: Disk) -> None:
    """Hold every object under a temporary name, and list it as it is then: a link changes ctime."""
    disk.make_dir(place.store)
    disk.remove_tree(place.aside)
    disk.make_dir(place.aside)
    with listing.writing(place.listing_aside, place.live, disk) as note:
        for number, name in enumerate(_objects(place)):
            held = _held(place.aside, number)
            if number % BUCKET == 0:
                disk.make_dir(held.parent)
            disk.effect("hold", held)
            os.link(place.live / name, held, follow_symlinks=False)
            note(listed(name, held.lstat()))
    for bucket in place.aside.iterdir():
        sync(bucket)


def _objects(place: Place) -> Iterator[str]:
    for directory in place.volume.objects:
        for name, about in files(place.live / directory):
            if is_object(about):
                yield f"{directory}/{name}"


def put_back(place: Place, disk: Disk) -> str:
    """Give every object that is gone its name again; says how many. Again does no harm.

    Raises:
        FailedError: one is not held either.
    """
    back = 0
    for number, one in enumerate(listing.read(place.listing)):
        live = place.live / one.path
        if os.path.lexists(live):
            continue
        held = _held(place.frozen, number)
        if not os.path.lexists(held):
            raise FailedError(f"{live} is gone, and so is {held}, which held it")
        _make_like_above(live.parent, disk)
        disk.effect("link", live)
        os.link(held, live, follow_symlinks=False)
        sync(live.parent)
        back += 1
    return f"{place.live} is an archive and stays as it is; deleted since and back again: {back}"


def _make_like_above(directory: Path, disk: Disk) -> None:
    """Make a directory of objects as the one above it is: products remove those that are empty.

    Under another name first: a cut must leave none that the product may not write to.
    """
    if directory.is_dir():
        return
    _make_like_above(directory.parent, disk)
    above, aside = directory.parent.stat(), disk.aside(directory)
    disk.remove_tree(aside)
    disk.make_dir(aside, mode=above.st_mode & 0o7777)
    os.chown(aside, above.st_uid, above.st_gid)
    aside.chmod(above.st_mode & 0o7777)
    disk.rename(aside, directory)


def _held(top: Path, number: int) -> Path:
    return top / str(number // BUCKET) / str(number)
