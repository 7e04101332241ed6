"""A PostgreSQL cluster as its own account asks it; statements are answered row by row."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path
from typing import Dict, List, Optional

from . import units
from .database_manifest import Database
from .outcome import FailedError
from .services import AT_REST
from .system import System

ACCOUNT = "postgres"
#: What a cluster's own settings must not change: how long we may take, that we write, how a text is
#: quoted. A lock that somebody holds ends a statement with a reason. What is committed is on this
#: host's disk; a standby that is gone holds nobody up.
OPTIONS = (
    "-c lock_timeout=20s -c statement_timeout=0 -c default_transaction_read_only=off "
    "-c standard_conforming_strings=on -c synchronous_commit=local"
)
#: Since release 17 a database may run something at each login.
NO_TRIGGERS, TRIGGERS_SINCE = " -c event_triggers=off", 17
#: Of a dump, read with what failed in it: a pipe would tell of its last program only.
DUMP = 'set -o pipefail; pg_dump "$@" | sha256sum'
#: Where psql says that an error is, which says nothing here.
PLACE = re.compile(r"^psql:<stdin>:[0-9]+: (ERROR: +)?")
#: How long a cluster may take to start, in seconds: after a crash it reads its log first.
STARTING = 600.0
STATES = ("tmp", "copy", "failed")


class Postgresql:
    """One cluster. ``psql`` and ``pg_dump`` are Debian's, which find its port by its name.

    ``label``: what our sessions are called there, so that those of this change can be ended.
    """

    def __init__(self, system: System, database: Database, *, label: str) -> None:
        self.system = system
        self.service = database.service
        self.cluster = database.cluster
        self.label = label

    def ask(
        self, statements: str, *, at: str = ACCOUNT, timeout: Optional[float] = 60.0
    ) -> List[List[str]]:
        """Run statements in the database ``at``; the rows of the last.

        Raises:
            FailedError: with PostgreSQL's own words, without what it quotes.
        """
        words = ["psql", "--cluster", self.cluster, "-XqAtw", "--csv", "-v", "ON_ERROR_STOP=1"]
        words += ["-v", "VERBOSITY=terse", "-d", at, "-f", "-"]
        ran = self.system.run(
            ["runuser", "-u", ACCOUNT, "--", *words],
            env=self._environment(),
            stdin=statements,
            timeout=timeout,
        )
        if ran.code != 0:
            raise FailedError(f"PostgreSQL {self.cluster}: {PLACE.sub('', ran.reason)}")
        return list(csv.reader(io.StringIO(ran.out)))

    def change(
        self, what: str, statements: str, *, at: str = ACCOUNT, timeout: Optional[float] = 60.0
    ) -> None:
        """Run statements that change something."""
        self.system.disk.effect(f"postgresql {what}", Path(self.cluster))
        self.ask(statements, at=at, timeout=timeout)

    def digest(self, database: str, *, told: Path) -> str:
        """SHA-256 over all that ``pg_dump`` reads of a database: each row, in its order.

        ``told``: where its words go when it fails; they may quote records.

        Raises:
            FailedError: it cannot be read whole.
        """
        words = ["--cluster", self.cluster, "-w", *self._restricted(), "-d", database]
        shell = ["bash", "-c", DUMP, "pg_dump", *words]
        ran = self.system.run(
            ["runuser", "-u", ACCOUNT, "--", *shell], env=self._environment(), timeout=None
        )
        found = re.match(r"[0-9a-f]{64}\b", ran.out)
        if ran.code != 0 or found is None:
            self.system.disk.write(told, ran.err.encode())
            because = f"{database} cannot be read whole, see {told}"
            raise FailedError(f"PostgreSQL {self.cluster}: {because}")
        return found[0]

    def require_dumps(self, database: str) -> None:
        """What a dump begins with can be had: its program, its lock, its way in.

        Raises:
            FailedError: with what pg_dump says; no row is read.
        """
        words = ["pg_dump", "--cluster", self.cluster, "-w", "--schema-only", "-f", "/dev/null"]
        asked = ["runuser", "-u", ACCOUNT, "--", *words, "-d", database]
        ran = self.system.run(asked, env=self._environment(), timeout=300)
        if ran.code != 0:
            raise FailedError(f"PostgreSQL {self.cluster}: {database}: {ran.reason}")

    def _restricted(self) -> List[str]:
        """Newer releases write a random word into each dump unless they are told one."""
        asked = ["pg_dump", "--cluster", self.cluster, "--help"]
        ran = self.system.run(["runuser", "-u", ACCOUNT, "--", *asked])
        return ["--restrict-key=wardship"] if "--restrict-key" in ran.out else []

    def _environment(self) -> Dict[str, str]:
        release = int(self.cluster.partition("/")[0].partition(".")[0])
        return {
            "PGOPTIONS": OPTIONS + (NO_TRIGGERS if release >= TRIGGERS_SINCE else ""),
            "PGCONNECT_TIMEOUT": "20",
            "PGCLIENTENCODING": "UTF8",
            "PGAPPNAME": self.label,
        }

    def start(self) -> None:
        """Start the cluster where it does not run, and wait: a restore may come first at a boot.

        Raises:
            FailedError: it does not answer, and does not start any more.
        """
        deadline = self.system.monotonic() + STARTING
        while not self._answers(or_raise=self.system.monotonic() > deadline):
            self.system.run(["systemctl", "reset-failed", "--", self.service])
            self.system.run(["systemctl", "start", "--", self.service], timeout=STARTING)
            state = units.show(self.system, self.service, "ActiveState")["ActiveState"]
            if self._answers(or_raise=state in AT_REST):
                return
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
    return f"{database}_{label_of(change)}_{state}"


def label_of(change: str) -> str:
    """What is this change's in a cluster, and no other's."""
    return f"wardship_{hashlib.sha256(change.encode()).hexdigest()[:10]}"


def identifier(name: str) -> str:
    """A name in a statement (PostgreSQL 4.1.1)."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in a statement; our sessions have standard_conforming_strings on."""
    return "'" + text.replace("'", "''") + "'"
