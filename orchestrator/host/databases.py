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
from .postgresql import Postgresql, identifier, literal, name_of
from .system import System

#: How long clients of a database that is put back may take to be gone, in seconds.
ENDING = 30.0
CLIENTS = """
select distinct coalesce(nullif(application_name, ''), 'no name') || ' as ' || usename
|| ' from ' || coalesce(host(client_addr), 'this host') from pg_stat_activity
where backend_type = 'client backend' and datname = {name} order by 1
"""


class Base:
    """One database of a change: where it is, and what its copies are called."""

    def __init__(self, system: System, change: str, database: Database) -> None:
        self.name = database.name
        self.cluster = Postgresql(system, database)
        self.live = database.database
        self.aside, self.copy, self.failed = (
            name_of(change, self.live, state) for state in ("tmp", "copy", "failed")
        )

    def __str__(self) -> str:
        return f"database {self.live} of PostgreSQL {self.cluster.cluster}"

    def oids(self) -> Dict[str, str]:
        """Every database of the cluster with its OID."""
        return {row[0]: row[1] for row in self.cluster.ask("select datname, oid from pg_database")}

    def clients(self) -> List[str]:
        """Who is connected to it, in words."""
        return [row[0] for row in self.cluster.ask(CLIENTS.format(name=literal(self.live)))]


def problems(bases: Sequence[Base]) -> Tuple[List[str], List[room.Need]]:
    """Why these cannot be copied, and the room that copies take."""
    found: List[str] = []
    needs: List[room.Need] = []
    for base in bases:
        try:
            there = base.oids()
            if base.live not in there:
                found.append(f"there is no {base}")
                continue
            found += [
                f"{name} is there already: a snapshot is never retaken"
                for name in (base.copy, base.failed)
                if name in there
            ]
            found += problems_of(base.cluster, base.live)
            directory, size = _place(base)
            needs.append(room.Need(directory, size, 1))
        except FailedError as error:
            found.append(error.because)
    return found, needs


def _place(base: Base) -> Tuple[Path, int]:
    """Where its cluster keeps its files, and the database's size in bytes."""
    asked = f"select current_setting('data_directory'), pg_database_size({literal(base.live)})"
    ((directory, size),) = base.cluster.ask(asked)
    return base.cluster.system.at(directory), int(size)


def connected(bases: Sequence[Base]) -> List[str]:
    """Who is connected, while nobody may be."""
    return [f"connected to {base}: {client}" for base in bases for client in base.clients()]


def capture(base: Base) -> None:
    """Copy a database under its temporary name, and prove the copy against the live one.

    Raises:
        FailedError: a copy stands already, or is not what is live.
    """
    there = base.oids()
    if base.copy in there:
        raise FailedError(f"{base.copy} is there already: a snapshot is never retaken")
    _drop(base, base.aside)
    ((version,),) = base.cluster.ask("show server_version_num")
    # By files where there is a choice: the other way writes all of it into the log as well.
    by_files = " strategy file_copy" if int(version) >= 150000 else ""
    copied = f"create database {identifier(base.aside)} template {identifier(base.live)}{by_files}"
    base.cluster.change("copy", copied, timeout=None)
    give(base.cluster, base.live, base.aside)
    live, aside = (about(base.cluster, name) for name in (base.live, base.aside))
    different = [name for name in live if live[name] != aside[name]]
    if different:
        raise FailedError(f"the copy of {base} has other {', '.join(different)}")
    if base.cluster.digest(base.live) != base.cluster.digest(base.aside):
        raise FailedError(f"the copy of {base} is not what is live")


def seal(base: Base, paths: ChangeLayout, system: System) -> None:
    """Note which database the proved copy is, and give it its name; nobody is let in."""
    directory, _ = _place(base)
    about_copy = {"oid": base.oids()[base.aside], "directory": str(directory)}
    _note(base, paths, system, about_copy)
    aside = identifier(base.aside)
    base.cluster.change(
        "seal",
        f"begin; alter database {aside} allow_connections false; "
        f"alter database {aside} rename to {identifier(base.copy)}; commit",
    )


def noted(paths: ChangeLayout) -> Dict[str, Dict[str, str]]:
    """What is known of the copies, by the database's name in the manifest."""
    found: Dict[str, Dict[str, str]] = (records.read(paths.databases) or {}).get("databases", {})
    return found


def _note(base: Base, paths: ChangeLayout, system: System, told: Dict[str, str]) -> None:
    known = noted(paths)
    known[base.name] = {**known.get(base.name, {}), **told}
    records.write(system.disk, paths.databases, {"databases": known})


def put_back(base: Base, paths: ChangeLayout, system: System) -> str:
    """Make the database again what it was; says what was done. May be cut and called again.

    Raises:
        FailedError: the proved copy is gone, or somebody cannot be put out.
    """
    base.cluster.start()
    there = base.oids()
    oid = noted(paths).get(base.name, {}).get("oid")
    if oid is None or oid not in (there.get(base.live), there.get(base.copy)):
        raise FailedError(f"{base.copy} is gone: {base} cannot be put back")
    if there.get(base.live) == oid:
        told = f"{base} was put back already"
    else:
        _exchange(base, is_there=base.live in there)
        told = f"{base} is again what it was, the failed state is {base.failed}"
    _note(base, paths, system, {"failed": base.failed})
    return told


def _exchange(base: Base, *, is_there: bool) -> None:
    live, copy = identifier(base.live), identifier(base.copy)
    aside = f"alter database {live} rename to {identifier(base.failed)}; " if is_there else ""
    if is_there:
        base.cluster.change("close", f"alter database {live} allow_connections false")
        _put_out(base)
    base.cluster.change(
        "exchange",
        f"begin; {aside}alter database {copy} allow_connections true; "
        f"alter database {copy} rename to {live}; commit",
    )


def _put_out(base: Base) -> None:
    """End every connection to what failed; nobody new is let in."""
    system = base.cluster.system
    of = f"from pg_stat_activity where datname = {literal(base.live)}"
    deadline = system.monotonic() + ENDING
    while base.cluster.ask(f"select pid, pg_terminate_backend(pid) {of}"):
        if system.monotonic() > deadline:
            raise FailedError(f"still connected to {base}: {'; '.join(base.clients())}")
        system.sleep(0.5)


def drop_half_copy(base: Base) -> str:
    """Remove a copy that was not proved; says what became of it, nothing where there is none."""
    try:
        if base.aside not in base.oids():
            return ""
        _drop(base, base.aside, timeout=60)
    except FailedError as error:
        return f"{base.aside} stays: {error.because}"
    return f"{base.aside} is removed: it was not proved"


def give_room(base: Base, paths: ChangeLayout, system: System, *, needed: int) -> str:
    """Remove what failed where it leaves the cluster no room; says so, or nothing."""
    directory = noted(paths).get(base.name, {}).get("directory")
    if directory is None or system.free(Path(directory)) >= needed:
        return ""
    _drop(base, base.failed)
    return f"{base.failed} is removed: it leaves no room for the old release"


def forget(base: Base) -> None:
    """Remove everything that a change keeps of a database, never the database.

    Raises:
        FailedError: somebody uses it, or the cluster does not answer.
    """
    for name in (base.aside, base.copy, base.failed):
        _drop(base, name)


def _drop(base: Base, name: str, *, timeout: float = 600) -> None:
    base.cluster.change("drop", f"drop database if exists {identifier(name)}", timeout=timeout)
