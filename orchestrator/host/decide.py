"""The decision: one file, created once with its whole content. The first writer wins."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Optional

from . import ballast, epoch, records, watch
from .change import Change, facts, load
from .databases import require
from .host import Host
from .outcome import FailedError, RefusedError
from .phases import RESTORE, decidable, reversible
from .records import Record
from .work import database_places

#: Who decides on a host without a controller.
BOOT, TIMER = "boot", "undo timer"


def decide(
    host: Host, identifier: str, *, at: int, propose: str, by: str, because: str
) -> Dict[str, Any]:
    """Propose a decision; the one that stands afterwards, whoever made it."""
    with epoch.admitted(host, at):
        change = load(host, identifier)
        if change.is_member:
            raise RefusedError("order", "another host of this set keeps the decision")
        standing = change.decided()
        if standing is None:
            standing = propose_under_lock(change, propose, by=by, because=because, at=at)
    return _stripped(standing)


def propose_under_lock(change: Change, propose: str, *, by: str, because: str, at: int) -> Record:
    """Create the decision, unless one stands.

    Raises:
        RefusedError: a commit of what was not applied.
    """
    _unless(decidable(facts(change), propose))
    if propose == RESTORE:
        ballast.give(change.host)
    record = {
        "decision": propose,
        "by": by,
        "because": because,
        "at": change.host.stamp(),
        "epoch": at,
    }
    records.create(change.host.disk, change.paths.decision, record)
    standing = change.decided()
    assert standing is not None
    return standing


def alone(change: Change) -> Optional[Record]:
    """The decision, where the host made it without a controller and nobody reversed it."""
    standing = change.decided()
    by_host = standing is not None and standing["by"] in (BOOT, TIMER)
    return standing if by_host and change.reversal() is None else None


def reverse(host: Host, identifier: str, *, at: int, because: str) -> Dict[str, Any]:
    """A committed change is to be put back; the reversal that stands.

    On a member of a set it is only an intent, until its anchor has the reversal (member.py).
    """
    with epoch.admitted(host, at):
        change = load(host, identifier)
        if change.reversal() is None:
            _unless(reversible(facts(change)))
            _unless(_without_copy(change))
            ballast.give(host)
            record = {"because": because, "at": host.stamp(), "epoch": at}
            paths = change.paths
            records.create(host.disk, paths.intent if change.is_member else paths.reversal, record)
        with contextlib.suppress(FailedError):  # then a boot carries it out
            watch.keep(change)
        standing = change.reversal()
    return {"change": identifier, "reversal": _stripped(standing) if standing else None}


def _without_copy(change: Change) -> "Optional[tuple[str, str]]":
    """Nothing that works is stopped for a way back that is not there."""
    try:
        for place in database_places(change):
            require(place)
    except FailedError as error:
        return "order", error.because
    return None


def _unless(refused: "Optional[tuple[str, str]]") -> None:
    if refused is not None:
        raise RefusedError(*refused)


def _stripped(record: Record) -> Dict[str, Any]:
    return {key: value for key, value in record.items() if key != "schema"}
