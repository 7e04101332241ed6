"""The controller of one fleet: its journal, its engine, and the hosts and verifier behind them.

Decides which process runs a change set: the one that holds the engine; a second ``run`` hands its
facilities over through the journal and looks on. Refuses to touch a change set that another living
process runs, unless it is taken over by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.adapters.engine import Engine
from orchestrator.adapters.journal import SqlJournal, utc_now
from orchestrator.adapters.locks import Runner, is_alive
from orchestrator.errors import PlanError
from orchestrator.fleet.model import Fleet
from orchestrator.plan.model import Plan
from orchestrator.report.build import build
from orchestrator.report.html import to_html
from orchestrator.report.model import Report
from orchestrator.rollout.model import Record
from orchestrator.rollout.phases import ENDS, restore_from, was_reversed
from orchestrator.rollout.ports import Superseded
from orchestrator.rollout.steps import Steps
from orchestrator.wiring import room
from orchestrator.wiring.ports import make_steps, render_inventories

#: How often the journal is looked at while others or the engine work, in seconds.
PAUSE = 0.25
#: How often the engine looks for change sets that another process handed over, in seconds.
RESCAN = 2.0

Watch = Callable[[Sequence[Record]], None]


class Controller:
    """What the commands call. ``directory`` is ``<fleet>/.wardship``."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.directory = fleet.state
        self.journal = SqlJournal(self.directory / "journal.sqlite", fleet=fleet.settings.fleet)
        self.runner = Runner.this()
        self.refused: dict[str, str] = {}

    def steps(self) -> Steps:
        """The steps over the real hosts; holds this process's epochs."""
        return make_steps(self.fleet, self.journal, runner=str(self.runner))

    def admit(self, plan: Plan) -> list[str]:
        """Take a plan in; its inventories are written down as they will be used.

        Raises:
            PlanError: the declaration changed since, or a facility is held by another change set.
        """
        if plan.fleet != self.fleet.settings.fleet:
            raise PlanError(
                f"plan {plan.digest[:12]} is of the fleet {plan.fleet}, this is"
                f" {self.fleet.settings.fleet}",
                hint="name the fleet that it was made for: wardship --fleet DIR run PLAN",
            )
        if plan.fleet_digest != self.fleet.digest:
            raise PlanError(
                f"the declaration changed since plan {plan.digest[:12]} was made",
                hint="wardship plan, look at it, then run that one",
            )
        if not plan.change_sets:
            raise PlanError("the plan changes nothing", hint="wardship plan says why")
        room.need(self.directory)
        render_inventories(self.fleet, plan)
        self.journal.admit(plan, runner=str(self.runner), at=utc_now())
        return [one.id for one in plan.change_sets]

    def resume(self, plan: str) -> list[str]:
        """Become the runner of a plan's unfinished change sets; gives all of the plan's.

        Raises:
            PlanError: nothing to go on with, or a living process runs them.
        """
        records = self.journal.records(plan=plan)
        unfinished = [record for record in records if record.state not in ENDS]
        if not unfinished:
            raise PlanError(
                f"plan {plan[:12]} has nothing to go on with", hint="wardship status shows its ends"
            )
        for record in unfinished:
            self._refuse_alive(record)
        self.journal.run_by([r.change_set.id for r in unfinished], runner=str(self.runner))
        return [record.change_set.id for record in records]

    def follow(self, change_sets: Sequence[str], watch: Watch) -> list[Record]:
        """Run these, or look on while the process that holds the engine does, until all have ended
        or were taken over. ``watch`` sees the records again and again.

        Raises:
            PlanError, RestoreError: what happens could not be written down: nothing is lost, but
                a hospital may be shut until it is gone on with.
        """
        steps = self.steps()
        engine = Engine(
            self.directory,
            step=steps.step,
            wanted=lambda one: _is_for_engine(self.journal.record(one)),
        )
        running, scanned = False, 0.0
        failed: dict[str, str] = {}
        records = [self.journal.record(one) for one in change_sets]
        room.need(self.directory)
        try:
            while True:
                running = running or engine.start(
                    self.runner, parallel=self.fleet.settings.parallel
                )
                if running:
                    self.refused = engine.refused()
                if running and not room.is_left(self.directory):
                    break
                if running and time.monotonic() - scanned > RESCAN:
                    failed = engine.failures()
                    engine.submit(self._to_run() - failed.keys() - self.refused.keys())
                    scanned = time.monotonic()
                records = [self.journal.record(one) for one in change_sets]
                watch(records)
                waiting = [one for one in records if not self._is_over(one, failed)]
                if not waiting and (not running or engine.is_idle()):
                    break
                time.sleep(PAUSE)
        finally:
            if running:
                self.refused = engine.refused()
                engine.stop()
        if failed or any(not self._is_over(one, failed) for one in records):
            records = [self.journal.record(one) for one in change_sets]
            raise room.stopped(self.directory, records, failed)
        return records

    def restore(self, change_set: str, *, because: str, takeover: bool, watch: Watch) -> Record:
        """Put a change set back, in this process, whoever ran it before.

        Raises:
            PlanError: there is nothing to put back, or a living process runs it.
        """
        record = self.journal.record(change_set)
        start = restore_from(record.state, was_reversed=was_reversed(record))
        if start is None:
            raise PlanError(
                f"{change_set} is {record.state}: there is nothing to put back",
                hint="wardship status shows what can be",
            )
        if not takeover:
            self._refuse_alive(record)
        steps = self.steps()
        epoch = self.journal.take(
            change_set, start, because=because, at=utc_now(), runner=str(self.runner)
        )
        steps.hold(record.change_set.facility, epoch)
        with _overtaken(change_set):
            while steps.step(change_set) not in ENDS:
                watch([self.journal.record(change_set)])
        return self.journal.record(change_set)

    def clear(self, change_set: str, *, reason: str) -> Record:
        """Give a hospital back that a person has mended: only if the checks pass now.

        Raises:
            PlanError: there is none of that name, or it does not need hands.
            RestoreError: the checks do not pass.
        """
        self.journal.record(change_set)
        with _overtaken(change_set):
            self.steps().clear(change_set, reason=reason)
        return self.journal.record(change_set)

    def write_report(self, change_set: str) -> tuple[Report, Path]:
        """Write the report of a change set, HTML and JSON; gives it, and the HTML's path."""
        record = self.journal.record(change_set)
        facility = self.fleet.facilities.get(record.change_set.facility)
        report = build(
            record,
            self.journal.documents(change_set),
            timezone=facility.timezone if facility else "UTC",
            title=facility.title if facility else None,
            as_of=utc_now(),
        )
        directory = self.directory / "reports"
        directory.mkdir(mode=0o700, exist_ok=True)
        page = directory / f"{change_set}.html"
        page.write_text(to_html(report))
        page.with_suffix(".json").write_text(report.model_dump_json(indent=2))
        return report, page

    def _to_run(self) -> set[str]:
        return {
            record.change_set.id
            for record in self.journal.records()
            if record.state not in ENDS and _is_for_engine(record)
        }

    def _is_over(self, record: Record, failed: Mapping[str, str]) -> bool:
        one = record.change_set.id
        is_ours = record.runner == str(self.runner) and one not in self.refused
        return record.state in ENDS or not is_ours or one in failed

    def _refuse_alive(self, record: Record) -> None:
        if record.state in ENDS or record.runner == str(self.runner):
            return
        if is_alive(record.runner):
            one = record.change_set.id
            raise PlanError(
                f"{one} ({record.state}) is run by {record.runner}",
                hint=f"wardship abort {one} asks it to stop; if that process hangs: "
                f"wardship restore {one} --takeover",
            )


def _is_for_engine(record: Record) -> bool:
    """Whether the engine is to run it: its process lives, and does not run it by itself."""
    return record.queued and is_alive(record.runner)


@contextmanager
def _overtaken(change_set: str) -> Iterator[None]:
    """A younger controller is no bug of ours: it is told.

    Raises:
        PlanError: another controller has the facility.
    """
    try:
        yield
    except Superseded as error:
        raise PlanError(
            f"{change_set} was taken over by another controller: {error}",
            hint="wardship status shows where it stands",
        ) from error
