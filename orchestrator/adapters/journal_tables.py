"""The journal's tables, and how its file is opened.

Decides that the file is 0600 in a directory of 0700, that a commit is on disk before it returns
(WAL, ``synchronous=FULL``), that writers take their turn (``BEGIN IMMEDIATE``) while readers never
wait, and that a file written by a newer wardship is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import WardshipError

SCHEMA = 1

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


def open_journal(file: Path) -> tuple[sa.Engine, sa.Engine]:
    """The engine that reads and the one that writes.

    Raises:
        WardshipError: the file is of a newer wardship, or cannot be used.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    reader, writer = _engine(file, "BEGIN"), _engine(file, "BEGIN IMMEDIATE")
    try:
        with writer.begin() as db:
            found = db.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found > SCHEMA:
                raise WardshipError(
                    f"{file}: written by a newer wardship (schema {found}, ours {SCHEMA})",
                    hint="use the newer wardship; nothing was changed",
                )
            META.create_all(db)
            db.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
    except sa.exc.DatabaseError as error:
        raise WardshipError(
            f"{file}: cannot be used as a journal: {error.orig}",
            hint="free disk space or put back a good copy of this file; "
            "the hosts keep their own record",
        ) from error
    return reader, writer


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
