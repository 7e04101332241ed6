"""A member of a set: learns from the anchor what was decided, and decides nothing.

What it hears it writes down as its own record, and goes by that. While it hears nothing it stays as
it is, closed if it was closed, and says why.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from . import ballast, epoch, records, watch, word
from .anchor import standing
from .change import Change, load, own_facts
from .host import Host
from .locks import locked
from .outcome import FailedError, RefusedError
from .phases import RESTORE, SUCCEEDED, Facts
from .records import Record

WENT_DOWN = "the host went down before the change was decided"
LEFT = "a person took the change over there, undecided: take it over here too"


@dataclass(frozen=True)
class Heard:
    """What the anchor said last: how far it is itself; and what it was told of this host."""

    told: Facts
    phases: Mapping[str, str]
    end: Optional[str]

    @property
    def is_back(self) -> bool:
        """Whether the anchor has been put back, as far as phases go."""
        return self.end in ("restored", "cleared") or self.phases.get("restore") == SUCCEEDED


def listen(change: Change, *, begins: bool = False) -> Optional[Heard]:
    """Ask the anchor, and write down what it says. None, and a note why, where it says nothing.

    ``begins``: this host is about to begin, so that the anchor has to wait for its end.
    """
    known = own_facts(change)
    try:
        answer = ask(change, known, begins=begins)
        with locked(change.host.system, change.host.layout.lock):
            _take(change, answer)
    except (FailedError, RefusedError) as error:
        _note(change, error.because)
        return None
    is_left = answer.get("end") == "cleared" and known.target is None and change.decided() is None
    _note(change, LEFT if is_left else "")
    return Heard(known, answer.get("phases") or {}, answer.get("end"))


def silence(change: Change) -> str:
    """Why the anchor is not heard; empty where it is, and where this host asks none."""
    try:
        if change.is_member:
            ask(change, own_facts(change))
    except FailedError as error:
        return error.because
    return ""


def forget(change: Change) -> None:
    """Nothing more is heard or waited for: this host is over."""
    _note(change, "")


def ask(change: Change, known: Facts, *, begins: bool = False) -> Dict[str, Any]:
    """Tell the anchor how this host stands; what stands there.

    Raises:
        FailedError: it does not say.
    """
    together = change.manifest.together
    if together is None:
        raise FailedError("this host changes alone")
    told = {
        "change": change.id,
        "host": change.manifest.host,
        "phases": known.phases,
        "begins": begins,
        "end": known.finished if known.is_over and not awaits(change) else None,
        "restore": WENT_DOWN if _went_down(change, known) else "",
    }
    return word.ask(together.address, together.port, word.key_at(change.paths.key), told)


def heed(host: Host, identifier: str, *, at: int, said: str) -> Dict[str, Any]:
    """Take the anchor's word from the controller, which hands it on; what stands here then.

    Raises:
        FailedError: it is not the anchor's word on this change.
        RefusedError: this host asks no other.
    """
    with epoch.admitted(host, at):
        change = load(host, identifier)
        if not change.is_member:
            raise RefusedError("order", "this host asks no other")
        told = word.verified(word.key_at(change.paths.key), word.WORD, said)
        if told.get("change") != change.id:
            raise FailedError("the anchor's word is on another change")
        _take(change, told)
        with contextlib.suppress(FailedError):  # then a boot carries it out
            watch.keep(change)
        return standing(change)


def awaits(change: Change) -> bool:
    """Whether a reversal was asked for that the anchor has not confirmed yet."""
    return (
        change.is_member
        and change.paths.intent.exists()
        and change.reversal() is None
        and not change.paths.cleaned.exists()
    )


def unheard(change: Change) -> str:
    """Why this host waits for its anchor, in a sentence; empty where it does not."""
    noted = records.read(change.host.layout.unheard(change.id))
    together = change.manifest.together
    if together is None:
        return ""
    who = f"{together.anchor}, which decides for this host,"
    if noted is not None:
        return f"{who} is not heard since {noted['since']}: {noted['because']}"
    return f"{who} has not confirmed the reversal that was ordered" if awaits(change) else ""


def _take(change: Change, answer: Record) -> None:
    """Write down what stands on the anchor. Call it under the lock."""
    disk, paths = change.host.disk, change.paths
    finished = change.finished()
    if paths.cleaned.exists() or (finished and finished["end"] == "cleared"):
        return  # a person has it, or nothing is left to put back
    decision: Optional[Record] = answer.get("decision")
    reversal: Optional[Record] = answer.get("reversal")
    if decision is not None and change.decided() is None:
        if decision["decision"] == RESTORE:
            ballast.give(change.host)
        records.create(disk, paths.decision, _plain(decision))
    if reversal is not None and change.reversal() is None:
        records.create(disk, paths.reversal, _plain(reversal))
    if reversal is None and answer.get("is_reversible") is False:
        disk.remove(paths.intent)  # the anchor refuses it, for good


def _plain(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "schema"}


def _went_down(change: Change, known: Facts) -> bool:
    """Whether this host booted since the change began, and nothing was decided."""
    if known.target is not None or known.is_over:
        return False
    begun = records.read(change.paths.phase("quiesce"))
    return begun is not None and begun["boot_id"] != change.host.system.boot_id()


def _note(change: Change, because: str) -> None:
    host, path = change.host, change.host.layout.unheard(change.id)
    noted = records.read(path)
    if not because:
        host.disk.remove(path)
    elif noted is None or noted["because"] != because:
        host.disk.make_dir(path.parent)
        since = noted["since"] if noted else host.stamp()
        records.write(host.disk, path, {"since": since, "because": because})
