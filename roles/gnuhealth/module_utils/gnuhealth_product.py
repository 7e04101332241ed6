"""What only GNU Health itself can tell: its configuration, its database, the release that answers.

Used by the role's modules and, laid beside them, by the host scripts: standard library only, Python
3.9. ``names`` is what ``vars/main.yml`` gives. Neither Tryton nor the database says which release
of GNU Health it is (5.0.0 and 5.0.6 answer alike), so it is read from where the running process
lies, and a migration leaves its own record beside the attachments, where a restore puts it back.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

try:
    from ansible.module_utils.gnuhealth_host import (
        ProblemError,
        forget_failure,
        run,
        unit,
        until,
        write_atomically,
    )
except ImportError:  # beside the host scripts
    from gnuhealth_host import (
        ProblemError,
        forget_failure,
        run,
        unit,
        until,
        write_atomically,
    )

#: Series of releases → the column of a patient that names the party (4.4 and 5.0 differ in it).
SERIES = {"4.4": "name", "5.0": "party"}
#: Accounts that GNU Health's own installation makes for demonstrations.
DEMO = "demo\\_%"
RECORD = "wardship-database.json"


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
    limits = "PGOPTIONS=-c lock_timeout=20s -c statement_timeout=600s"
    words = ["psql", "-XqAt", "--csv", "-v", "ON_ERROR_STOP=1", "-p", address(names)["PGPORT"]]
    asked = [*words, "-d", database or names["database"], "-c", statement]
    return run(["runuser", "-u", "postgres", "--", "env", limits, *asked], timeout=timeout, cwd="/")


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

    Raises:
        ProblemError: it did not start, or did not stop.
    """
    version, name = cluster(names)
    control = ["pg_ctlcluster", "--skip-systemctl-redirect"]
    run([*control, version, name, "start"], timeout=names["start_seconds"])
    try:
        _until_it_answers(names)
        yield
    finally:
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


def version(names):
    """The version that the server answers, which is Tryton's.

    Raises:
        ProblemError: no answer.
    """
    body = json.dumps({"id": 1, "method": "common.server.version", "params": []}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{names['port']}/",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    # A proxy of the environment must not see the hospital's traffic.
    opened = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    try:
        with opened(request, timeout=10) as answer:
            found = json.load(answer)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ProblemError(
            f"the server on port {names['port']} was not answered: {reason}"
        ) from error
    return str(found.get("result") if isinstance(found, dict) else found)


def running(names):
    """The release that answers now: where its process lies, if that is what answers."""
    answered = version(names)
    pid = unit(names["services"][-1]).get("MainPID", "0")
    try:
        words = Path("/proc", pid, "cmdline").read_text(encoding="utf-8").split("\0")
    except OSError as error:
        raise ProblemError(f"{names['services'][-1]} has no process") from error
    below = re.compile(re.escape(names["root"]) + r"/([^/]+)/site/")
    found = [match[1] for word in words if (match := below.match(os.path.normpath(word)))]
    if not found:
        raise ProblemError(f"{names['services'][-1]} does not run from {names['root']}")
    brought = Path(names["root"], found[0], "site", f"trytond-{answered}.dist-info")
    if not brought.is_dir():
        raise ProblemError(f"Tryton {answered} answers, which release {found[0]} does not bring")
    return found[0]


def series(names):
    """The series of releases that the database's schema is of.

    Raises:
        ProblemError: none that is known; or there is no GNU Health in it at all.
    """
    statement = (
        "select column_name from information_schema.columns "
        "where table_schema = 'public' and table_name = 'gnuhealth_patient'"
    )
    columns = set(psql(names, statement).split())
    if not columns:
        raise ProblemError(f"the database {names['database']} holds no GNU Health")
    found = [name for name, column in SERIES.items() if column in columns]
    if len(found) != 1:
        told = "half of each" if found else "none that is known"
        raise ProblemError(f"the database's schema is of no one series of releases, but {told}")
    return found[0]


def series_of(release):
    """The series that a release belongs to."""
    return ".".join(release.split(".")[:2])


def recorded(names):
    """What the last migration left: ``release`` and ``state``; empty where none was ours."""
    try:
        found = json.loads(_record(names).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {"release": str(found["release"]), "state": str(found["state"])}


def record(names, release, state):
    """Say which release the database is of, or is on its way to."""
    write_atomically(_record(names), json.dumps({"release": release, "state": state}))


def _record(names):
    return Path(names["volumes"]["live"], RECORD)


def require_database(names, release):
    """The database is of this release: other code starts on it, lets people in, and even writes.

    Raises:
        ProblemError: it is of another, or a migration of it was cut off.
    """
    last, found = recorded(names), series(names)
    if last.get("state") == "migrating":
        raise ProblemError(f"a migration of the database to {last['release']} was cut off")
    if found != series_of(release):
        raise ProblemError(
            f"the database is of GNU Health {found}, {release} cannot read all of it"
        )
    if last.get("release", release) != release:
        raise ProblemError(f"the database was migrated to {last['release']}, {release} is started")


def counts(names):
    """Numbers by name, while it runs."""
    statement = (
        "select (select count(*) from gnuhealth_patient), "
        "(select count(*) from gnuhealth_imaging_test_request)"
    )
    patients, orders = psql(names, statement).strip().split(",")
    return {"patients": int(patients), "orders": int(orders)}


def writes_to(names):
    """Where PostgreSQL and GNU Health write what must not be lost."""
    statement = (
        "select setting from pg_settings where name = 'data_directory' union all "
        "select pg_tablespace_location(oid) from pg_tablespace where spcname !~ '^pg_'"
    )
    places = psql(names, statement).split()
    attachments = configuration(names).get("database", {}).get("path")
    return [*places, *(f"{place}/pg_wal" for place in places[:1]), *filter(None, [attachments])]


def under_way(names):
    """What is cut off by a stop and has to be begun anew."""
    programs = run(["ps", "-eo", "args="]).splitlines()
    found = [
        f"{names['root']}: trytond-admin is running" for each in programs if "trytond-admin" in each
    ]
    dumps = psql(names, "select count(*) from pg_stat_activity where application_name = 'pg_dump'")
    return found[:1] + ["a dump of the database is being taken"] * (int(dumps) > 0)


def received_ago(names):
    """Seconds since the last imaging order came; None where there is none."""
    statement = (
        "select extract(epoch from (now() at time zone 'UTC') - max(create_date)) "
        "from gnuhealth_imaging_test_request"
    )
    found = psql(names, statement).strip()
    return max(0.0, float(found)) if found else None
