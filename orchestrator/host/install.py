"""The staged configuration goes over its targets, file by file.

A file that is there keeps its owner and mode, a new one has those it was staged with. What was not
staged stays: the program does not remove what it does not know.
"""

from __future__ import annotations

from pathlib import Path

from .disk import Disk, sync
from .outcome import FailedError
from .tree import Entry, build, describe, dress, worn_by


def install(staged: Path, target: Path, disk: Disk) -> None:
    """Put ``staged`` (a file or a directory) over ``target``. Again does no harm.

    Raises:
        FailedError: nothing is staged, or a directory and a file stand in each other's place.
    """
    tree = describe(staged)
    if tree is None:
        raise FailedError(f"{staged} was not staged")
    disk.make_dir(target.parent, mode=0o755)
    for entry in tree:
        place = target / entry.path
        source = staged / entry.path
        if entry.kind == "dir":
            _directory(entry, place, disk)
        else:
            _file(entry, source, place, disk)


def _directory(entry: Entry, place: Path, disk: Disk) -> None:
    if place.is_dir():
        return
    if place.exists():
        raise FailedError(f"{place} is a file, and a directory was staged for it")
    disk.make_dir(place)
    dress(place, entry)
    sync(place)


def _file(entry: Entry, source: Path, place: Path, disk: Disk) -> None:
    if place.is_dir() and not place.is_symlink():
        raise FailedError(f"{place} is a directory, and a file was staged for it")
    aside = place.with_name(f".{place.name}.wardship-new")
    disk.remove(aside)
    build([worn_by(place, Entry(**{**entry.as_json(), "path": ""}))], aside, disk, lambda _: source)
    disk.rename(aside, place)
