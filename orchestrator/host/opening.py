"""open: the decided release running, its autostart given back, the door open; over."""

from __future__ import annotations

from . import ballast, door, hold, records, services, volumes
from .change import facts
from .outcome import FailedError
from .phases import COMMIT, ENDS, RESTORE
from .work import Work, was_touched


def run(work: Work) -> None:
    manifest, target = work.manifest, facts(work.change).target
    if target not in (COMMIT, RESTORE):
        raise FailedError("open needs a decision")
    over = work.change.finished()
    if over is None or over["end"] != ENDS[target]:
        if was_touched(work):
            ensure_started(work, manifest.to_release if target == COMMIT else manifest.from_release)
        hold.release(work.host, manifest.services)
        door.open_up(work.host)
        ballast.give(work.host)
        finish(work, ENDS[target])
    hold.forbid_start(work.host)  # the hold is gone, and the next change has one of its own


def ensure_started(work: Work, release: str) -> None:
    """Start the release unless it runs since this boot."""
    asleep = [s for s in work.manifest.services if not services.active(work.system, [s])]
    if asleep or not hold.may_start(work.host):
        work.note(f"starting {release} again: {', '.join(asleep) or 'the host was booted'}")
        volumes.require_archives(work.places)
        hold.hold(work.host, work.manifest.services)
        hold.allow_start(work.host)
        work.must("start", release)


def finish(work: Work, end: str, **more: str) -> None:
    """Write down that the change is over."""
    record = {"end": end, "at": work.host.stamp(), **more}
    records.write(work.disk, work.change.paths.finished, record)
    work.note(f"over: {end}")
