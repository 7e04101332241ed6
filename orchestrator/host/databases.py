"""Databases beside others: copied in their cluster, proved, and put back by renames (ADR 20).

Of each database a change keeps ``…_tmp`` (copied, not proved), ``…_copy`` (proved, lets nobody in)
and ``…_failed`` (what was live before it was put back), all in the same cluster. A copy is used up
by what it puts back; its OID tells whether it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from . import records, room
from .database_facts import about, give, problems_of
from .database_manifest import Database
from .layout import ChangeLayout
from .outcome import FailedError
from .postgresql import Postgresql, identifier, label_of, literal, name_of
from .system import System

#: How long sessions may take to be gone, in seconds: the end of a copy waits for the disk, file by
#: file, and hears nothing meanwhile.
ENDING = 600.0
LEAVING = 5.0
#: Every session in a database but those of PostgreSQL's own keeping.
SESSIONS = """
select coalesce(nullif(application_name, ''), backend_type) || ' as ' || coalesce(usename, 'none')
|| ' from ' || coalesce(host(client_addr), 'this host') from pg_stat_activity
where datname = {name} and pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'
group by 1 order by 1
"""
END = """
select pid, pg_terminate_backend(pid) from pg_stat_activity
where {which} and pid <> pg_backend_pid()
"""
LIMIT = "select datconnlimit from pg_database where datname = {name}"
PREPARED = "select gid from pg_prepared_xacts where database = {name}"


class DatabasePlace:
    """One database of a change: where it is, what its copies are called, what is noted of it."""

    def __init__(
        self, system: System, paths: ChangeLayout, change: str, database: Database
    ) -> None:
        self.name = database.name
        self.system, self.paths = system, paths
        self.cluster = Postgresql(system, database, label=label_of(change))
        self.live = database.database
        self.aside, self.copy, self.failed = (
            name_of(change, self.live, state) for state in ("tmp", "copy", "failed")
        )

    def __str__(self) -> str:
        return f"database {self.live} of PostgreSQL {self.cluster.cluster}"

    def oids(self) -> Dict[str, str]:
        """Every database of the cluster with its OID."""
        return {row[0]: row[1] for row in self.cluster.ask("select datname, oid from pg_database")}

    def sessions(self) -> List[str]:
        """Who is in it, in words."""
        return [row[0] for row in self.cluster.ask(SESSIONS.format(name=literal(self.live)))]

    def noted(self) -> Dict[str, str]:
        """What is known of it: the copy's ``oid``, the cluster's ``directory``, the ``limit`` that
        the live one has, and what ``failed`` is called."""
        kept = records.read(self.paths.databases) or {}
        found: Dict[str, str] = kept.get("databases", {}).get(self.name, {})
        return found

    def note(self, **told: str) -> None:
        """Write more down of it; an empty word is forgotten."""
        kept = (records.read(self.paths.databases) or {}).get("databases", {})
        known = {**kept.get(self.name, {}), **told}
        kept[self.name] = {what: word for what, word in known.items() if word}
        records.write(self.system.disk, self.paths.databases, {"databases": kept})

    def end(self, *databases: str) -> List[str]:
        """End every session in databases of this change; who they were.

        Raises:
            FailedError: one does not end.
        """
        ended = []
        for name in databases:
            ended += [row[0] for row in self.cluster.ask(SESSIONS.format(name=literal(name)))]
            self._end(f"datname = {literal(name)}")
        return ended

    def end_own(self) -> None:
        """End what this change still runs there: a copy goes on when its client is killed."""
        self._end(f"application_name = {literal(self.cluster.label)}")

    def _end(self, which: str) -> None:
        deadline = self.system.monotonic() + ENDING
        while self.cluster.ask(END.format(which=which)):
            if self.system.monotonic() > deadline:
                raise FailedError(f"{self}: sessions do not end ({which})")
            self.system.sleep(0.5)


def problems(places: Sequence[DatabasePlace]) -> Tuple[List[str], List[room.Need]]:
    """Why these cannot be copied, and the room that copies take."""
    found: List[str] = []
    needs: List[room.Need] = []
    for place in places:
        try:
            there = place.oids()
            if place.live not in there:
                found.append(f"there is no {place}")
                continue
            found += [
                f"{name} is there already: a snapshot is never retaken"
                for name in (place.copy, place.failed)
                if name in there
            ]
            found += problems_of(place.cluster, place.live)
            place.cluster.require_dumps(place.live)
            directory, size = _lies(place)
            files = directory / "base" / there[place.live]
            entries = sum(1 for _ in files.iterdir()) if files.is_dir() else 1
            needs.append(room.Need(directory, size, entries))
        except FailedError as error:
            found.append(error.because)
    return found, needs


def _lies(place: DatabasePlace) -> Tuple[Path, int]:
    """Where its cluster keeps its files, and the database's size in bytes."""
    asked = f"select current_setting('data_directory'), pg_database_size({literal(place.live)})"
    ((directory, size),) = place.cluster.ask(asked)
    return place.system.at(directory), int(size)


def connected(places: Sequence[DatabasePlace]) -> List[str]:
    """Who is in them, while nobody may be; sessions of what has just ended take a moment to go."""
    found: List[str] = []
    for place in places:
        deadline = place.system.monotonic() + LEAVING
        while (there := place.sessions()) and place.system.monotonic() < deadline:
            place.system.sleep(0.5)
        found += [f"connected to {place}: {client}" for client in there]
    return found


