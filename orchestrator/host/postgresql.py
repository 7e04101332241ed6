"""A PostgreSQL cluster as its own account asks it; statements are answered row by row."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path
from typing import List, Optional

from .database_manifest import Database
from .outcome import FailedError
from .system import System

ACCOUNT = "postgres"
#: A lock that somebody holds ends a statement with a reason; what is committed is on the disk.
OPTIONS = "-c lock_timeout=20s -c synchronous_commit=on"
#: Of a dump, read with what failed in it: a pipe would tell of its last program only.
DUMP = 'set -o pipefail; pg_dump "$@" | sha256sum'
#: Where psql says that an error is, which says nothing here.
PLACE = re.compile(r"^psql:<stdin>:[0-9]+: (ERROR: +)?")
STARTING = 120.0
STATES = ("tmp", "copy", "failed")


class Postgresql:
    """One cluster. ``psql`` and ``pg_dump`` are Debian's, which find its port by its name."""

    def __init__(self, system: System, database: Database) -> None:
        self.system = system
        self.service = database.service
        self.cluster = database.cluster

    def ask(
        self, statements: str, *, at: str = ACCOUNT, timeout: Optional[float] = 60.0
    ) -> List[List[str]]:
        """Run statements in the database ``at``; the rows of the last.

        Raises:
            FailedError: with PostgreSQL's own words, without what it quotes.
        """
        words = ["psql", "--cluster", self.cluster, "-XqAt", "--csv", "-v", "ON_ERROR_STOP=1"]
        words += ["-v", "VERBOSITY=terse", "-d", at, "-f", "-"]
        ran = self.system.run(
            ["runuser", "-u", ACCOUNT, "--", *words],
            env={"PGOPTIONS": OPTIONS, "PGCONNECT_TIMEOUT": "20"},
            stdin=statements,
            timeout=timeout,
        )
        if ran.code != 0:
            raise FailedError(f"PostgreSQL {self.cluster}: {PLACE.sub('', ran.reason)}")
        return list(csv.reader(io.StringIO(ran.out)))

    def change(self, what: str, statements: str, *, timeout: Optional[float] = 60.0) -> None:
        """Run statements that change something."""
        self.system.disk.effect(f"postgresql {what}", Path(self.cluster))
        self.ask(statements, timeout=timeout)

    def digest(self, database: str) -> str:
        """SHA-256 over all that ``pg_dump`` reads of a database: each row, in its order.

        Raises:
            FailedError: it cannot be read whole.
        """
        words = ["--cluster", self.cluster, *self._restricted(), "-d", database]
        shell = ["bash", "-c", DUMP, "pg_dump", *words]
        ran = self.system.run(["runuser", "-u", ACCOUNT, "--", *shell], timeout=None)
        found = re.match(r"[0-9a-f]{64}\b", ran.out)
        if ran.code != 0 or found is None:
            raise FailedError(f"PostgreSQL {self.cluster}: {database} cannot be read whole")
        return found[0]

    def _restricted(self) -> List[str]:
        """Newer releases write a random word into each dump unless they are told one."""
        asked = ["pg_dump", "--cluster", self.cluster, "--help"]
        ran = self.system.run(["runuser", "-u", ACCOUNT, "--", *asked])
        return ["--restrict-key=wardship"] if "--restrict-key" in ran.out else []

    def start(self) -> None:
        """Start the cluster where it does not run: a restore may come before it at a boot.

        Raises:
            FailedError: it does not answer.
        """
        self.system.run(["systemctl", "start", "--", self.service], timeout=STARTING)
        deadline = self.system.monotonic() + STARTING
        while not self._answers(or_raise=self.system.monotonic() > deadline):
            self.system.sleep(1.0)

    def _answers(self, *, or_raise: bool) -> bool:
        try:
            self.ask("select 1")
        except FailedError:
            if or_raise:
                raise
            return False
        return True


def name_of(change: str, database: str, state: str) -> str:
    """What the copy of a change is called in its cluster, and what failed; no other change's.

    ``state``: *tmp* (not proved), *copy* (proved), *failed* (what was live).
    """
    assert state in STATES, state
    return f"{database}_wardship_{hashlib.sha256(change.encode()).hexdigest()[:10]}_{state}"


def identifier(name: str) -> str:
    """A name in a statement (PostgreSQL 4.1.1)."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in a statement; standard_conforming_strings is on since 9.1."""
    return "'" + text.replace("'", "''") + "'"
