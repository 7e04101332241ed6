"""The anchor of a set: tells the others what was decided, and hears how far they are.

One unit answers, from *prepare* until every host of the set has said that it is over. A member may
ask for a restore, which is a proposal like every other; it can ask for nothing else.
"""

from __future__ import annotations

import contextlib
import socketserver
from typing import Any, Dict, List

from . import epoch, records, watch, word
from .change import Change, everything, facts, load, own_facts
from .decide import BOOT, propose_under_lock
from .host import Host
from .locks import locked
from .outcome import FailedError, RefusedError
from .phases import ENDS, RESTORE, RUNNING
from .records import Record

#: What a member told counts for so many seconds.
FRESH = 30.0
#: How long a change that never began is answered for, in seconds.
UNBEGUN = 7200.0
#: How often the unit looks whether anybody is left to answer, in seconds.
LOOK = 1.0
#: How long the unit may take until it answers, in seconds.
STARTING = 10.0


def standing(change: Change) -> Record:
    """What is decided, as it stands on this host."""
    return {"change": change.id, "decision": change.decided(), "reversal": change.reversal()}


def said(change: Change) -> str:
    """The same, signed: the anchor's word, for the controller to hand on; empty without a set."""
    if not change.is_anchor:
        return ""
    return word.sign(word.key_at(change.paths.key), word.WORD, standing(change))


def keep_all(host: Host) -> None:
    """After a boot: whoever may still ask is answered. Call it under the lock."""
    for change in everything(host):
        if change.is_anchor and own_facts(change).has_begun and not _is_done(change):
            with contextlib.suppress(FailedError):  # members then wait, and say so
                watch.answer(change)


def require(change: Change) -> None:
    """The unit answers; nothing where this host is no anchor.

    Raises:
        FailedError: it does not.
    """
    together, system = change.manifest.together, change.host.system
    if together is None or not change.is_anchor:
        return
    key, until = word.key_at(change.paths.key), system.monotonic() + STARTING
    told = {"change": change.id, "host": change.manifest.host}
    while because := word.silence("127.0.0.1", together.port, key, told):
        if system.monotonic() >= until:
            raise FailedError(because)
        system.sleep(0.2)


def serve(host: Host, identifier: str) -> Dict[str, Any]:
    """Answer until nobody is left who would ask."""
    change = load(host, identifier)
    together = change.manifest.together
    if together is None or not change.is_anchor:
        raise RefusedError("order", "this host decides for no other")
    key, began = word.key_at(change.paths.key), host.system.monotonic()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(word.TIMEOUT)
            # Whoever is no member, or goes away, is not worth a word.
            with contextlib.suppress(FailedError, RefusedError, OSError, ValueError):
                word.answer(self.request, key, lambda told: hear(change, told))

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 16
        timeout = LOOK

    with Server(("", together.port), Handler) as server:
        while not has_left(change, since=began):
            server.handle_request()
    return {"answered": change.id}


def hear(change: Change, told: Record) -> Record:
    """What a member told, written down; what stands, as the answer.

    Raises:
        FailedError: it asks about another change.
    """
    host, name = change.host, str(told.get("host"))
    if told.get("change") != change.id:
        raise FailedError("another change was asked for")
    with locked(host.system, host.layout.lock):
        if name in _members(change):
            _note(change, name, told)
            _propose(change, name, str(told.get("restore") or ""))
        return standing(change)


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
    one = {"phases": dict(told.get("phases") or {}), "at": host.system.monotonic()}
    known = _heard(change)
    host.disk.make_dir(path.parent)
    records.write(host.disk, path, {"hosts": {**known, name: one}})
    over = _over(change)
    if told.get("end") != over.get(name):
        records.write(host.disk, change.paths.over, {"hosts": {**over, name: told.get("end")}})


def has_left(change: Change, *, since: float) -> bool:
    """Nobody is left who would ask; then the unit takes its leave."""
    host = change.host
    with locked(host.system, host.layout.lock):
        too_old = host.system.monotonic() - since > UNBEGUN
        if _is_done(change) or (too_old and not own_facts(change).has_begun):
            watch.leave(change, watch.ANSWER)
            return True
    return False


def _is_done(change: Change) -> bool:
    """Whether every host of the set has ended as the set did, so that nobody has to ask."""
    known = own_facts(change)
    if known.cleaned:
        return True
    if not known.has_begun or not known.is_over:
        return False
    ends, over = ("cleared", ENDS.get(known.target or "")), _over(change)
    return all(over.get(name) in ends for name in _members(change))


def _over(change: Change) -> Dict[str, Any]:
    known: Dict[str, Any] = (records.read(change.paths.over) or {}).get("hosts", {})
    return known


def _members(change: Change) -> List[str]:
    together = change.manifest.together
    return [one for one in together.hosts if one != together.anchor] if together else []
