"""The journal's rows as models."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa

from orchestrator.adapters.journal_tables import ENTRIES, EPOCHS, SETS
from orchestrator.plan.model import ChangeSet
from orchestrator.rollout.model import Entry, Record, State
from orchestrator.rollout.phases import ENDS


def as_record(db: sa.Connection, row: sa.RowMapping) -> Record:
    """A change set with all its entries, from its row."""
    entries = db.execute(
        sa.select(ENTRIES).where(ENTRIES.c.change_set == row["id"]).order_by(ENTRIES.c.seq)
    ).mappings()
    epoch = db.scalar(sa.select(EPOCHS.c.epoch).where(EPOCHS.c.facility == row["facility"]))
    return Record(
        change_set=ChangeSet.model_validate_json(row["body"]),
        plan=row["plan"],
        state=State(row["state"]),
        cause=row["cause"],
        epoch=epoch or 0,
        runner=row["runner"],
        queued=row["queued"],
        abort_requested=row["abort_requested"],
        since=datetime.fromisoformat(row["since"]),
        entries=tuple(
            Entry(**{**entry, "evidence": json.loads(entry["evidence"])}) for entry in entries
        ),
    )


def in_the_way(db: sa.Connection, row: sa.RowMapping) -> list[str]:
    """Other change sets of the facility that came later, or are not finished: ``ID (state)``."""
    rowid: sa.ColumnClause[int] = sa.literal_column("rowid", sa.Integer)
    this = db.scalar(sa.select(rowid).select_from(SETS).where(SETS.c.id == row["id"])) or 0
    found = db.execute(
        sa.select(SETS.c.id, SETS.c.state, rowid.label("number"))
        .where((SETS.c.facility == row["facility"]) & (SETS.c.id != row["id"]))
        .order_by(rowid)
    )
    without_trace = {State.RESTORED, State.NOT_STARTED}
    return [
        f"{other.id} ({other.state})"
        for other in found
        if other.state not in without_trace
        and (other.number > this or other.state != State.COMMITTED)
    ]


def objections(db: sa.Connection, change_set: ChangeSet) -> list[str]:
    """Why a change set may not be taken in: its facility is held, or it was run before."""
    settled = [state.value for state in ENDS - {State.NEEDS_HANDS}]
    rows = db.execute(
        sa.select(SETS).where(
            (SETS.c.id == change_set.id)
            | ((SETS.c.facility == change_set.facility) & SETS.c.state.not_in(settled))
        )
    ).mappings()
    return [
        f"{change_set.facility} is held by change set {row['id']} ({row['state']}, "
        f"run by {row['runner'] or 'nobody'})"
        if row["state"] not in settled
        else f"{row['id']} was run before and ended {row['state']}: plan again"
        for row in rows
    ]
