"""open: the decided release running, its autostart given back, the door open; over."""

from __future__ import annotations

from . import ballast, door, hold, parking, records, returned, services, volumes
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
            returned.give_back(work)
        hold.release(work.host, manifest.services)
        let_out(work)
        door.open_up(work.host)
        parking.deliver(work.change)
        ballast.give(work.host)
        finish(work, ENDS[target])
    hold.forbid_start(work.host)  # the hold is gone, and the next change has one of its own


def let_out(work: Work) -> None:
    """Who is new reaches the product; who is with the spool ends, and what he left is given too.

    What cannot be given at once is delivered later: the clinic is not kept out for it.
    """
    if parking.turned(work.change) is None:
        return
    work.note(f"the door turns nobody new to the spool{door.turn_back(work.host)}")
    parking.stop(work.change)
    try:
        returned.give_back(work)
    except FailedError as error:
        work.note(f"to be delivered later: {error.because}")


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
