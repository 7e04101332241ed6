"""The journal's tables, and how its file is opened.

Decides that the file is 0600 in a directory of 0700, that a commit is on disk before it returns
(WAL, ``synchronous=FULL``), that writers take their turn (``BEGIN IMMEDIATE``) while readers never
wait, and that a file of a newer wardship, of another fleet, or a damaged one is refused as it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import MachineError, PlanError, RestoreError

SCHEMA = 1
_FLEET = "fleet"
_MEND = (
    "free space, or put back a good copy of this file (and of no -wal beside it); the hosts keep "
    "their own record, and a copy that knows less than they do is told so. nothing was changed"
)

META = sa.MetaData()
SETS = sa.Table(
    "change_sets",
    META,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("facility", sa.String, nullable=False, index=True),
    sa.Column("plan", sa.String, nullable=False, index=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("cause", sa.String, nullable=False, default=""),
    sa.Column("runner", sa.String, nullable=False, default=""),
    sa.Column("queued", sa.Boolean, nullable=False, default=True),
    sa.Column("abort_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("since", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
ENTRIES = sa.Table(
    "entries",
    META,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("change_set", sa.String, nullable=False, index=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("event", sa.String),
    sa.Column("because", sa.Text, nullable=False, default=""),
    sa.Column("seconds", sa.Float),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False, default="{}"),
)
EPOCHS = sa.Table(
    "epochs",
    META,
    sa.Column("facility", sa.String, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("runner", sa.String, nullable=False),
)
DOCUMENTS = sa.Table(
    "documents",
    META,
    sa.Column("change_set", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)


ABOUT = sa.Table(
    "about",
    META,
    sa.Column("what", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)


def open_journal(file: Path, *, fleet: str = "") -> tuple[sa.Engine, sa.Engine]:
    """The engine that reads and the one that writes.

    ``fleet``: the name of the fleet that the journal has to be of, where it matters.

    Raises:
        PlanError: the file is of a newer wardship or of another fleet, or is damaged. Nothing was
            written then.
        MachineError: this user, or this disk, cannot write it.
        OSError: its directory cannot be made.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    reader, writer = _engine(file, "BEGIN"), _engine(file, "BEGIN IMMEDIATE")
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        owner = _examine(file)
        if fleet and owner not in {None, "", fleet}:
            raise PlanError(
                f"{file}: the journal of the fleet {owner}, and this one is {fleet}",
                hint="put this fleet's own journal back, or the name in fleet.yml; "
                "nothing was changed",
            )
        if owner is None or (fleet and not owner):
            with writer.begin() as db:
                META.create_all(db)
                db.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
                if fleet:
                    db.execute(ABOUT.insert().values(what=_FLEET, value=fleet))
    except OSError as error:
        raise MachineError(
            f"{file}: cannot be opened: {error.strerror}",
            hint="be the user whose file it is, on a disk that takes writes; nothing was changed",
        ) from error
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        because = getattr(error, "orig", None) or error
        raise PlanError(f"{file}: cannot be used as a journal: {because}", hint=_MEND) from error
    return reader, writer


@contextmanager
def told(file: Path) -> Iterator[None]:
    """What the file refuses, in our words.

    Raises:
        RestoreError: it could not be read or written; where hospitals stand is for a person to see.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise RestoreError(
            f"{file}: what happens cannot be written down: {error.orig}",
            hint="free space there, or mend the disk, then: wardship run PLAN --resume; "
            "the hosts keep what they have done",
        ) from error


def _examine(file: Path) -> str | None:
    """The name of the fleet whose journal this is, empty if it does not say; None for a new one.

    Raises:
        PlanError: it is of a newer wardship, or damaged.
    """
    if not file.stat().st_size:
        return None
    with closing(sqlite3.connect(file, timeout=30)) as db:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA:
            raise PlanError(
                f"{file}: written by a newer wardship (schema {found}, ours {SCHEMA})",
                hint="use the newer wardship; nothing was changed",
            )
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise PlanError(f"{file}: damaged: {' '.join(damage.split())}", hint=_MEND)
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        if not tables:
            return None
        missing = {table.name for table in META.sorted_tables} - {ABOUT.name} - tables
        if missing:
            raise PlanError(
                f"{file}: not a journal: it has no table {', '.join(sorted(missing))}", hint=_MEND
            )
        if ABOUT.name not in tables:
            return ""
        name = db.execute("SELECT value FROM about WHERE what = ?", (_FLEET,)).fetchone()
        return name[0] if name else ""


def _engine(file: Path, begin: str) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
