"""The database of GNU Health on its host: asked as PostgreSQL's own account, started, stopped.

Standard library only, Python 3.9. ``names`` is what ``vars/main.yml`` gives.
"""

from __future__ import annotations

import configparser
import csv
import io
import os
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

try:
    from ansible.module_utils.gnuhealth_host import ProblemError, forget_failure, run, unit, until
except ImportError:  # beside the host scripts
    from gnuhealth_host import ProblemError, forget_failure, run, unit, until

#: Numbers of the verifier's own patient and order, for ``like``: they are nobody's.
OWN = "WARDSHIP-%"
CONNECTED = """
select distinct coalesce(nullif(application_name, ''), 'no name') || ' as ' || usename
|| ' from ' || coalesce(host(client_addr), 'this host') from pg_stat_activity
where backend_type = 'client backend' and {ours} and pid <> pg_backend_pid() order by 1
"""


def configuration(names):
    """``trytond.conf``, section by section."""
    parser = configparser.RawConfigParser(interpolation=None)
    path = Path(names["configuration"])
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, configparser.Error) as error:
        raise ProblemError(f"{path} cannot be read: {type(error).__name__}") from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def address(names):
    """Where the database is, by the configuration's URI (libpq's words); on this host only."""
    found = urlsplit(configuration(names).get("database", {}).get("uri", ""))
    host = found.hostname or ""
    if found.scheme != "postgresql":
        raise ProblemError(f"{names['configuration']} names no database in PostgreSQL")
    if host not in ("", "127.0.0.1", "localhost", "::1"):
        raise ProblemError(f"the database is on {host}, a snapshot here would not hold it")
    return {
        "PGHOST": host,
        "PGPORT": str(found.port or 5432),
        "PGUSER": unquote(found.username or ""),
        "PGPASSWORD": unquote(found.password or ""),
    }


def psql(names, statement, database=None, timeout=660):
    """What PostgreSQL answers its own account, as lines of CSV without a header."""
    # A lock that is held must end this with a reason, not hold up the clinic.
    limits = {**os.environ, "PGOPTIONS": "-c lock_timeout=20s -c statement_timeout=600s"}
    # Terse: what else it says of an error may quote a record.
    words = ["psql", "-XqAt", "--csv", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
    words += ["-p", address(names)["PGPORT"], "-d", database or names["database"], "-c", statement]
    asked = ["runuser", "-u", "postgres", "--", *words]
    return run(asked, timeout=timeout, cwd="/", env=limits)


def start_database(names):
    """Start PostgreSQL, and wait until it answers its own account.

    Raises:
        ProblemError: it did not within the time that a start may take.
    """
    service = names["services"][0]
    forget_failure(service)
    run(["systemctl", "start", service], timeout=names["start_seconds"])
    if unit(service).get("ActiveState") != "active":
        # One that is held is passed over without an error.
        raise ProblemError(f"{service} did not start: it is {unit(service).get('ActiveState')}")
    _until_it_answers(names)


@contextmanager
def database_alone(names):
    """PostgreSQL without its unit, which is held until the release starts; stopped at the end.

    One that serves others runs, and goes on.

    Raises:
        ProblemError: it did not start, or did not stop.
    """
    if names["shared"]:
        start_database(names)
        yield
        return
    version, name = cluster(names)
    control = ["pg_ctlcluster", "--skip-systemctl-redirect"]
    run([*control, version, name, "start"], timeout=names["start_seconds"])
    try:
        _until_it_answers(names)
        yield
    except BaseException as first:
        try:
            _stop_alone(control, version, name)
        except ProblemError as second:
            raise ProblemError(f"{first}; then: {second}") from first
        raise
    else:
        _stop_alone(control, version, name)


def _stop_alone(control, version, name):
    run([*control, "--mode", "fast", version, name, "stop"], timeout=600)


def cluster(names):
    """Version and name of PostgreSQL's cluster."""
    version, _, name = names["services"][0][len("postgresql@") : -len(".service")].partition("-")
    return version, name


def _until_it_answers(names):
    last = []

    def answers():
        try:
            return psql(names, "select 1", database="postgres", timeout=30)
        except ProblemError as problem:
            last[:] = [problem]
            return None

    if not until(answers, names["start_seconds"]):
        raise ProblemError(f"PostgreSQL did not answer: {last[0]}")


def ask_database(names):
    """Log in at the database as GNU Health will: it answers and fails only later if it cannot."""
    given = {name: value for name, value in address(names).items() if value}
    environment = {**os.environ, **given, "PGCONNECT_TIMEOUT": "20"}
    account = ["runuser", "-u", names["user"], "--"] if "PGHOST" not in given else []
    try:
        asked = [*account, "psql", "-XAtwqc", "select 1", "-d", names["database"]]
        run(asked, timeout=30, env=environment, cwd="/")
    except ProblemError as problem:
        raise ProblemError(f"the database does not let GNU Health in: {problem}") from problem


def connected(names):
    """Who else is connected to the database, in words, while GNU Health is stopped."""
    return psql(names, CONNECTED.format(ours=ours(names))).splitlines()


def ours(names):
    """A condition on ``pg_stat_activity``: whose sessions speak against a change."""
    # In a cluster that is stopped everybody's do, whatever database they are in.
    return "datname = current_database()" if names["shared"] else "true"


def directory_of(names):
    """Where the cluster of the unit keeps its files, by its own configuration."""
    version, name = cluster(names)
    return run(["pg_conftool", "-s", version, name, "show", "data_directory"]).strip()


def written(names):
    """Table → number of rows and when one was last written, of all that people write to.

    Log-ins and what the server keeps for itself are left out, and the verifier's own rows.
    """
    listed = (
        "select table_name, string_agg(column_name, ' ') from information_schema.columns "
        "where table_schema = 'public' and table_name !~ '^(ir|res_user)_' "
        "and column_name in ('write_date', 'party') group by 1 order by 1"
    )
    columns = {row[0]: row[1].split() for row in csv.reader(io.StringIO(psql(names, listed)))}
    ours = f"(select id from party_party where ref like '{OWN}')"  # noqa: S608 - our own pattern
    others = {name: f"party not in {ours}" for name, has in columns.items() if "party" in has}
    others.setdefault("gnuhealth_patient", f"name not in {ours}")
    others["party_party"] = f"coalesce(ref, '') not like '{OWN}'"
    others["gnuhealth_imaging_test_request"] = f"coalesce(request, '') not like '{OWN}'"
    asked = " union all ".join(
        f"select '{table}', count(*), max(greatest(create_date, write_date)) "  # noqa: S608 - names of its own tables
        f'from "{table}" where ({others.get(table, "true")}) is not false'
        for table, has in columns.items()
        if "write_date" in has
    )
    return {row[0]: row[1:] for row in csv.reader(io.StringIO(psql(names, asked)))}
