"""restore: everything as it was before quiesce, and the old release running behind the shut door.

It looks at each thing first, so it may be cut anywhere and run again. It depends on no size:
volumes are renamed, paths are small. That the failing release cannot be stopped in order, or has
left a database that was not shut down, does not stop it: what it leaves is put aside, not used.
"""

from __future__ import annotations

import contextlib

from . import door, evidence, hold, saved, services, volumes
from .change import look
from .outcome import FailedError
from .phases import ABSENT, SUCCEEDED
from .work import Work, current_release


def run(work: Work) -> None:
    manifest = work.manifest
    door.shut(work.host, manifest)
    hold.forbid_start(work.host)
    hold.hold(work.host, manifest.services)
    stop(work)
    if look(work.change, "apply")[0] == ABSENT:
        work.note("nothing was changed: only started again")
    else:
        evidence.keep(work)
        put_back(work)
    hold.hold(work.host, manifest.services)  # what was put back may lack the drop-ins
    hold.allow_start(work.host)
    work.must("start", manifest.from_release)
    if work.has("carry"):
        work.must("carry", manifest.from_release)


def stop(work: Work) -> None:
    """Stop what runs, in order if the script can, and in any case."""
    applied = look(work.change, "apply")[0] != ABSENT
    guess = work.manifest.to_release if applied else work.manifest.from_release
    ran = work.script("stop", current_release(work.change) or guess)
    if ran.code != 0:
        work.note(f"script stop failed, stopping the services without it: {ran.reason}")
    services.stop(work.system, work.manifest.services)
    with contextlib.suppress(OSError):  # only to be noted: what is held is put aside
        for holder in services.holders(work.system, [v.path for v in work.manifest.volumes]):
            work.note(f"still there: {holder}")


def put_back(work: Work) -> None:
    """Volumes, then paths; each proved."""
    if look(work.change, "snapshot")[0] != SUCCEEDED:
        raise FailedError("apply began without a proved snapshot: nothing can be put back")
    trees = saved.load(work.change.paths.saved)
    for place in work.places:
        work.note(volumes.put_back(place, work.snapshots, work.disk))
    for path, tree in trees.items():
        if saved.put_back(work.system, path, tree, saved=work.change.paths.saved):
            work.note(f"{path} is again what it was")
    hold.reload(work.host)
