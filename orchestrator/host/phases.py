"""What may follow what: pure decisions over facts, no I/O.

Mutating phases start once. Restore and open are idempotent and may start again. Whatever is
unknown, interrupted or undecided leads to restore, never onward.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional

ABSENT, RUNNING, SUCCEEDED = "absent", "running", "succeeded"
FAILED, INTERRUPTED = "failed", "interrupted"
COMMIT, RESTORE = "commit", "restore"
ONCE = ("quiesce", "snapshot", "apply")
AGAIN = ("restore", "open")
BEFORE = {"snapshot": "quiesce", "apply": "snapshot"}
ENDS = {COMMIT: "committed", RESTORE: "restored"}


@dataclass(frozen=True)
class Unit:
    """What systemd says of a phase's unit. ``result`` is systemd's own word."""

    alive: bool
    result: str = ""


def judge(record: Optional[str], *, same_boot: bool, unit: Unit, limit: int) -> "tuple[str, str]":
    """The state of a phase and why, from its record's state and its unit.

    ``record`` is None, ``started``, or how the phase ended in its own words.
    """
    if record is None:
        return ABSENT, ""
    if record != "started":
        return record, ""
    if not same_boot:
        return INTERRUPTED, "the host went down in it"
    if unit.alive:
        return RUNNING, ""
    if unit.result == "timeout":
        return FAILED, f"its maximum run time of {limit} s was reached"
    how = "it left no trace" if unit.result in ("", "success") else unit.result
    return INTERRUPTED, f"its program died: {how}"


@dataclass(frozen=True)
class Facts:
    """A change as this host knows it. ``unfinished`` names another change that is not over."""

    phases: Dict[str, str] = field(default_factory=dict)
    decision: Optional[str] = None
    reversal: bool = False
    finished: Optional[str] = None
    cleaned: bool = False
    unfinished: Optional[str] = None
    is_newest: bool = True
    hands: bool = False

    def state(self, phase: str) -> str:
        return self.phases.get(phase, ABSENT)

    @property
    def target(self) -> Optional[str]:
        """Where the change is going; a reversal outranks the commit that it reverses."""
        return RESTORE if self.reversal else self.decision

    @property
    def has_begun(self) -> bool:
        """Anything mutating was started, or a decision stands."""
        return self.state("quiesce") != ABSENT or self.decision is not None

    @property
    def is_over(self) -> bool:
        """Nothing is left to do: it never began, ended where it was going, or was taken over."""
        if self.finished == "cleared" or not self.has_begun:
            return True
        return self.finished is not None and self.finished == ENDS.get(self.target or "")


def entry(facts: Facts, phase: str) -> str:
    """What a call of ``phase`` does: ``report`` what there is, or ``start`` it.

    A phase that may start still has to pass :func:`refusal`.
    """
    state = facts.state(phase)
    if state == RUNNING or (phase in ONCE and state != ABSENT):
        return "report"
    if phase == "restore" and state == SUCCEEDED:
        return "report"
    if phase == "open" and state == SUCCEEDED and facts.is_over:
        return "report"
    return "start"


def refusal(facts: Facts, phase: str) -> "Optional[tuple[str, str]]":
    """Why ``phase`` may not start: (kind, because), or None when it may."""
    if phase in ONCE and facts.target is not None:
        return "decided", f"the decision is {facts.target}: {phase} does not start any more"
    if facts.cleaned:
        return "order", "the change was cleaned up"
    if facts.finished == "cleared":
        return "order", "a person took the change over"
    if facts.unfinished is not None:
        return "locked", f"change {facts.unfinished} is not finished"
    if phase == "quiesce":
        return None if facts.is_newest else ("order", "a younger change was prepared since")
    if phase in BEFORE:
        return _unless(facts, BEFORE[phase], phase)
    if phase == "restore":
        if facts.target == RESTORE:
            return None
        return "order", "restore needs the decision restore, or a reversal"
    if facts.target is None:
        return "order", "open needs a decision"
    return _unless(facts, "apply" if facts.target == COMMIT else "restore", phase)


def _unless(facts: Facts, before: str, phase: str) -> "Optional[tuple[str, str]]":
    state = facts.state(before)
    if state == SUCCEEDED:
        return None
    return "order", f"{phase} needs {before} succeeded, it is {state}"


def decidable(facts: Facts, proposal: str) -> "Optional[tuple[str, str]]":
    """Why ``proposal`` may not become the decision; a standing decision is no reason."""
    if facts.finished == "cleared":
        return "order", "a person took the change over"
    if facts.unfinished is not None:
        return "locked", f"change {facts.unfinished} is not finished"
    if proposal == COMMIT:
        return _unless(facts, "apply", COMMIT)
    return None


def reversible(facts: Facts) -> "Optional[tuple[str, str]]":
    """Why a change cannot be put back after its commit; a standing reversal is no reason."""
    if facts.decision != COMMIT:
        return "order", f"the decision is {facts.decision}, only a committed change is reversed"
    if facts.cleaned:
        return "order", "the change was cleaned up: its snapshot is gone"
    if facts.finished == "cleared":
        return "order", "a person took the change over"
    if facts.unfinished is not None:
        return "locked", f"change {facts.unfinished} is not finished"
    if not facts.is_newest:
        return "order", "a younger change began since: only the newest can be put back"
    return None


def needs(facts: Facts) -> str:
    """What is left: ``nothing``, ``decision``, ``restore``, ``open`` or ``hands``."""
    if facts.is_over:
        return "nothing"
    if facts.hands:
        return "hands"
    if facts.target is None:
        return "decision"
    if facts.state("restore") == FAILED or (facts.state("open") == FAILED and not _is_past(facts)):
        return "hands"
    if facts.target == RESTORE and facts.state("restore") != SUCCEEDED:
        return "restore"
    return "open"


def _is_past(facts: Facts) -> bool:
    """An ``open`` that failed after the commit is past once that is to be reversed."""
    return facts.reversal and facts.state("restore") == ABSENT


def at_boot(facts: Facts) -> str:
    """What a host that boots does about a change: ``nothing``, ``undo``, ``restore``, ``open``,
    or ``wait`` for a person behind the shut door. ``undo`` proposes *restore* first."""
    return {
        "nothing": "nothing",
        "decision": "undo",
        "restore": "restore",
        "open": "open",
        "hands": "wait",
    }[needs(facts)]
