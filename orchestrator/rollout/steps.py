"""One step of a change set: what each state does, through the ports.

Decides what a phase's report means for the change set. Keeps the laws: a mutating phase is asked
for as often as needed and starts once (the host sees to that); unknown is asked again while
patience lasts and is never a pass; the first cause of a restore stays.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from orchestrator.errors import PlanError, RestoreError, WardshipError
from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.rollout.model import Event, HostPhase, Outcome, PhaseReport, Record, State
from orchestrator.rollout.phases import ENDS, advance, is_abortable
from orchestrator.rollout.ports import Clock, Hosts, Journal, Superseded, Verifier
from orchestrator.verify.judge import judge
from orchestrator.verify.model import CheckReport, Moment, Verdict

#: How long a host that does not answer is asked again, in seconds; it may be booting.
PATIENCE = 180.0
#: Between two questions, in seconds.
PAUSE = 2.0
#: A restore or an opening that was interrupted is begun again this often.
AGAIN = 3


@dataclass
class Steps:
    """Takes a change set from a state to the next; holds this process's epoch of each facility."""

    hosts: Hosts
    verifier: Verifier
    journal: Journal
    clock: Clock
    runner: str
    patience: float = PATIENCE
    _epochs: dict[str, int] = field(default_factory=dict)

    def step(self, change_set_id: str) -> State:
        """Do what the state asks for and write down what it came to; gives the next state.

        Raises:
            Superseded: another controller holds the facility.
        """
        record = self.journal.record(change_set_id)
        if record.state in ENDS:
            return record.state
        epoch = self.epoch(record)
        began = self.clock.monotonic()
        self.journal.begin(change_set_id, record.state, epoch=epoch, at=self.clock.now())
        outcome = self._perform(record, epoch)
        to = advance(record.state, outcome.event)
        self.journal.end(
            change_set_id,
            record.state,
            outcome,
            to,
            epoch=epoch,
            at=self.clock.now(),
            seconds=self.clock.monotonic() - began,
        )
        return to

    def epoch(self, record: Record) -> int:
        """This process's epoch at a facility; the first call makes it the facility's controller.

        Hosts that no change holds may remember more than a journal that was begun anew: before
        anything is done there, we count on from what they know.
        """
        facility = record.change_set.facility
        if facility not in self._epochs:
            if record.state is State.STAGING:
                known = self.hosts.free_epoch(record.change_set)
                self.journal.adopt(facility, at_least=known)
            self._epochs[facility] = self.journal.claim(facility, runner=self.runner)
        return self._epochs[facility]

    def clear(self, change_set_id: str, *, reason: str) -> State:
        """A person has mended a hospital that needed hands: look, and give it back if it is well.

        Raises:
            PlanError: it does not need hands.
            RestoreError: neither the old nor the new release passes its checks; nothing was opened.
        """
        record = self.journal.record(change_set_id)
        if record.state is not State.NEEDS_HANDS:
            raise PlanError(
                f"{change_set_id} is {record.state}, it does not need hands",
                hint="wardship status shows what does",
            )
        epoch = self.epoch(record)
        seen = {
            State.RESTORED: self._verdict(record.change_set, "restored"),
            State.COMMITTED: Outcome.failed("not looked at"),
        }
        if seen[State.RESTORED].event is not Event.DONE:
            seen[State.COMMITTED] = self._verdict(record.change_set, "applied")
        end = next((state for state, one in seen.items() if one.event is Event.DONE), None)
        if end is None:
            told = "; ".join(f"as {state}: {one.because}" for state, one in seen.items())
            raise RestoreError(
                f"{change_set_id} is not well yet: {told}",
                hint=f"mend that, then again: wardship clear {change_set_id} --reason TEXT",
            )
        problems = self.hosts.clear(record.change_set, epoch=epoch, reason=reason)
        if problems:
            raise RestoreError("; ".join(problems), hint="wardship status shows the hosts' word")
        self.journal.redirect(
            change_set_id, end, because=f"cleared by hand: {reason}", epoch=epoch,
            at=self.clock.now(), runner=self.runner,
        )  # fmt: skip
        return end

    def _perform(self, record: Record, epoch: int) -> Outcome:
        if record.abort_requested and is_abortable(record.state):
            return Outcome(event=Event.ABORTED, because="stopped by request")
        try:
            return _STEPS[record.state](self, record, epoch)
        except Superseded:
            raise
        except WardshipError as error:
            return Outcome.failed(f"{error.what} ({error.hint})")
        except Exception as error:  # a bug of ours must not leave a hospital half done
            place = traceback.extract_tb(error.__traceback__)[-1]
            return Outcome.failed(
                f"a bug of ours: {type(error).__name__}: {error}",
                bug=f"{place.filename}:{place.lineno} {place.name}",
            )

    def _stage(self, record: Record, epoch: int) -> Outcome:
        problems = self.hosts.stage(record.change_set, epoch=epoch)
        return Outcome.failed("; ".join(problems)) if problems else Outcome.done()

    def _preflight(self, record: Record, epoch: int) -> Outcome:
        del epoch
        refusals = self.hosts.preflight(record.change_set)
        if not refusals:
            return Outcome.done()
        told = "; ".join(f"{r.host or r.facility}: {r.because} ({r.hint})" for r in refusals)
        return Outcome.failed(told, gates=[refusal.gate for refusal in refusals])

    def _baseline(self, record: Record, epoch: int) -> Outcome:
        del epoch
        return self._verdict(record.change_set, "baseline")

    def _quiesce(self, record: Record, epoch: int) -> Outcome:
        outcome = self._on_every(record.change_set, "quiesce", epoch)
        if outcome.event is Event.DONE:
            for host in record.change_set.hosts:
                census = self.hosts.census_before(record.change_set, host)
                if census is None:
                    return Outcome.failed(f"{host.host}: quiesce left no census to compare with")
                self.journal.keep(record.change_set.id, f"census-before/{host.host}", census)
        return outcome

    def _snapshot(self, record: Record, epoch: int) -> Outcome:
        return self._on_every(record.change_set, "snapshot", epoch)

    def _apply(self, record: Record, epoch: int) -> Outcome:
        return self._on_every(record.change_set, "apply", epoch)

    def _verify(self, record: Record, epoch: int) -> Outcome:
        del epoch
        return self._verdict(record.change_set, "applied")

    def _commit(self, record: Record, epoch: int) -> Outcome:
        return self._decide(record, "commit", epoch)

    def _revert(self, record: Record, epoch: int) -> Outcome:
        return self._decide(record, "restore", epoch)

    def _reverse(self, record: Record, epoch: int) -> Outcome:
        problems = self.hosts.reverse(record.change_set, epoch=epoch, because=record.cause)
        return Outcome.failed("; ".join(problems)) if problems else Outcome.done()

    def _restore(self, record: Record, epoch: int) -> Outcome:
        hosts = reversed(record.change_set.hosts)
        return self._on_every(record.change_set, "restore", epoch, hosts=hosts, again=AGAIN)

    def _confirm(self, record: Record, epoch: int) -> Outcome:
        del epoch
        return self._verdict(record.change_set, "restored")

    def _open(self, record: Record, epoch: int) -> Outcome:
        return self._on_every(record.change_set, "open", epoch, again=AGAIN)

    def _on_every(
        self,
        change_set: ChangeSet,
        phase: HostPhase,
        epoch: int,
        *,
        hosts: Iterable[HostChange] | None = None,
        again: int = 1,
    ) -> Outcome:
        """The phase on every host, in order; the first that fails ends it."""
        seconds: dict[str, float | None] = {}
        for host in change_set.hosts if hosts is None else hosts:
            report = self._phase(change_set, host, phase, epoch)
            for _ in range(again - 1):
                if report.state != "interrupted":
                    break
                report = self._phase(change_set, host, phase, epoch)
            if report.state != "succeeded":
                return Outcome.failed(
                    f"{host.host}: {phase} {report.state}: {report.because}", output=report.output
                )
            seconds[host.host] = report.seconds
        return Outcome.done(seconds=dict(seconds))

    def _phase(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, epoch: int
    ) -> PhaseReport:
        """Ask until the host has an answer: a host that is silent may be booting."""
        until = self.clock.monotonic() + self.patience
        while True:
            report = self.hosts.phase(change_set, host, phase, epoch=epoch)
            if report.refused == "epoch":
                raise Superseded(f"{host.host}: {report.because}")
            if report.state not in {"unreachable", "running"} or self.clock.monotonic() > until:
                return report
            if report.state == "running":
                until = self.clock.monotonic() + self.patience
            else:
                self.clock.sleep(PAUSE)

    def _decide(self, record: Record, proposal: str, epoch: int) -> Outcome:
        wanted = "commit" if proposal == "commit" else "restore"
        because = record.cause or "every check passed"
        until = self.clock.monotonic() + self.patience
        while True:
            stands = self.hosts.decide(
                record.change_set, "commit" if wanted == "commit" else "restore",
                epoch=epoch, because=because,
            )  # fmt: skip
            if stands.refused == "epoch":
                raise Superseded(stands.because)
            if stands.decision is not None:
                break
            if self.clock.monotonic() > until:
                return Outcome.failed(
                    f"{record.change_set.anchor.host}: no decision: {stands.because}"
                )
            self.clock.sleep(PAUSE)
        if stands.decision == wanted:
            return Outcome.done(by=stands.by)
        return Outcome(
            event=Event.OTHERWISE,
            because=f"{stands.by} decided {stands.decision}: {stands.because}",
        )

    def _verdict(self, change_set: ChangeSet, moment: Moment) -> Outcome:
        """All checks on every host; unknown is asked again while patience lasts."""
        until = self.clock.monotonic() + change_set.verify.patience_seconds
        while True:
            verdicts = [(host, self._look(change_set, host, moment)) for host in change_set.hosts]
            worst = _worst(verdict for _, verdict in verdicts)
            if worst != "unknown" or self.clock.monotonic() > until:
                break
            self.clock.sleep(PAUSE)
        if worst == "passed":
            return Outcome.done()
        return Outcome.failed(
            "; ".join(
                f"{host.host}: {reason}"
                for host, verdict in verdicts
                if verdict.status != "passed"
                for reason in verdict.because
            ),
            verdict=worst,
        )

    def _look(self, change_set: ChangeSet, host: HostChange, moment: Moment) -> Verdict:
        known = self.journal.document(change_set.id, f"baseline/{host.host}")
        baseline = CheckReport.model_validate_json(known) if known else None
        report = self.verifier.check(
            change_set,
            host,
            moment,
            baseline=None if moment == "baseline" else baseline,
            census_before=self.journal.document(change_set.id, f"census-before/{host.host}"),
        )
        self.journal.keep(change_set.id, f"{moment}/{host.host}", report.model_dump_json())
        return judge(self.verifier.expected(host, moment), report)


def _worst(verdicts: Iterable[Verdict]) -> str:
    found = {verdict.status for verdict in verdicts}
    return next(status for status in ("failed", "unknown", "passed") if status in found)


_STEPS: dict[State, Callable[[Steps, Record, int], Outcome]] = {
    State.STAGING: Steps._stage,
    State.PREFLIGHT: Steps._preflight,
    State.BASELINE: Steps._baseline,
    State.QUIESCING: Steps._quiesce,
    State.SNAPSHOTTING: Steps._snapshot,
    State.APPLYING: Steps._apply,
    State.VERIFYING: Steps._verify,
    State.COMMITTING: Steps._commit,
    State.OPENING: Steps._open,
    State.REVERSING: Steps._reverse,
    State.REVERTING: Steps._revert,
    State.RESTORING: Steps._restore,
    State.CONFIRMING: Steps._confirm,
    State.REOPENING: Steps._open,
}
