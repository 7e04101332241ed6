"""The golden state of a host: its root and its data as they were frozen, and the way back to it.

A freeze counts once its record is written, and the record names the copies; a freeze that was cut
off leaves the one before it in force. A reset that was cut off is finished before the next boot.

The data disk carries subvolumes inside subvolumes (a product's ``live``, snapshots of it). A
snapshot does not reach into those, so each is copied by itself and put back at its place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import LabError
from orchestrator.lab import disk
from orchestrator.lab.model import HostSpec
from orchestrator.lab.paths import LabPaths

_PREFIX = "golden"


class Copy(BaseModel):
    """The copy of one subvolume: where it goes (``.`` is the top), and whether read-only there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    is_read_only: bool


class Golden(BaseModel):
    """The record of a freeze. Copies are numbered in order, each after the one it lies in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generation: int
    root: tuple[Copy, ...]
    data: tuple[Copy, ...]


@dataclass(frozen=True)
class Half:
    """One of the two subvolumes that make a host, and where its golden copies lie."""

    path: Path

    def copies(self, host: str, generation: int) -> Path:
        """The directory of one generation's copies, on the same file system."""
        return self.path.parent / f"{_PREFIX}-{host}-{generation}"

    def generations(self, host: str) -> dict[int, Path]:
        """All generations' directories, the unfinished and the outdated too."""
        prefix = f"{_PREFIX}-{host}-"
        found = self.path.parent.glob(f"{prefix}*")
        numbered = ((path.name.removeprefix(prefix), path) for path in found)
        return {int(number): path for number, path in numbered if number.isdigit()}


def halves(paths: LabPaths, host: str) -> tuple[Half, Half]:
    """A host's root and its data."""
    return Half(paths.root(host)), Half(paths.data(host))


def is_frozen(paths: LabPaths, host: str) -> bool:
    """Whether there is a golden state."""
    return paths.golden(host).exists()


def freeze(paths: LabPaths, host: str) -> None:
    """Make what a stopped host is now its golden state; an earlier one is dropped."""
    root, data = halves(paths, host)
    generation = 1 + max([0, *root.generations(host), *data.generations(host)])
    golden = Golden(
        generation=generation,
        root=_copy(root, host, generation),
        data=_copy(data, host, generation),
    )
    record = paths.golden(host)
    unfinished = record.with_suffix(".new")
    unfinished.write_text(golden.model_dump_json())
    os.sync()
    unfinished.rename(record)
    for half in (root, data):
        _drop_others(half, host, keep=generation)


def freeze_disks(paths: LabPaths, host: HostSpec) -> None:
    """The further disks of a stopped host as they are now; they have to be mounted again."""
    for each in host.disks:
        image = paths.disk_image(host.name, each.name)
        disk.unmount(paths.disk(host.name, each.name))
        disk.duplicate(image, image.with_suffix(".golden"))


def reset_disks(paths: LabPaths, host: HostSpec) -> None:
    """Put them back to how they were frozen; they have to be mounted again."""
    for each in host.disks:
        image = paths.disk_image(host.name, each.name)
        disk.unmount(paths.disk(host.name, each.name))
        disk.duplicate(image.with_suffix(".golden"), image)


def reset(paths: LabPaths, host: str) -> None:
    """Put a stopped host back to its golden state.

    Raises:
        LabError: it was never frozen.
    """
    if not is_frozen(paths, host):
        raise LabError(
            f"{host} was never frozen", hint="bring it to the state wanted, then Lab.freeze"
        )
    for half in halves(paths, host):
        disk.delete(half.path)
        disk.wait_freed(half.path.parent)
    finish_reset(paths, host)


def finish_reset(paths: LabPaths, host: str) -> None:
    """Put back what of a frozen host is not there: a reset begins with taking it away.

    In that order because a file system that the host filled has no room for a snapshot.
    """
    if not is_frozen(paths, host):
        return
    golden = Golden.model_validate_json(paths.golden(host).read_text())
    root, data = halves(paths, host)
    for half, copies in ((root, golden.root), (data, golden.data)):
        if disk.is_subvolume(half.path):
            continue
        fresh = disk.fresh_path(half.path)
        _put_back(half.copies(host, golden.generation), copies, fresh)
        fresh.rename(half.path)


def _copy(half: Half, host: str, generation: int) -> tuple[Copy, ...]:
    into = half.copies(host, generation)
    into.mkdir()
    copies = []
    for number, source in enumerate([half.path, *disk.nested(half.path)]):
        disk.snapshot(source, into / str(number), writable=False)
        place = str(source.relative_to(half.path))
        copies.append(Copy(place=place, is_read_only=disk.is_read_only(source)))
    return tuple(copies)


def _put_back(copies: Path, record: tuple[Copy, ...], fresh: Path) -> None:
    disk.delete(fresh)
    for number, copy in enumerate(record):
        place = fresh / copy.place
        if number:
            # What a snapshot holds in place of a nested subvolume is an empty directory.
            place.rmdir()
        disk.snapshot(copies / str(number), place, writable=True)
    for copy in record:
        if copy.is_read_only:
            disk.set_read_only(fresh / copy.place, value=True)


def _drop_others(half: Half, host: str, *, keep: int) -> None:
    for generation, directory in half.generations(host).items():
        if generation != keep:
            for copy in directory.iterdir():
                disk.delete(copy)
            directory.rmdir()
