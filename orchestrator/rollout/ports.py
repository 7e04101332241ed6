"""What a rollout needs from the world. Adapters implement these; fakes live by the same rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from orchestrator.plan.model import ChangeSet, HostChange, Refusal
from orchestrator.rollout.model import (
    DecisionReport,
    Diagnosis,
    HostPhase,
    Outcome,
    PhaseReport,
    Proposal,
    Record,
    State,
)
from orchestrator.verify.model import CheckReport, Moment


class Superseded(Exception):  # noqa: N818 - not an error of a person: another controller took over
    """A younger controller holds this facility; this one must not touch it any more."""


class Hosts(Protocol):
    """The hosts of a change set. Every call may be repeated; a host starts a mutating phase once.

    Raises (all methods): ``Superseded`` where a host refused our epoch.
    """

    def free_epoch(self, change_set: ChangeSet) -> int:
        """The highest epoch that hosts remember which no unfinished change holds; 0 if none."""
        ...

    def stage(self, change_set: ChangeSet, *, epoch: int) -> tuple[str, ...]:
        """Lay everything down beside what runs. Gives problems, none when all is there."""
        ...

    def preflight(self, change_set: ChangeSet) -> tuple[Refusal, ...]:
        """All reasons against starting now."""
        ...

    def phase(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, *, epoch: int
    ) -> PhaseReport:
        """Start a phase, or look at one that was started; waits until it ends."""
        ...

    def decide(
        self, change_set: ChangeSet, proposal: Proposal, *, epoch: int, because: str
    ) -> DecisionReport:
        """Propose, over a fresh connection; the first proposal that reached the anchor stands."""
        ...

    def reverse(
        self, change_set: ChangeSet, host: HostChange, *, epoch: int, because: str
    ) -> PhaseReport:
        """Order a committed change to be put back on a host; the same when said again."""
        ...

    def hands(self, change_set: ChangeSet, *, epoch: int, because: str) -> tuple[str, ...]:
        """A person is needed: hosts stay shut, also when they boot. Gives what went wrong."""
        ...

    def diagnose(self, change_set: ChangeSet) -> Diagnosis:
        """What hosts say is wrong around their products; takes at most seconds, changes nothing."""
        ...

    def census_before(self, change_set: ChangeSet, host: HostChange) -> str | None:
        """The census that quiesce took, as JSON; None where there is none."""
        ...

    def parked(self, change_set: ChangeSet, host: HostChange) -> str | None:
        """What was parked on a host and what became of it, as JSON; None where it does not say."""
        ...

    def clear(self, change_set: ChangeSet, *, epoch: int, reason: str) -> tuple[str, ...]:
        """Give hosts back that a person has mended. Gives the reasons of hosts that refuse."""
        ...


class Verifier(Protocol):
    """Looks at a product from outside."""

    def check(
        self,
        change_set: ChangeSet,
        host: HostChange,
        moment: Moment,
        *,
        baseline: CheckReport | None,
        census_before: str | None,
    ) -> CheckReport:
        """One run of all checks that are expected at this moment."""
        ...

    def expected(self, host: HostChange, moment: Moment) -> tuple[str, ...]:
        """The checks that a run at this moment must give a result for."""
        ...


class Journal(Protocol):
    """What happened, authoritative. A write under an old epoch raises ``Superseded``."""

    def record(self, change_set: str) -> Record:
        """A change set with all its entries."""
        ...

    def claim(self, facility: str, *, runner: str) -> int:
        """Become the facility's controller: raise its epoch and give the new one."""
        ...

    def adopt(self, facility: str, *, at_least: int) -> None:
        """Let the next claim be above ``at_least``."""
        ...

    def begin(self, change_set: str, state: State, *, epoch: int, at: datetime) -> None:
        """A step begins."""
        ...

    def end(
        self,
        change_set: str,
        state: State,
        outcome: Outcome,
        to: State,
        *,
        epoch: int,
        at: datetime,
        seconds: float,
    ) -> None:
        """A step ended, and with it, in one transaction, the change set is in its next state."""
        ...

    def redirect(
        self, change_set: str, to: State, *, because: str, epoch: int, at: datetime, runner: str
    ) -> None:
        """A person sends a change set another way; their reason is kept."""
        ...

    def keep(self, change_set: str, name: str, body: str, *, epoch: int) -> None:
        """Keep a document (a check report, a census) with the change set."""
        ...

    def document(self, change_set: str, name: str) -> str | None:
        """A document that was kept."""
        ...


class Clock(Protocol):
    """Time, passed in."""

    def now(self) -> datetime:
        """The time of day, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


Say = Callable[[str], None]
