"""restore: everything as it was before quiesce, and the old release running behind the shut door.

It looks at each thing first, so it may be cut anywhere and run again. It depends on no size:
volumes are renamed, paths are small. That the failing release cannot be stopped in order, or has
left a database that was not shut down, does not stop it: what it leaves is put aside, not used.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from threading import Thread
from typing import Callable, List

from . import databases, door, evidence, hold, parking, saved, services, volumes
from .change import look
from .outcome import FailedError
from .phases import ABSENT, SUCCEEDED
from .work import Work, current_release, was_touched

ROOM = 256 * 1024 * 1024
"""Bytes that a database needs to start in."""
#: How long a script may try to stop what is put back anyway, in seconds; then it is killed.
STOPPING = 90.0
#: How long the start waits for the removal of a half capture, in seconds.
REMOVING = 60.0
PATIENCE = 60.0
"""Seconds until the file system has given back what was removed."""


def run(work: Work) -> None:
    manifest = work.manifest
    if not was_touched(work):
        work.note("nothing had begun: nothing to put back")
        return
    was_applied = look(work.change, "apply")[0] != ABSENT
    ready_databases(work, was_applied=was_applied)
    if told := parking.revive(work.change):
        work.note(told)
    door.shut(work.host, manifest, parking.turned(work.change))
    hold.forbid_start(work.host)
    hold.hold(work.host, manifest.services)
    if not was_applied:
        work.note("nothing was changed: only started again")
        drop_half_captures(work)
    else:
        close_databases(work)
        stop(work)
        evidence.keep(work)
        put_back(work)
        parking.forget_outcomes(work.change)
        hold.hold(work.host, manifest.services)  # what was put back may lack the drop-ins
    for database in work.databases:
        databases.open_up(database)
    volumes.require_archives(work.places)
    hold.allow_start(work.host)
    work.must("start", manifest.from_release)
    if work.has("carry"):
        work.must("carry", manifest.from_release)
    work.settle()


def ready_databases(work: Work, *, was_applied: bool) -> None:
    """Their clusters run, nothing of ours goes on there, and what is put back is there.

    Raises:
        FailedError: it is not so; nothing was touched for it.
    """
    for place in work.databases:
        place.cluster.start()
        place.end_own()
        if was_applied:
            databases.require(place)


def close_databases(work: Work) -> None:
    """From here nobody writes what no copy has; in a reversal it is counted after this."""
    for place in work.databases:
        if not databases.require(place):
            databases.close(place)
            for client in place.end(place.live):
                work.note(f"ended in {place}: {client}")


def stop(work: Work) -> None:
    """Stop what runs, in order if the script can, and in any case."""
    release = current_release(work.change) or work.manifest.to_release
    ran = work.script("stop", release, seconds=STOPPING)
    if ran.code != 0:
        work.note(f"script stop failed, stopping the services without it: {ran.reason}")
    services.stop(work.system, work.manifest.services)
    with contextlib.suppress(OSError):  # only to be noted: what is held is put aside
        for holder in services.holders(work.system, [v.path for v in work.manifest.volumes]):
            work.note(f"still there: {holder}")


def drop_half_captures(work: Work) -> None:
    """Remove what was captured and not proved: it serves nobody, and may fill the volume's disk.

    Not of an archive, where it takes no room and may be millions of names. It is no reason not to
    start: what cannot be removed, or not in time, is left to cleanup.
    """
    for place in work.places:
        if place.is_archive or not os.path.lexists(place.aside):
            continue
        try:
            is_done = _ended(partial(work.snapshots.delete, place.aside), seconds=REMOVING)
            what = "removed" if is_done else "still being removed"
            work.note(f"{place.aside} is {what}: it was not proved")
        except (FailedError, OSError) as error:
            work.note(f"{place.aside} stays: {error}")
    for told in filter(None, map(databases.drop_half_copy, work.databases)):
        work.note(told)


def _ended(step: Callable[[], None], *, seconds: float) -> bool:
    """Whether a step ended in so many seconds; if not, it goes on beside us, until we end."""
    raised: List[BaseException] = []

    def run() -> None:
        try:
            step()
        except BaseException as error:  # raised below, where somebody waits for it
            raised.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    for error in raised:
        raise error
    return not thread.is_alive()


def put_back(work: Work) -> None:
    """Volumes, databases, then paths; each proved."""
    if look(work.change, "snapshot")[0] != SUCCEEDED:
        raise FailedError("apply began without a proved snapshot: nothing can be put back")
    trees = saved.load(work.change.paths.saved)
    for place in work.places:
        work.note(volumes.put_back(place, work.snapshots, work.disk))
    for database in work.databases:
        work.note(databases.put_back(database))
    for path, tree in trees.items():
        if saved.put_back(work.system, path, tree, saved=work.change.paths.saved):
            work.note(f"{path} is again what it was")
    make_room(work)
    hold.reload(work.host)


def make_room(work: Work) -> None:
    """Where the failed state leaves no room for the old release to run, it goes.

    Never in a reversal: what was acknowledged since the commit is in it.
    """
    if work.change.reversal() is not None:
        return
    for database in work.databases:
        if told := databases.give_room(database, needed=ROOM):
            work.note(told)
    for place in work.places:
        if place.is_archive:
            continue
        if work.system.free(place.live) >= ROOM:
            continue
        work.note(f"{place.failed} is removed: it leaves no room for the old release")
        work.snapshots.empty(place.failed)
        deadline = work.system.monotonic() + PATIENCE
        while work.system.free(place.live) < ROOM and work.system.monotonic() < deadline:
            work.snapshots.sync(place.live)
            work.system.sleep(0.5)
