"""A PostgreSQL cluster by the rules that the host program rests on, in memory.

A template with somebody in it is not copied, nor is a database renamed; statements between begin
and commit happen together or not at all; who is not let in cannot read. Anything else it is asked
is an error: a statement that it does not know is none that it says yes to.
"""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.host.system import Ran

NAME = r'"([^"]+)"'


class SqlError(Exception):
    """As the server tells it."""


@dataclass
class Kept:
    """A database."""

    oid: int
    content: str
    lets_in: bool = True
    owner: str = "pacs"
    settings: str = ""
    limit: str = "-1"
    granted: bool = False


@dataclass
class FakePostgresql:
    """One cluster, ``15/main``. ``clients``: who is connected, by database."""

    databases: dict[str, Kept] = field(default_factory=dict)
    clients: dict[str, list[str]] = field(default_factory=dict)
    runs: bool = True
    #: What PostgreSQL counts in it that no copy has, in the order of its question.
    counted: tuple[str, ...] = ("0",) * 5
    #: Sessions of its own keeping, by database.
    workers: dict[str, list[str]] = field(default_factory=dict)
    #: Transactions that a release prepared and left, by database.
    prepared: dict[str, list[str]] = field(default_factory=dict)
    #: A copy that goes on though its client was killed: until it ends nobody gets at its template.
    copying: bool = False
    #: Somebody holds a lock on what PostgreSQL keeps of its databases.
    locked: bool = False
    #: DROP DATABASE does not come to its end.
    undroppable: bool = False
    #: A copy lacks what was granted.
    ungranted: bool = False
    #: What happens to a copy that is made: nothing, unless a test says so.
    spoil: Callable[[Kept], None] | None = None
    _oids: int = 16384

    def make(self, name: str, content: str) -> None:
        """A database, as people made it."""
        self._oids += 1
        self.databases[name] = Kept(self._oids, content)

    def run(self, words: list[str], stdin: str) -> Ran:
        """``psql`` and ``pg_dump``, as the cluster's account runs them."""
        if not self.runs:
            return Ran(2, "", "connection to server failed")
        if words[0] == "pg_dump" and words[-1] == "--help":
            return Ran(0, "", "")
        if words[0] == "pg_dump":
            there = words[-1] in self.databases and "--schema-only" in words
            return Ran(0, "", "") if there else Ran(1, "", "pg_dump: error: no way in")
        if words[0] == "bash":
            return self._dump(words[-1])
        try:
            rows = self._answer(" ".join(stdin.split()))
        except SqlError as error:
            return Ran(3, "", f"psql:<stdin>:1: ERROR:  {error}")
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        return Ran(0, out.getvalue(), "")

    def _dump(self, name: str) -> Ran:
        kept = self.databases.get(name)
        if kept is None or not kept.lets_in:
            return Ran(1, "", f"{name} is not accepting connections")
        return Ran(0, f"{hashlib.sha256(kept.content.encode()).hexdigest()}  -\n", "")

    def _answer(self, asked: str) -> list[list[object]]:
        if asked.startswith(("select", "show")):
            return self._select(asked)
        before = copy.deepcopy(self.databases)
        try:
            for statement in asked.removeprefix("begin; ").removesuffix("; commit").split("; "):
                self._change(statement)
        except SqlError:
            self.databases = before
            raise
        return []

    def _select(self, asked: str) -> list[list[object]]:
        quoted = re.findall(r"'([^']*)'", asked)
        of = next((name for name in reversed(quoted) if name in self.databases), "")
        if asked == "select datname, oid from pg_database":
            return [[name, kept.oid] for name, kept in self.databases.items()]
        if "pg_terminate_backend" in asked:
            if "application_name = 'wardship_" in asked:
                self.copying, ended = False, [[1, "t"]] if self.copying else []
                return [*ended]
            return [[1, "t"] for _ in self.clients.pop(of, [])]
        if asked.startswith("select distinct backend_type"):
            return [[who] for who in self.workers.get(of, [])]
        if "from pg_stat_activity" in asked:
            return [[who] for who in self.clients.get(of, [])]
        if asked.startswith("select gid from pg_prepared_xacts"):
            return [[gid] for gid in self.prepared.get(of, [])]
        if asked.startswith("select datconnlimit"):
            return [[self.databases[of].limit]] if of else []
        if asked.startswith("select current_setting('data_directory')"):
            return [["/pgdata", 1 << 20]]
        if asked.startswith("select pg_get_userbyid"):
            return [[self.databases[of].owner, self.databases[of].limit, ""]]
        if "to_jsonb" in asked:
            return [[self.databases[of].owner, self.databases[of].limit]]
        if "unnest(s.setconfig)" in asked:
            return [["", each] for each in self.databases[of].settings.split()]
        if "aclexplode" in asked:
            is_default = "f" if self.databases[of].granted else "t"
            return [["", "CONNECT", "f", is_default], ["pacs", "CREATE", "t", is_default]]
        if "pg_subscription" in asked:
            return [list(self.counted)]
        known: dict[str, list[list[object]]] = {
            "show server_version_num": [["150000"]],
            "select 1": [["1"]],
        }
        if "pg_database_collation_actual_version" in asked:
            return []
        if asked not in known:
            raise SqlError(f"this fake does not know: {asked}")
        return known[asked]

    def _change(self, statement: str) -> None:
        for shape, act in self._statements().items():
            if match := re.fullmatch(shape, statement):
                act(*match.groups())
                return
        raise SqlError(f"this fake does not know: {statement}")

    def _statements(self) -> dict[str, Callable[..., None]]:
        return {
            f"create database {NAME} template {NAME} strategy file_copy": self._copy,
            f"drop database if exists {NAME}": self._drop,
            f"alter database {NAME} rename to {NAME}": self._rename,
            f"alter database {NAME} allow_connections (true|false)": self._let_in,
            f"alter database {NAME} owner to {NAME}": self._own,
            f"alter database {NAME} connection limit (-?[0-9]+)": self._limit,
            f"revoke all on database {NAME} from .*": self._revoke,
            f'grant (?:CONNECT|CREATE) on database {NAME} to (?:public|"pacs" with grant option)': (
                self._grant
            ),
            "rollback prepared '(.*)'": self._roll_back,
            f"alter database {NAME} set \"([a-z_]+)\" to '(.*)'": self._set,
        }

    def _limit(self, name: str, limit: str) -> None:
        if self.locked:
            raise SqlError("canceling statement due to lock timeout")
        self._get(name).limit = limit

    def _revoke(self, name: str) -> None:
        self._get(name).granted = not self.ungranted

    def _grant(self, name: str) -> None:
        if not self._get(name).granted and not self.ungranted:
            raise SqlError("granted before it was revoked")

    def _roll_back(self, gid: str) -> None:
        for of in self.prepared.values():
            if gid in of:
                of.remove(gid)

    def _get(self, name: str) -> Kept:
        if name not in self.databases:
            raise SqlError(f'database "{name}" does not exist')
        return self.databases[name]

    def _nobody_in(self, name: str) -> None:
        if self.copying:
            raise SqlError("canceling statement due to lock timeout")
        if self.prepared.get(name):
            raise SqlError(f'database "{name}" is being used by prepared transactions')
        if self.clients.get(name):
            raise SqlError(f'database "{name}" is being accessed by other users')

    def _copy(self, name: str, template: str) -> None:
        self._nobody_in(template)
        if name in self.databases:
            raise SqlError(f'database "{name}" already exists')
        self.make(name, self._get(template).content)
        if self.spoil:
            self.spoil(self.databases[name])

    def _drop(self, name: str) -> None:
        self._nobody_in(name)
        if self.undroppable and name in self.databases:
            raise SqlError("could not write to file: No space left on device")
        self.databases.pop(name, None)

    def _rename(self, name: str, to: str) -> None:
        self._nobody_in(name)
        if to in self.databases:
            raise SqlError(f'database "{to}" already exists')
        self.databases[to] = self._get(name)
        del self.databases[name]

    def _let_in(self, name: str, answer: str) -> None:
        self._get(name).lets_in = answer == "true"

    def _own(self, name: str, owner: str) -> None:
        self._get(name).owner = owner

    def _set(self, name: str, setting: str, value: str) -> None:
        kept = self._get(name)
        kept.settings = f"{kept.settings} {setting}={value}".strip()
