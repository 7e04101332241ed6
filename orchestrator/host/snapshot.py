"""snapshot: paths and volumes captured under temporary names, proved, and only then named."""

from __future__ import annotations

from . import saved, volumes
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
    prove_stopped(work)
    for place in work.places:
        volumes.seal(place, work.snapshots, work.disk)
    work.disk.rename(paths.saved_aside, paths.saved)
