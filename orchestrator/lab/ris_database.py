"""The database of the lab's RIS: made once, in minutes; dumped; restored in seconds.

A dump in the cache is known by this file and ``records``: whatever is changed here makes it anew.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.lab.guest import Run, put

DATABASE = "gnuhealth"
CONFIGURATION = "/etc/gnuhealth/trytond.conf"
_DUMP = "/run/lab-ris.dump"
#: Accounts that an installation makes for demonstrations, which no hospital should have.
_NO_DEMO = "update res_user set active = false where login like 'demo%';"


def dump(run: Run, into: Path) -> None:
    """Write the database's dump, in PostgreSQL's own format, to a file here."""
    words = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", DATABASE]
    into.write_bytes(run(["runuser", "-u", "postgres", "--", *words]))


def restore(run: Run, dump: Path) -> None:
    """Fill the empty database from a dump."""
    put(run, _DUMP, dump.read_bytes(), mode=0o600, owner="postgres:postgres")
    words = ["pg_restore", "--exit-on-error", "--no-owner", "--role=gnuhealth", "-d", DATABASE]
    run(["runuser", "-u", "postgres", "--", *words, _DUMP])
    run(["rm", _DUMP])


def initialise(run: Run, *, admin_password: str) -> None:
    """A new database with what the hospital uses; takes minutes."""
    kept = "/etc/gnuhealth/admin"
    put(run, kept, admin_password.encode(), owner="gnuhealth:gnuhealth", mode=0o600)
    # Durable at the end, when the dump is taken or the cluster stops; quicker until then.
    told = [f"TRYTONPASSFILE={kept}", "PGOPTIONS=-c synchronous_commit=off"]
    admin = ["/opt/gnuhealth/current/bin/trytond-admin", "-c", CONFIGURATION, "-d", DATABASE]
    words = ["runuser", "-u", "gnuhealth", "--", "env", *told, *admin]
    run([*words, "--all", "--email", "root@localhost"])
    modules = ["health", "health_imaging", "health_orthanc"]
    run([*words, "-u", *modules, "--activate-dependencies"])
    run(["rm", kept])
    words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-c", _NO_DEMO]
    run(["runuser", "-u", "postgres", "--", *words])
