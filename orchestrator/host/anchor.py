"""The anchor of a set: tells the others what was decided, and hears how far they are.

A member may ask for a restore, which is a proposal like every other; it can ask for nothing else.
Who answers on the wire is answering.py.
"""

from __future__ import annotations

from typing import Any, Dict, List

from . import epoch, records, word
from .change import Change, facts, own_facts
from .decide import BOOT, propose_under_lock
from .locks import locked
from .outcome import FailedError
from .phases import ABSENT, ENDS, RESTORE, RUNNING, reversible
from .records import Record

#: What a member told counts for so many seconds.
FRESH = 30.0
#: How long a member's question may wait for this host's lock, in seconds: it gives up after ten.
LOCKED = 5.0


def standing(change: Change) -> Record:
    """What is decided, as it stands on this host."""
    return {"change": change.id, "decision": change.decided(), "reversal": change.reversal()}


def said(change: Change) -> str:
    """The same, signed: the anchor's word, for the controller to hand on.

    Empty without a set, or where it cannot be signed: a decision is none the less made.
    """
    if not change.is_anchor:
        return ""
    try:
        return word.sign(word.key_at(change.paths.key), word.WORD, standing(change))
    except FailedError:
        return ""


def hear(change: Change, told: Record) -> Record:
    """What a member told, written down; what stands, and how far this host is, as the answer."""
    host, name = change.host, str(told.get("host"))
    with locked(host.system, host.layout.lock, seconds=LOCKED):
        if name in _members(change):
            _note(change, name, told)
            _propose(change, name, str(told.get("restore") or ""))
        known = facts(change)
        return {
            **standing(change),
            "phases": known.phases,
            "end": known.finished,
            "is_reversible": known.reversal or reversible(known) is None,
        }


def heard(change: Change) -> Dict[str, Any]:
    """Which of its phases each member told last; empty where nobody told since this host booted."""
    return {name: one["phases"] for name, one in _heard(change).items()}


def runs_elsewhere(change: Change) -> bool:
    """Whether a phase runs on a member, by what it told a moment ago."""
    now = change.host.system.monotonic()
    return any(
        RUNNING in one["phases"].values() and now - one["at"] < FRESH
        for one in _heard(change).values()
    )


def is_awaited(change: Change) -> bool:
    """Whether a host of a set that has begun has not ended, by its own word, as the set did.

    A member that told nothing of a phase never began, and has nothing to end.
    """
    known = own_facts(change)
    if not change.is_anchor or not known.has_begun or known.cleaned:
        return False
    if not known.is_over:
        return True
    ends, over = {"cleared", ENDS.get(known.target or "", "cleared")}, _over(change)
    return not all(over[name] in ends for name in _members(change) if name in over)


def _propose(change: Change, name: str, because: str) -> None:
    if not because or change.decided() is not None or facts(change).is_over:
        return
    now = epoch.current(change.host)
    propose_under_lock(change, RESTORE, by=BOOT, because=f"{name}: {because}", at=now)


def _heard(change: Change) -> Dict[str, Any]:
    noted = records.read(change.host.layout.heard(change.id)) or {}
    known: Dict[str, Any] = noted.get("hosts", {})
    return known


def _note(change: Change, name: str, told: Record) -> None:
    host, path = change.host, change.host.layout.heard(change.id)
    phases = dict(told.get("phases") or {})
    known = _heard(change)
    host.disk.make_dir(path.parent)
    one = {"phases": phases, "at": host.system.monotonic()}
    records.write(host.disk, path, {"hosts": {**known, name: one}})
    over, end = _over(change), told.get("end")
    has_begun = told.get("begins") or end or any(state != ABSENT for state in phases.values())
    # An end that was told once is not taken back by an older question that waited for the lock.
    if has_begun and (name not in over or end not in (None, over[name])):
        records.write(host.disk, change.paths.over, {"hosts": {**over, name: end}})


def _over(change: Change) -> Dict[str, Any]:
    known: Dict[str, Any] = (records.read(change.paths.over) or {}).get("hosts", {})
    return known


def _members(change: Change) -> List[str]:
    together = change.manifest.together
    return [one for one in together.hosts if one != together.anchor] if together else []
