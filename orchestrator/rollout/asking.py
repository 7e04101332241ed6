"""Asks hosts, and asks again: a host that is silent may be booting, a phase may still be running.

Decides when to stop asking. A host that refuses our epoch ends everything: it has another
controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

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
        """The phase on every host, in order. The first that fails ends what leads onward. On the
        way back nobody waits for who does not answer: he is asked again after all others. Who
        refuses ends it in any case: a person has that host, and the others must not go without it.

        ``tries``: how often a phase that may start again is begun when it was interrupted.
        """
        which = list(change_set.hosts if hosts is None else hosts)
        goes_on = phase in ("restore", "open")
        reports: dict[str, PhaseReport] = {}
        for number, host in enumerate(which):
            is_last = number == len(which) - 1
            patience = self.patience if is_last or not goes_on else min(self.patience, PATIENCE)
            reports[host.host] = self._tried(change_set, host, phase, epoch, tries, patience)
            state = reports[host.host].state
            if state == "refused" or (state != "succeeded" and not goes_on):
                break
        for host in which if goes_on and self.patience > PATIENCE else ():
            if host.host in reports and reports[host.host].state == "unreachable":
                args = (change_set, host, phase, epoch, tries, self.patience)
                reports[host.host] = self._tried(*args)
        return _summed(phase, reports)

    def _tried(
        self,
        change_set: ChangeSet,
        host: HostChange,
        phase: HostPhase,
        epoch: int,
        tries: int,
        patience: float,
    ) -> PhaseReport:
        def ask() -> PhaseReport:
            return self.hosts.phase(change_set, host, phase, epoch=epoch)

        for _ in range(tries):
            report = self._until_answered(ask, host, patience)
            if report.state != "interrupted":
                break
        return report

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
        so that a refusal, or the silence of another, leaves the commit as it stands.
        """
        for host in (*change_set.members, change_set.anchor):
            order = partial(self.hosts.reverse, change_set, host, epoch=epoch, because=because)
            report = self._until_answered(order, host, self.patience)
            is_untouched = host is not change_set.anchor and report.state != "succeeded"
            if report.state == "refused" or is_untouched:
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

    def _until_answered(
        self, ask: Callable[[], PhaseReport], host: HostChange, patience: float
    ) -> PhaseReport:
        until = self.clock.monotonic() + patience
        while True:
            report = ask()
            if report.refused == "epoch":
                raise Superseded(f"{host.host}: {report.because}")
            if report.state not in {"unreachable", "running"} or self.clock.monotonic() > until:
                return report
            if report.state == "running":
                until = self.clock.monotonic() + patience
            else:
                self.clock.sleep(PAUSE)


def _summed(phase: HostPhase, reports: Mapping[str, PhaseReport]) -> Outcome:
    bad = {host: one for host, one in reports.items() if one.state != "succeeded"}
    if bad:
        told = "; ".join(f"{host}: {phase} {one.state}: {one.because}" for host, one in bad.items())
        return Outcome.failed(told, output=next(iter(bad.values())).output)
    seconds: dict[str, JsonValue] = {host: one.seconds for host, one in reports.items()}
    ago: dict[str, JsonValue] = {host: one.ended_ago for host, one in reports.items()}
    return Outcome.done(seconds=seconds, ended_ago=ago)
