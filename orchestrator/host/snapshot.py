"""snapshot: paths, volumes, databases captured under temporary names, proved, only then named."""

from __future__ import annotations

from . import databases, saved, volumes
from .outcome import FailedError
from .quiesce import prove_stopped
from .work import Work


def run(work: Work) -> None:
    paths = work.change.paths
    if paths.saved.exists():
        raise FailedError(f"{paths.saved} is there already: a snapshot is never retaken")
    prove_stopped(work)
    saved.save(work.system, work.manifest.paths, to=paths.saved_aside)
    work.note(f"saved and proved: {', '.join(work.manifest.paths)}")
    for place in work.places:
        volumes.capture(place, work.snapshots, work.disk)
        work.note(f"captured and proved: {place.live}")
    for database in work.databases:
        databases.capture(database)
        work.note(f"copied and proved: {database}")
    prove_stopped(work)
    for place in work.places:
        volumes.seal(place, work.snapshots, work.disk)
    for database in work.databases:
        databases.seal(database)
    work.disk.rename(paths.saved_aside, paths.saved)
