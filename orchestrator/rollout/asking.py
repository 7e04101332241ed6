"""Asks hosts, and asks again: a host that is silent may be booting, a phase may still be running.

Decides when to stop asking. A host that refuses our epoch ends everything: it has another
controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.rollout.model import (
    DecisionReport,
    Event,
    HostPhase,
    Outcome,
    PhaseReport,
    Proposal,
)
from orchestrator.rollout.ports import Clock, Hosts, Superseded

#: How long a host that does not answer is asked again, in seconds; it may be booting.
PATIENCE = 180.0
#: The same on the way back, where giving up leaves a hospital shut: a line may be cut for long.
PATIENCE_BACK = 3600.0
#: Between two questions, in seconds.
PAUSE = 2.0


@dataclass(frozen=True)
class Asking:
    """The hosts, with patience (in seconds)."""

    hosts: Hosts
    clock: Clock
    patience: float

    def on_every(
        self,
        change_set: ChangeSet,
        phase: HostPhase,
        *,
        epoch: int,
        hosts: Iterable[HostChange] | None = None,
        tries: int = 1,
    ) -> Outcome:
        """The phase on every host, in order. The first that fails ends what leads onward, while
        nobody is kept out because another cannot be put back or opened.

        ``tries``: how often a phase that may start again is begun when it was interrupted.
        """
        seconds: dict[str, float | None] = {}
        ago: dict[str, float | None] = {}
        failed: list[str] = []
        output = ""
        for host in change_set.hosts if hosts is None else hosts:
            for _ in range(tries):
                report = self._phase(change_set, host, phase, epoch)
                if report.state != "interrupted":
                    break
            if report.state != "succeeded":
                failed.append(f"{host.host}: {phase} {report.state}: {report.because}")
                output = output or report.output
                if phase not in ("restore", "open"):
                    break
            seconds[host.host], ago[host.host] = report.seconds, report.ended_ago
        if failed:
            return Outcome.failed("; ".join(failed), output=output)
        return Outcome.done(seconds=dict(seconds), ended_ago=dict(ago))

    def decide(
        self, change_set: ChangeSet, proposal: Proposal, *, epoch: int, because: str
    ) -> Outcome:
        """Propose until the anchor says which decision stands."""
        until = self.clock.monotonic() + self.patience
        stands = self._propose(change_set, proposal, epoch, because)
        while stands.decision is None:
            if stands.refused is not None or self.clock.monotonic() > until:
                return Outcome.failed(f"{change_set.anchor.host}: no decision: {stands.because}")
            self.clock.sleep(PAUSE)
            stands = self._propose(change_set, proposal, epoch, because)
        if stands.decision == proposal:
            return Outcome.done(by=stands.by, reason=stands.because)
        return Outcome(
            event=Event.OTHERWISE,
            because=f"{stands.by} decided {stands.decision}: {stands.because}",
        )

    def reverse(self, change_set: ChangeSet, *, epoch: int, because: str) -> Outcome:
        """Order every host back, the anchor last: it counts when the anchor has it, and not before,
        so that a refusal of any host leaves the commit as it stands.
        """
        for host in (*change_set.members, change_set.anchor):
            order = partial(self.hosts.reverse, change_set, host, epoch=epoch, because=because)
            report = self._until_answered(order, host)
            if report.state == "refused":
                return Outcome(event=Event.REFUSED, because=f"{host.host}: {report.because}")
            if report.state != "succeeded":
                return Outcome.failed(f"{host.host}: reversal {report.state}: {report.because}")
        return Outcome.done()

    def _propose(
        self, change_set: ChangeSet, proposal: Proposal, epoch: int, because: str
    ) -> DecisionReport:
        stands = self.hosts.decide(change_set, proposal, epoch=epoch, because=because)
        if stands.refused == "epoch":
            raise Superseded(f"{change_set.anchor.host}: {stands.because}")
        return stands

    def _phase(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, epoch: int
    ) -> PhaseReport:
        def ask() -> PhaseReport:
            return self.hosts.phase(change_set, host, phase, epoch=epoch)

        return self._until_answered(ask, host)

    def _until_answered(self, ask: Callable[[], PhaseReport], host: HostChange) -> PhaseReport:
        until = self.clock.monotonic() + self.patience
        while True:
            report = ask()
            if report.refused == "epoch":
                raise Superseded(f"{host.host}: {report.because}")
            if report.state not in {"unreachable", "running"} or self.clock.monotonic() > until:
                return report
            if report.state == "running":
                until = self.clock.monotonic() + self.patience
            else:
                self.clock.sleep(PAUSE)
