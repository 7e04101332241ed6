"""Another product's database in a RIS's PostgreSQL: a laboratory that writes all the while.

A result counts as kept once PostgreSQL has said so: then its number is noted outside the database.
Who looks later knows what must be there, and whether the laboratory was ever turned away.
"""

from __future__ import annotations

from orchestrator.lab.guest import Run, put

DATABASE = "laboratory"
_HOME = "/var/lib/laboratory"
_KEPT, _REFUSED = f"{_HOME}/kept", f"{_HOME}/refused"
_PROGRAM = "/usr/local/sbin/laboratory"
_UNIT = "/etc/systemd/system/laboratory.service"
_WRITE = """#!/bin/bash
insert='insert into result default values returning number'
# Each result by a connection of its own, as a device's driver does.
while :; do
    if number=$(psql -XqAt -c "$insert"); then
        echo "$number" >>kept
    else
        date >>refused
    fi
    sleep 0.2
done
"""
_SERVICE = f"""[Unit]
Description=A laboratory's results
After=postgresql@15-main.service
Wants=postgresql@15-main.service

[Service]
User=postgres
WorkingDirectory={_HOME}
Environment=PGDATABASE={DATABASE}
ExecStart={_PROGRAM}

[Install]
WantedBy=multi-user.target
"""
_TABLE = "create table result (number bigserial primary key, taken timestamptz default now())"


def provision(run: Run) -> None:
    """Make it, and let it write."""
    run(["runuser", "-u", "postgres", "--", "createdb", DATABASE])
    _ask(run, _TABLE)
    run(["install", "-d", "-opostgres", "-gpostgres", _HOME])
    put(run, _PROGRAM, _WRITE.encode(), mode=0o755)
    put(run, _UNIT, _SERVICE.encode())
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "--now", "laboratory.service"])


def kept(run: Run) -> set[int]:
    """The numbers of all results that were acknowledged."""
    return {int(number) for number in run(["cat", _KEPT]).split()}


def lost(run: Run) -> set[int]:
    """Those of them that the database does not have."""
    known = kept(run)
    return known - {int(number) for number in _ask(run, "select number from result").split()}


def refused(run: Run) -> int:
    """How often it was turned away."""
    return len(run(["sh", "-c", f"cat {_REFUSED} 2>/dev/null || true"]).splitlines())


def _ask(run: Run, statement: str) -> bytes:
    words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-c", statement]
    return run(["runuser", "-u", "postgres", "--", *words])
