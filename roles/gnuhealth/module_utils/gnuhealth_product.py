"""What only GNU Health itself can tell: its configuration, its database, the release that answers.

Used by the role's modules and, laid beside them, by the host scripts: standard library only, Python
3.9. ``names`` is what ``vars/main.yml`` gives. Neither Tryton nor the database says which release
of GNU Health it is (5.0.0 and 5.0.6 answer alike), so it is read from where the running process
lies, and a migration leaves its own record beside the attachments, where a restore puts it back.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path

try:
    from ansible.module_utils.gnuhealth_database import address as address
    from ansible.module_utils.gnuhealth_database import ask_database as ask_database
    from ansible.module_utils.gnuhealth_database import configuration, ours, psql
    from ansible.module_utils.gnuhealth_database import directory_of as directory_of
    from ansible.module_utils.gnuhealth_host import ProblemError, run, unit, write_atomically
except ImportError:  # beside the host scripts
    from gnuhealth_database import address as address
    from gnuhealth_database import ask_database as ask_database
    from gnuhealth_database import configuration, ours, psql
    from gnuhealth_database import directory_of as directory_of
    from gnuhealth_host import ProblemError, run, unit, write_atomically

#: Series of releases → the column of a patient that names the party (4.4 and 5.0 differ in it).
SERIES = {"4.4": "name", "5.0": "party"}
#: Accounts that GNU Health's own installation makes for demonstrations.
DEMO = "demo\\_%"
#: Whoever is not GNU Health itself: another account, or its own from another host.
STRANGERS = """
select distinct coalesce(nullif(application_name, ''), 'no name') || ' as ' || usename
|| ' from ' || coalesce(host(client_addr), 'this host') from pg_stat_activity
where backend_type = 'client backend' and {ours} and pid <> pg_backend_pid()
and (usename <> '{user}' or (client_addr is not null
and not client_addr <<= '127.0.0.0/8' and client_addr <> '::1')) order by 1
"""
DUMPS = "select count(*) from pg_stat_activity where application_name = 'pg_dump' and {ours}"
RECORD = "wardship-database.json"


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


def missing_modules(names):
    """Modules without which a census has nothing to read, and are not activated."""
    asked = "select name from ir_module where state = 'activated'"
    activated = set(psql(names, asked).split())
    for name in sorted({"health", "health_imaging"} - activated):
        yield f"the module {name} is not activated: its records could not be compared"


def programs_below(root):
    """Processes that were started from a release: number, and the words that begin them."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        if any(os.path.normpath(word).startswith(f"{root}/") for word in words if word):
            yield int(place.parent.name), " ".join(words[:4])


def is_of_the_unit(names, pid):
    """Whether a process is one of GNU Health's unit's; one that has ended is."""
    main = unit(names["services"][-1]).get("MainPID", "0")
    try:
        own = Path("/proc", main, "cgroup").read_text(encoding="ascii")
        return Path("/proc", str(pid), "cgroup").read_text(encoding="ascii") == own
    except FileNotFoundError:
        return not Path("/proc", str(pid)).exists()


def strangers(names):
    """Clients of the database that are not GNU Health, and are not ended with it."""
    user = (address(names)["PGUSER"] or names["user"]).replace("'", "''")
    for client in psql(names, STRANGERS.format(ours=ours(names), user=user)).splitlines():
        yield f"{client} is connected to the database: it would go on writing while it is changed"


def counts(names):
    """Numbers by name, while it runs."""
    statement = (
        "select (select count(*) from gnuhealth_patient), "
        "(select count(*) from gnuhealth_imaging_test_request)"
    )
    patients, orders = psql(names, statement).strip().split(",")
    return {"patients": int(patients), "orders": int(orders)}


def writes_to(names):
    """Where PostgreSQL and GNU Health write what must not be lost.

    A database that is copied in a cluster of others lies in no volume.
    """
    attachments = [*filter(None, [configuration(names).get("database", {}).get("path")])]
    if names["shared"]:
        return attachments
    statement = (
        "select setting from pg_settings where name = 'data_directory' union all "
        "select pg_tablespace_location(oid) from pg_tablespace where spcname !~ '^pg_'"
    )
    places = psql(names, statement).split()
    return [*places, *(f"{place}/pg_wal" for place in places[:1]), *attachments]


def under_way(names):
    """What is cut off by a stop and has to be begun anew."""
    # As it is started, by an interpreter or not; who only speaks of it is not it.
    programs = [each.split()[:3] for each in run(["ps", "-eo", "args="]).splitlines()]
    found = [
        f"{names['root']}: trytond-admin is running"
        for words in programs
        if any(word.endswith("/trytond-admin") for word in words)
    ]
    dumps = psql(names, DUMPS.format(ours=ours(names)))
    return found[:1] + ["a dump of the database is being taken"] * (int(dumps) > 0)


def received_ago(names):
    """Seconds since the last imaging order came; None where there is none."""
    statement = (
        "select extract(epoch from (now() at time zone 'UTC') - max(create_date)) "
        "from gnuhealth_imaging_test_request"
    )
    found = psql(names, statement).strip()
    return max(0.0, float(found)) if found else None
