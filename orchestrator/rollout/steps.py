"""One step of a change set: what each state does, through the ports.

Decides what a phase's report means for the change set. Keeps the laws: a mutating phase is asked
for as often as needed and starts once (the host sees to that); unknown is asked again while
patience lasts and is never a pass; the first cause of a restore stays.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orchestrator.errors import PlanError, RestoreError, WardshipError
from orchestrator.rollout.asking import PATIENCE, PATIENCE_BACK, Asking
from orchestrator.rollout.keeping import keep_parked
from orchestrator.rollout.looking import Looking
from orchestrator.rollout.model import FOUND_THERE, Diagnosis, Event, Outcome, Record, State
from orchestrator.rollout.phases import (
    ENDS,
    UNTOUCHED,
    advance,
    ails,
    is_abortable,
    was_reversed,
)
from orchestrator.rollout.ports import Clock, Hosts, Journal, Superseded, Verifier

#: A restore or an opening that was interrupted is begun again this often.
TRIES = 3


@dataclass
class Steps:
    """Takes a change set from a state to the next; holds this process's epoch of each facility."""

    hosts: Hosts
    verifier: Verifier
    journal: Journal
    clock: Clock
    runner: str
    patience: float = PATIENCE
    patience_back: float = PATIENCE_BACK
    _epochs: dict[str, int] = field(default_factory=dict)

    @property
    def _asking(self) -> Asking:
        return Asking(self.hosts, self.clock, self.patience)

    @property
    def _going_back(self) -> Asking:
        return Asking(self.hosts, self.clock, self.patience_back)

    def _looking(self, epoch: int) -> Looking:
        return Looking(self.verifier, self.journal, self.clock, epoch)

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
        outcome = self._diagnosed(record, self._perform(record, epoch))
        to = advance(record.state, outcome.event)
        if to is State.NEEDS_HANDS and outcome.event is not Event.UNWELL:
            outcome = self._handed_over(record, epoch, outcome)
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
        if was_reversed(record) and not _is_carried(record):
            raise PlanError(
                f"{change_set_id}: what arrived since the commit is not carried back yet",
                hint=f"mend the host, then: wardship restore {change_set_id}",
            )
        epoch = self.epoch(record)
        looking = replace(self._looking(epoch), trial=True)
        seen = {
            State.RESTORED: looking.verdict(record.change_set, "restored"),
            State.COMMITTED: Outcome.failed("not looked at"),
        }
        if seen[State.RESTORED].event is not Event.DONE:
            seen[State.COMMITTED] = looking.verdict(record.change_set, "applied")
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

    def hold(self, facility: str, epoch: int) -> None:
        """This process took the facility over under this epoch."""
        self._epochs[facility] = epoch

    def _perform(self, record: Record, epoch: int) -> Outcome:
        if record.abort_requested and is_abortable(record.state):
            felt = record.state is not State.QUIESCING or _has_begun(record, State.QUIESCING)
            event = Event.ABORTED if felt else Event.WITHDRAWN
            return Outcome(event=event, because="stopped by request")
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

    def _diagnosed(self, record: Record, outcome: Outcome) -> Outcome:
        """A failure while the clinic is out, with what hosts say is wrong there, as it is now."""
        if record.state in UNTOUCHED or outcome.event not in {Event.FAILED, Event.UNWELL}:
            return outcome
        try:
            seen = self.hosts.diagnose(record.change_set)
        except Exception as error:  # a look for the cause must never stop a restore
            seen = Diagnosis(unknown=(f"{type(error).__name__}: {error}",))
        found, unknown = list(seen.found), list(seen.unknown)
        because = f"{outcome.because}{FOUND_THERE}{'; '.join(found)}" if found else outcome.because
        evidence = {**outcome.evidence, "found": found, "not_looked_at": unknown}
        return outcome.model_copy(update={"because": because, "evidence": evidence})

    def _handed_over(self, record: Record, epoch: int, outcome: Outcome) -> Outcome:
        """Told to the hosts as well: none opens alone, or at a boot, what a person has to see to.

        A host that cannot be told may have opened: its door is not known.
        """
        told = outcome.because[:1000]
        try:
            untold = self.hosts.hands(record.change_set, epoch=epoch, because=told)
        except Superseded:
            raise
        except Exception as error:  # the end is written down in any case
            untold = (f"the hosts were not told: {type(error).__name__}: {error}",)
        because = "; ".join([outcome.because, *untold])
        evidence = {**outcome.evidence, "untold": list(untold)}
        return outcome.model_copy(update={"because": because, "evidence": evidence})

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
        began = self.clock.monotonic()
        outcome = self._looking(epoch).verdict(record.change_set, "baseline")
        took, declared = self.clock.monotonic() - began, record.change_set.verify
        patience, limit = declared.patience_seconds, declared.limit_seconds
        if outcome.event is Event.DONE and 2 * took + patience > limit:
            return Outcome.failed(
                f"the checks took {took:.0f} s, and may be asked again for {patience} s: too long "
                f"for hosts that put themselves back after {limit} s without a decision (declare "
                "a longer verify.limit_seconds)"
            )
        return outcome

    def _quiesce(self, record: Record, epoch: int) -> Outcome:
        outcome = self._asking.on_every(record.change_set, "quiesce", epoch=epoch)
        if outcome.event is Event.DONE:
            for host in record.change_set.hosts:
                census = self.hosts.census_before(record.change_set, host)
                if census is None:
                    return Outcome.failed(f"{host.host}: quiesce left no census to compare with")
                self.journal.keep(
                    record.change_set.id, f"census-before/{host.host}", census, epoch=epoch
                )
        return outcome

    def _snapshot(self, record: Record, epoch: int) -> Outcome:
        return self._asking.on_every(record.change_set, "snapshot", epoch=epoch)

    def _apply(self, record: Record, epoch: int) -> Outcome:
        return self._asking.on_every(record.change_set, "apply", epoch=epoch)

    def _verify(self, record: Record, epoch: int) -> Outcome:
        return self._looking(epoch).verdict(record.change_set, "applied")

    def _commit(self, record: Record, epoch: int) -> Outcome:
        return self._asking.decide(
            record.change_set, "commit", epoch=epoch, because="every check passed"
        )

    def _revert(self, record: Record, epoch: int) -> Outcome:
        return self._going_back.decide(
            record.change_set, "restore", epoch=epoch, because=record.cause or "asked for"
        )

    def _reverse(self, record: Record, epoch: int) -> Outcome:
        because = record.cause or "asked for"
        return self._going_back.reverse(record.change_set, epoch=epoch, because=because)

    def _restore(self, record: Record, epoch: int) -> Outcome:
        hosts = reversed(record.change_set.hosts)
        return self._going_back.on_every(
            record.change_set, "restore", epoch=epoch, hosts=hosts, tries=TRIES
        )

    def _confirm(self, record: Record, epoch: int) -> Outcome:
        return self._looking(epoch).verdict(record.change_set, "restored")

    def _open(self, record: Record, epoch: int) -> Outcome:
        opened = self._asking.on_every(record.change_set, "open", epoch=epoch, tries=TRIES)
        return keep_parked(self.hosts, self.journal, record, opened, epoch=epoch)

    def _reopen(self, record: Record, epoch: int) -> Outcome:
        """Open what was put back; what ails it then needs a person, and not a shut door."""
        outcome, ailing = self._open(record, epoch), ails(record)
        if outcome.event is not Event.DONE or not ailing:
            return outcome
        because = f"it was put back and its door is open, but {'; '.join(ailing)}"
        return outcome.model_copy(update={"event": Event.UNWELL, "because": because})


def _has_begun(record: Record, state: State) -> bool:
    return any(entry.state is state for entry in record.entries)


def _is_carried(record: Record) -> bool:
    """Whether the last restore was through, with all that it carries."""
    ends = [one for one in record.entries if one.state is State.RESTORING and one.event]
    return bool(ends) and ends[-1].event is Event.DONE


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
    State.REOPENING: Steps._reopen,
}
