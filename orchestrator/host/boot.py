"""boot: a host that went down in a change ends it alone, before the product may start.

It only proposes; a decision that stands is carried out. A failed restore waits for a person, behind
the shut door. A member of a set asks its anchor (undo.py).
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, List

from . import answering, begin, epoch, parking, watch
from .change import Change, everything, facts, unfinished
from .decide import BOOT, propose_under_lock
from .host import Host
from .locks import locked
from .outcome import FailedError
from .phases import RESTORE, SUCCEEDED, at_boot

BECAUSE = "the host went down before the change was decided"


def boot(host: Host) -> Dict[str, Any]:
    """Look at the unfinished change and end it; what was found and done."""
    if not host.layout.changes.is_dir():
        return {"found": None, "did": []}
    with locked(host.system, host.layout.lock):
        _go_on_delivering(host)
        answering.keep_all(host)
        _go_on_asking(host)
        change = unfinished(host)
        if change is None:
            return {"found": None, "did": []}
        parking.revive(change)
        found = at_boot(facts(change))
        now = epoch.current(host)
        if found == "undo" and change.is_member:
            watch.keep(change)
            return {"found": "ask", "change": change.id, "did": []}
        if found == "undo":
            propose_under_lock(change, RESTORE, by=BOOT, because=BECAUSE, at=now)
    steps = {"undo": ["restore", "open"], "restore": ["restore", "open"], "open": ["open"]}
    return {"found": found, "change": change.id, "did": _carry_out(change, steps.get(found, []))}


def _go_on_delivering(host: Host) -> None:
    """Parked items, and reports, that were not given when the host went down."""
    for change in everything(host):
        if facts(change).is_over and not change.paths.cleaned.exists():
            with contextlib.suppress(FailedError):  # never the reason that a host does not open
                parking.deliver(change)


def _go_on_asking(host: Host) -> None:
    """A member asks its anchor until it has heard, and told, how its change ended."""
    for change in everything(host):
        if change.is_member and change.paths.watched.exists():
            with contextlib.suppress(FailedError):  # the controller may still come
                watch.keep(change)


def _carry_out(change: Change, steps: List[str]) -> List[Dict[str, Any]]:
    done: List[Dict[str, Any]] = []
    for name in steps:
        at = epoch.current(change.host)
        done.append(begin.phase(change.host, change.id, name, at=at, wait=None))
        if done[-1]["state"] != SUCCEEDED:
            break
    return done
