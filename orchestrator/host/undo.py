"""undo: from quiesce on, a unit that ends the change on this host when nobody else does.

It waits for the controller's next word, longer where checks are looking. Then it goes on alone,
without controller and network: what is undecided it proposes to put back, what is decided it
carries out. It counts by a clock that nobody can set, and only while nothing of the change runs: a
phase that runs has a limit of its own. A boot ends what is left by itself (boot.py).

Of hosts that change together only the anchor waits so, for all of them; a member asks it, and goes
by what it says.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from . import anchor, begin, epoch, member, watch
from .change import Change, facts, load
from .decide import TIMER, alone, propose_under_lock
from .host import Host
from .locks import locked
from .phases import ABSENT, COMMIT, RESTORE, RUNNING, SUCCEEDED, Facts, needs

#: How long the next phase, and what follows from a decision, may be waited for, in seconds.
NEXT, DECIDED = 300.0, 60.0
POLL = 2.0
#: How often a member that is over asks an anchor that does not answer, in seconds.
SLOWLY = 30.0
PROPOSE = "propose"


def run(host: Host, identifier: str) -> Dict[str, Any]:
    """Watch over the change until it is over; what was done meanwhile."""
    change = load(host, identifier)
    did: List[Dict[str, Any]] = []
    seen: Optional[Tuple[Facts, Any]] = None
    since = host.system.monotonic()
    while True:
        heard = member.listen(change) if change.is_member else None
        with locked(host.system, host.layout.lock):
            known = facts(change)
            now = (known, anchor.heard(change))
            if seen != now:
                seen, since = now, host.system.monotonic()
            quiet = host.system.monotonic() - since
            if _is_done(change, known, heard):
                member.forget(change)
                watch.leave(change)
                return {"change": change.id, "did": did}
        step = due(
            known,
            quiet=quiet,
            checking=change.manifest.checking,
            is_ours=alone(change) is not None,
        )
        if _is_for_others(change, known, step, heard):
            step = None
        if step is None:
            only_tells = known.is_over and heard is None and not member.awaits(change)
            host.system.sleep(SLOWLY if only_tells else POLL)
        elif step == PROPOSE:
            did.append({"decision": propose(change, known)})
        else:
            at = epoch.current(host)
            did.append(begin.phase(host, change.id, step, at=at, wait=None, seen=known))


def _is_done(change: Change, known: Facts, heard: Optional[member.Heard]) -> bool:
    """Whether it is over, and on a member the anchor was told so; what a person has, is too."""
    if not known.is_over or member.awaits(change):
        return False
    is_told = heard is not None and heard.told.finished == known.finished
    return not change.is_member or is_told or known.cleaned


def _is_for_others(
    change: Change, known: Facts, step: Optional[str], heard: Optional[member.Heard]
) -> bool:
    """Whether another host of the set has to act before this one.

    A member proposes nothing, and is not opened again before the anchor is back, as long as that is
    heard. The anchor waits for what runs on a member, as it would for its own.
    """
    if change.is_anchor:
        return anchor.runs_elsewhere(change)
    if not change.is_member:
        return False
    waits = step == "open" and known.target == RESTORE and heard is not None and not heard.is_back
    return step == PROPOSE or waits


def due(known: Facts, *, quiet: float, checking: float, is_ours: bool) -> Optional[str]:
    """What this host does now by itself: ``propose`` to restore, ``restore``, ``open``; or None.

    Args:
        quiet: seconds since anything was heard of the change.
        checking: seconds that the controller's checks may take.
        is_ours: no controller made the decision, so none confirms what it leads to.
    """
    need = needs(known)
    if need == "decision":
        if RUNNING in known.phases.values():
            return None
        patience = checking if known.state("apply") == SUCCEEDED else NEXT
        return PROPOSE if quiet >= patience else None
    if need not in ("restore", "open") or known.state(need) == RUNNING:
        return None
    patience = DECIDED if need == "restore" or known.target == COMMIT else checking
    is_first = is_ours and known.state(need) == ABSENT
    return need if is_first or quiet >= patience else None


def propose(change: Change, seen: Facts) -> Optional[str]:
    """Propose to put the change back, if all is as it was seen; the decision that stands then."""
    host = change.host
    because = "nobody went on with the change, or decided it, in time"
    with locked(host.system, host.layout.lock):
        if facts(change) == seen:
            at = epoch.current(host)
            propose_under_lock(change, RESTORE, by=TIMER, because=because, at=at)
        standing = change.decided()
    return standing["decision"] if standing else None
