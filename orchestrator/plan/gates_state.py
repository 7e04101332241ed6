"""Gates about what a snapshot captures: whether it is there, can be captured, and has room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from orchestrator.fleet.model import copies
from orchestrator.plan.room import bytes_of_copy
from orchestrator.survey.model import VolumeSurvey

if TYPE_CHECKING:
    from orchestrator.plan.gates import Prospect, Reason


def _volumes(p: Prospect) -> Iterator[Reason]:
    for volume in p.volumes:
        found = p.found(volume)
        if found is None:
            yield "volume", f"volume {volume.name} ({volume.path}) was not found", _again(p)
            continue
        if volume.kind == "index":
            yield from _snapshots(p, found)
        free, needed = found.free >> 20, p.role.min_free_mib
        if volume.kind == "index" and copies(p.snapshot):
            needed += (bytes_of_copy(found) or 0) >> 20
        if free < needed:
            because = f"{found.path} has {free} MiB free, {needed} MiB are needed"
            yield "free-space", because, f"free space there, then: {_again(p)}"


def _snapshots(p: Prospect, found: VolumeSurvey) -> Iterator[Reason]:
    """Whether what is declared can be done with what is there."""
    volume = f"volume {found.name} ({found.path})"
    is_subvolume = found.filesystem == "btrfs" and found.is_subvolume
    if p.snapshot == "btrfs" and not is_subvolume:
        what = "no subvolume" if found.filesystem == "btrfs" else found.filesystem
        because = f"{volume} is {what}: it cannot be snapshotted"
        hint = "move it to a btrfs subvolume of its own, or declare snapshot: copy for this host"
        yield "volume", because, hint
    elif p.snapshot == "postgres" and is_subvolume:
        because = f"{volume} is a btrfs subvolume, and beside a database it is copied"
        yield "volume", because, "let the volume be a plain directory"
    elif p.snapshot == "copy" and is_subvolume:
        because = f"{volume} is a btrfs subvolume, and snapshot: copy is declared"
        yield "volume", because, "declare snapshot: btrfs for this host: that copies nothing"
    elif copies(p.snapshot) and found.is_mount_point is not False:
        known = found.is_mount_point is not None
        what = "is a mount point" if known else "may be a mount point, nobody looked"
        because = f"{volume} {what}: a copy cannot be put back by rename"
        yield "volume", because, "let the volume be a directory below the mount point"
    elif copies(p.snapshot) and bytes_of_copy(found) is None:
        yield "volume", f"how much a copy of {volume} holds is not known", _again(p)


def _databases(p: Prospect) -> Iterator[Reason]:
    """Each declared database was found, and its file system has room for a second one."""
    there = {(one.name, one.database, one.cluster): one for one in p.survey.databases}
    for declared in p.databases:
        found = there.get((declared.name, declared.database, declared.service))
        if found is None:
            because = f"database {declared.database} ({declared.service}) was not found"
            yield "database", because, _again(p)
            continue
        free, needed = found.free >> 20, p.role.min_free_mib + (found.size >> 20)
        if free < needed:
            because = (
                f"{found.directory} has {free} MiB free, "
                f"a copy of database {found.database} needs {needed} MiB"
            )
            yield "free-space", because, f"free space there, then: {_again(p)}"


def _again(p: Prospect) -> str:
    return f"wardship survey {p.facility}"


RULES: tuple[Callable[[Prospect], Iterator[Reason]], ...] = (_volumes, _databases)