def close(place: DatabasePlace) -> None:
    """Let nobody new in but superusers, so that nothing is written that no copy has."""
    if "limit" not in place.noted():
        for row in place.cluster.ask(LIMIT.format(name=literal(place.live))):
            place.note(limit=row[0])
    _limit(place, "0")


def open_up(place: DatabasePlace) -> None:
    """Let in whom it let in before; nothing where it was not closed."""
    if limit := place.noted().get("limit"):
        _limit(place, limit)


def _limit(place: DatabasePlace, limit: str) -> None:
    """Nothing where it is so already: a lock that somebody holds must not keep a clinic shut."""
    if place.cluster.ask(LIMIT.format(name=literal(place.live))) not in ([], [[limit]]):
        statement = f"alter database {identifier(place.live)} connection limit {int(limit)}"
        place.cluster.change("limit", statement)


def capture(place: DatabasePlace) -> None:
    """Copy a database under its temporary name, and prove the copy against the live one.

    Raises:
        FailedError: a copy stands already, or is not what is live.
    """
    there = place.oids()
    if place.copy in there:
        raise FailedError(f"{place.copy} is there already: a snapshot is never retaken")
    _drop(place, place.aside)
    ((version,),) = place.cluster.ask("show server_version_num")
    # By files where there is a choice: the other way writes all of it into the log as well.
    by_files = " strategy file_copy" if int(version) >= 150000 else ""
    live, aside = identifier(place.live), identifier(place.aside)
    place.cluster.change("copy", f"create database {aside} template {live}{by_files}", timeout=None)
    give(place.cluster, place.live, place.aside)
    known, copied = (about(place.cluster, name) for name in (place.live, place.aside))
    different = [name for name in known if known[name] != copied[name]]
    if different:
        raise FailedError(f"the copy of {place} has other {', '.join(different)}")
    told = place.paths.directory / "pg_dump.stderr"
    one, other = (place.cluster.digest(name, told=told) for name in (place.live, place.aside))
    if one != other:
        raise FailedError(f"the copy of {place} is not what is live")


def seal(place: DatabasePlace) -> None:
    """Note which database the proved copy is, and give it its name; nobody is let in."""
    directory, _ = _lies(place)
    place.note(oid=place.oids()[place.aside], directory=str(directory))
    place.end(place.aside)
    aside = identifier(place.aside)
    place.cluster.change(
        "seal",
        f"begin; alter database {aside} allow_connections false; "
        f"alter database {aside} rename to {identifier(place.copy)}; commit",
    )


def require(place: DatabasePlace) -> bool:
    """The proved copy is there; whether it is the live one already.

    Raises:
        FailedError: it is gone, or its cluster does not answer.
    """
    there, oid = place.oids(), place.noted().get("oid")
    if oid is None or oid not in (there.get(place.live), there.get(place.copy)):
        raise FailedError(f"{place.copy} is gone: {place} cannot be put back")
    return there.get(place.live) == oid


def put_back(place: DatabasePlace) -> str:
    """Make the database again what it was; says what was done. May be cut and called again.

    Raises:
        FailedError: the proved copy is gone, or somebody cannot be put out.
    """
    if require(place):
        told = f"{place} was put back already"
    else:
        _exchange(place)
        told = f"{place} is again what it was, the failed state is {place.failed}"
    place.note(failed=place.failed if place.failed in place.oids() else "")
    return told


def _exchange(place: DatabasePlace) -> None:
    live, copy = identifier(place.live), identifier(place.copy)
    aside = ""
    if place.live in place.oids():
        _forget_prepared(place)
        place.cluster.change("close", f"alter database {live} allow_connections false")
        aside = f"alter database {live} rename to {identifier(place.failed)}; "
    place.end(place.live, place.copy)
    place.cluster.change(
        "exchange",
        f"begin; {aside}alter database {copy} allow_connections true; "
        f"alter database {copy} rename to {live}; commit",
    )


def _forget_prepared(place: DatabasePlace) -> None:
    """A transaction that the failing release prepared would keep its database from its new name."""
    for row in place.cluster.ask(PREPARED.format(name=literal(place.live))):
        # A try before this one may have shut it.
        live = identifier(place.live)
        place.cluster.change("open", f"alter database {live} allow_connections true")
        statement = f"rollback prepared {literal(row[0])}"
        place.cluster.change("prepared", statement, at=place.live)


def drop_half_copy(place: DatabasePlace) -> str:
    """Remove a copy that was not proved; says what became of it, nothing where there is none."""
    try:
        if place.aside not in place.oids():
            return ""
        _drop(place, place.aside, timeout=60)
    except FailedError as error:
        return f"{place.aside} stays: {error.because}"
    return f"{place.aside} is removed: it was not proved"


def give_room(place: DatabasePlace, *, needed: int) -> str:
    """Remove what failed where it leaves the cluster no room; says so, or nothing."""
    noted = place.noted()
    if "failed" not in noted or place.system.free(Path(noted["directory"])) >= needed:
        return ""
    try:
        _drop(place, place.failed, timeout=120)
    except FailedError as error:
        return f"{place.failed} stays, though there is little room: {error.because}"
    place.note(failed="")
    return f"{place.failed} is removed: it leaves no room for the old release"


def forget(place: DatabasePlace) -> None:
    """Remove everything that a change keeps of a database, never the database.

    Raises:
        FailedError: somebody uses it, or the cluster does not answer.
    """
    for name in (place.aside, place.copy, place.failed):
        _drop(place, name)


def _drop(place: DatabasePlace, name: str, *, timeout: float = 600) -> None:
    place.end(name)
    place.cluster.change("drop", f"drop database if exists {identifier(name)}", timeout=timeout)
