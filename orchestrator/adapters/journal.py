"""The journal: what happened, authoritative, in one SQLite file beside the fleet.

Decides that a write under an old epoch is refused, that a facility has one unfinished change set at
a time, and that the first cause of a restore stays. Every method may raise ``RestoreError``: what
happens could not be written down, or not be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.adapters.journal_rows import as_record, in_the_way, objections
from orchestrator.adapters.journal_tables import (
    DOCUMENTS,
    ENTRIES,
    EPOCHS,
    SETS,
    open_journal,
    told,
)
from orchestrator.errors import PlanError
from orchestrator.plan.model import Plan
from orchestrator.rollout.model import Event, Outcome, Record, State
from orchestrator.rollout.phases import is_abortable
from orchestrator.rollout.ports import Superseded


class SqlJournal:
    """The journal on SQLite. One object a process; threads may share it."""

    def __init__(self, file: Path, *, fleet: str = "") -> None:
        self.file = file
        self._reader, self._writer = open_journal(file, fleet=fleet)

    def record(self, change_set: str) -> Record:
        """A change set with all its entries.

        Raises:
            PlanError: no such change set.
        """
        with self._reading() as db:
            row = db.execute(sa.select(SETS).where(SETS.c.id == change_set)).mappings().first()
            if row is None:
                raise PlanError(
                    f"no change set {change_set} in {self.file}",
                    hint="wardship status lists them",
                )
            return as_record(db, row)

    def claim(self, facility: str, *, runner: str) -> int:
        """Raise the facility's epoch and give the new one."""
        with self._writing() as db:
            now = db.scalar(sa.select(EPOCHS.c.epoch).where(EPOCHS.c.facility == facility)) or 0
            self._set_epoch(db, facility, now + 1, runner)
            return now + 1

    def adopt(self, facility: str, *, at_least: int) -> None:
        """Let the next claim be above ``at_least``: what the hosts remember and we do not."""
        with self._writing() as db:
            known = db.execute(sa.select(EPOCHS).where(EPOCHS.c.facility == facility)).first()
            if known is None or known.epoch < at_least:
                self._set_epoch(db, facility, at_least, known.runner if known else "")

    def begin(self, change_set: str, state: State, *, epoch: int, at: datetime) -> None:
        """A step begins."""
        with self._writing() as db:
            self._guard(db, change_set, epoch)
            self._write_entry(db, change_set, state, None, epoch=epoch, at=at)

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
        """A step ended; the change set is in its next state, in the same transaction."""
        with self._writing() as db:
            self._guard(db, change_set, epoch)
            self._write_entry(
                db, change_set, state, outcome, epoch=epoch, at=at, seconds=round(seconds, 3)
            )
            values: dict[str, Any] = {"state": to.value, "since": at.isoformat()}
            cause = db.scalar(sa.select(SETS.c.cause).where(SETS.c.id == change_set))
            if outcome.event is not Event.DONE and outcome.because and not cause:
                values["cause"] = outcome.because
            db.execute(SETS.update().where(SETS.c.id == change_set).values(values))

    def keep(self, change_set: str, name: str, body: str, *, epoch: int) -> None:
        """Keep a document with the change set; a later one of the same name replaces it."""
        with self._writing() as db:
            self._guard(db, change_set, epoch)
            key = (DOCUMENTS.c.change_set == change_set) & (DOCUMENTS.c.name == name)
            db.execute(DOCUMENTS.delete().where(key))
            db.execute(DOCUMENTS.insert().values(change_set=change_set, name=name, body=body))

    def document(self, change_set: str, name: str) -> str | None:
        """A document that was kept."""
        key = (DOCUMENTS.c.change_set == change_set) & (DOCUMENTS.c.name == name)
        with self._reading() as db:
            return db.scalar(sa.select(DOCUMENTS.c.body).where(key))

    def documents(self, change_set: str) -> dict[str, str]:
        """Every document of a change set, by name."""
        query = sa.select(DOCUMENTS).where(DOCUMENTS.c.change_set == change_set)
        with self._reading() as db:
            return {row.name: row.body for row in db.execute(query)}

    def admit(self, plan: Plan, *, runner: str, at: datetime) -> None:
        """Take the plan's change sets in: all of them, or none.

        Raises:
            PlanError: a facility has another unfinished change set, or one of these was run before.
        """
        with self._writing() as db:
            refusals = [why for cs in plan.change_sets for why in objections(db, cs)]
            if refusals:
                raise PlanError(
                    "the plan was not started: " + "; ".join(refusals),
                    hint="wardship status shows what holds them; "
                    "wardship run PLAN --resume goes on with a change that was cut off",
                    refusals=refusals,
                )
            for cs in plan.change_sets:
                db.execute(
                    SETS.insert().values(
                        id=cs.id, facility=cs.facility, plan=plan.digest, cause="", runner=runner,
                        state=State.STAGING.value, queued=True, abort_requested=False,
                        since=at.isoformat(),
                        body=cs.model_dump_json(),
                    )
                )  # fmt: skip

    def records(self, *, plan: str | None = None) -> list[Record]:
        """Every change set, oldest first; of one plan if named by its digest."""
        query = sa.select(SETS).order_by(sa.literal_column("rowid"))
        if plan is not None:
            query = query.where(SETS.c.plan == plan)
        with self._reading() as db:
            return [as_record(db, row) for row in db.execute(query).mappings().all()]

    def attempts(self) -> dict[str, int]:
        """How many change sets each facility has had."""
        query = sa.select(SETS.c.facility, sa.func.count()).group_by(SETS.c.facility)
        with self._reading() as db:
            return {row[0]: row[1] for row in db.execute(query)}

    def request_abort(self, change_set: str) -> State:
        """Ask for an abort; gives the state it was asked in.

        Raises:
            PlanError: it is decided, or has ended.
        """
        with self._writing() as db:
            state = db.scalar(sa.select(SETS.c.state).where(SETS.c.id == change_set))
            if state is None:
                raise PlanError(
                    f"no change set {change_set} in {self.file}", hint="wardship status lists them"
                )
            if not is_abortable(State(state)):
                raise PlanError(
                    f"{change_set} cannot be stopped any more: it is {state}",
                    hint=f"to put a committed change back: wardship restore {change_set}",
                )
            db.execute(SETS.update().where(SETS.c.id == change_set).values(abort_requested=True))
            return State(state)

    def redirect(
        self, change_set: str, to: State, *, because: str, epoch: int, at: datetime, runner: str
    ) -> None:
        """A person sends a change set another way (restore, clear); their reason is kept."""
        with self._writing() as db:
            self._guard(db, change_set, epoch)
            self._redirect(db, change_set, to, because, epoch=epoch, at=at, runner=runner)

    def take(self, change_set: str, to: State, *, because: str, at: datetime, runner: str) -> int:
        """Become the facility's controller and send a change set another way, all or nothing.

        Gives the new epoch.

        Raises:
            PlanError: another change set of the facility came later, or is not finished.
        """
        with self._writing() as db:
            row = db.execute(sa.select(SETS).where(SETS.c.id == change_set)).mappings().one()
            if others := in_the_way(db, row):
                raise PlanError(
                    f"{change_set} is not the newest change at {row['facility']}: "
                    f"{', '.join(others)}",
                    hint=f"that one first: wardship restore {others[-1].split()[0]}",
                )
            known = db.scalar(sa.select(EPOCHS.c.epoch).where(EPOCHS.c.facility == row["facility"]))
            epoch = (known or 0) + 1
            self._set_epoch(db, row["facility"], epoch, runner)
            self._redirect(db, change_set, to, because, epoch=epoch, at=at, runner=runner)
            return epoch

    def _redirect(
        self,
        db: sa.Connection,
        change_set: str,
        to: State,
        because: str,
        *,
        epoch: int,
        at: datetime,
        runner: str,
    ) -> None:
        row = db.execute(sa.select(SETS).where(SETS.c.id == change_set)).mappings().one()
        outcome = Outcome.done(because, redirected_to=to.value)
        self._write_entry(
            db, change_set, State(row["state"]), outcome, epoch=epoch, at=at, seconds=0.0
        )
        db.execute(
            SETS.update()
            .where(SETS.c.id == change_set)
            .values(
                state=to.value, since=at.isoformat(), runner=runner,
                cause=row["cause"] or because, abort_requested=False, queued=False,
            )
        )  # fmt: skip

    def run_by(self, change_sets: list[str], *, runner: str) -> None:
        """Write down who runs these now, on the engine."""
        with self._writing() as db:
            named = SETS.update().where(SETS.c.id.in_(change_sets))
            db.execute(named.values(runner=runner, queued=True))

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with told(self.file), self._reader.begin() as db:
            yield db

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with told(self.file), self._writer.begin() as db:
            yield db

    def close(self) -> None:
        """Let the file go."""
        self._reader.dispose()
        self._writer.dispose()

    @staticmethod
    def _set_epoch(db: sa.Connection, facility: str, epoch: int, runner: str) -> None:
        db.execute(EPOCHS.delete().where(EPOCHS.c.facility == facility))
        db.execute(EPOCHS.insert().values(facility=facility, epoch=epoch, runner=runner))

    @staticmethod
    def _guard(db: sa.Connection, change_set: str, epoch: int) -> None:
        held = db.execute(
            sa.select(EPOCHS)
            .join(SETS, SETS.c.facility == EPOCHS.c.facility)
            .where(SETS.c.id == change_set)
        ).first()
        if held is not None and held.epoch > epoch:
            raise Superseded(
                f"{held.facility} was taken over by {held.runner}"
                f" (epoch {held.epoch}, ours {epoch})"
            )

    @staticmethod
    def _write_entry(
        db: sa.Connection,
        change_set: str,
        state: State,
        outcome: Outcome | None,
        *,
        epoch: int,
        at: datetime,
        seconds: float | None = None,
    ) -> None:
        db.execute(
            ENTRIES.insert().values(
                change_set=change_set,
                at=at.isoformat(),
                state=state.value,
                event=outcome.event.value if outcome else None,
                because=outcome.because if outcome else "",
                seconds=seconds,
                epoch=epoch,
                evidence=json.dumps(outcome.evidence if outcome else {}),
            )
        )


def utc_now() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)
