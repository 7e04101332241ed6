"""Where a change set stands, what a step came to, and what is written down of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from orchestrator.fleet.model import Model
from orchestrator.plan.model import ChangeSet


class State(StrEnum):
    """The states of a change set. The last four are the only ends."""

    STAGING = "staging"
    PREFLIGHT = "preflight"
    BASELINE = "baseline"
    QUIESCING = "quiescing"
    SNAPSHOTTING = "snapshotting"
    APPLYING = "applying"
    VERIFYING = "verifying"
    COMMITTING = "committing"
    OPENING = "opening"
    REVERSING = "reversing"
    REVERTING = "reverting"
    RESTORING = "restoring"
    CONFIRMING = "confirming"
    REOPENING = "reopening"
    NOT_STARTED = "not started"
    COMMITTED = "committed"
    RESTORED = "restored"
    NEEDS_HANDS = "needs hands"


class Event(StrEnum):
    """What a step came to."""

    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    #: Aborted before the clinic felt anything.
    WITHDRAWN = "withdrawn"
    #: A host said no, and did nothing.
    REFUSED = "refused"
    #: The decision that stands on the anchor host is the other one.
    OTHERWISE = "decided otherwise"
    #: Put back, proved whole and open; and yet something is wrong that a person must look at.
    UNWELL = "unwell"


#: The phases that the host program runs.
HostPhase = Literal["quiesce", "snapshot", "apply", "restore", "open"]
Proposal = Literal["commit", "restore"]


#: Whom a host names when it was we who decided.
CONTROLLER = "controller"
#: Stands in a reason before what hosts said is wrong there.
FOUND_THERE = "; found there: "


class Outcome(Model):
    """What a step came to, and why. ``evidence`` holds figures and names, never a secret."""

    event: Event
    because: str = ""
    evidence: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def done(cls, because: str = "", **evidence: JsonValue) -> Outcome:
        """The step did what it should."""
        return cls(event=Event.DONE, because=because, evidence=evidence)

    @classmethod
    def failed(cls, because: str, **evidence: JsonValue) -> Outcome:
        """The step did not, or cannot be known to have."""
        return cls(event=Event.FAILED, because=because, evidence=evidence)


class PhaseReport(Model):
    """What a host says of a phase. *unreachable* is ours: the host said nothing."""

    state: Literal[
        "succeeded", "failed", "interrupted", "running", "absent", "refused", "unreachable"
    ]
    because: str = ""
    refused: str | None = None
    seconds: float | None = None
    ended_ago: float | None = None
    output: str = ""


class DecisionReport(Model):
    """The decision that stands on the anchor host, whoever made it; None where none was learned."""

    decision: Proposal | None
    by: str = ""
    because: str = ""
    refused: str | None = None


class Diagnosis(Model):
    """What is wrong around a product, by its host's own word, a sentence each; never a verdict."""

    found: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Entry(Model):
    """One line of the journal. ``event`` is None where a step begins."""

    seq: int
    change_set: str
    at: datetime
    state: State
    event: Event | None
    because: str
    seconds: float | None
    epoch: int
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class Record(Model):
    """A change set as the journal has it. ``cause`` is a restore's first one, never a later.

    ``queued``: the engine runs it; else the process ``runner`` does so by itself.
    """

    change_set: ChangeSet
    plan: str
    state: State
    cause: str
    epoch: int
    runner: str
    queued: bool = True
    abort_requested: bool
    since: datetime
    entries: tuple[Entry, ...] = ()
