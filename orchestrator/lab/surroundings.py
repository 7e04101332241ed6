"""Faults of what surrounds a release: storage, disk, link, and other clients of its database.

They begin while a release starts, and end when somebody lifts them, not when a release goes. What
has to hold on by itself (a lock that is taken again, a disk that is filled again) is a unit of its
own. Runs on the host, standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.lab.victim import Host, Settings

LOCK_UNIT = "lab-table-lock.service"
FILL_UNIT = "lab-disk-full.service"
CLIENT_UNIT = "lab-connections.service"
#: Takes the lock again whenever the server has let go of it. A server that did not look for its
#: client while it sleeps would hold the lock long after the client is gone.
LOCK = (
    "while :; do runuser -u postgres -- psql -XqAt -d orthanc -c"
    " 'set client_connection_check_interval = 200; begin;"
    " lock table resources in access exclusive mode; select pg_sleep(100000)';"
    " sleep 0.1; done"
)
IS_LOCKED = (
    "select count(*) from pg_locks where granted and mode = 'AccessExclusiveLock'"
    " and relation = 'resources'::regclass"
)
#: Takes whatever room there is, again and again; blocks are reserved, not written.
FILL = """
import os, sys, time
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
at = os.fstat(file).st_size
while True:
    step = 1 << 30
    while step >= 4096:
        try:
            os.posix_fallocate(file, at, step)
            at += step
        except OSError:
            step //= 2
    time.sleep(0.2)
"""
#: Another client with the archive's own account, that takes every connection it can get (libpq).
CLIENT = """
import ctypes, json, time
pq = ctypes.CDLL("libpq.so.5")
pq.PQconnectdb.restype = ctypes.c_void_p
for name in ("PQstatus", "PQfinish", "PQconsumeInput"):
    getattr(pq, name).argtypes = [ctypes.c_void_p]
index = json.load(open("/etc/orthanc/postgresql.json"))["PostgreSQL"]
how = (f"host={index['Host']} port={index['Port']} dbname={index['Database']}"
       f" user={index['Username']} password={index['Password']}"
       " connect_timeout=2 application_name=lab-statistics").encode()
held = []
while True:
    held = [one for one in held if pq.PQconsumeInput(one) and pq.PQstatus(one) == 0]
    while True:
        one = pq.PQconnectdb(how)
        if pq.PQstatus(one) != 0:
            pq.PQfinish(one)
            break
        held.append(one)
    time.sleep(0.05)
"""
IS_TAKEN = (
    "select count(*) > current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
    " from pg_stat_activity where backend_type = 'client backend'"
)
_FULL = 1 << 20
_PATIENCE_SECONDS = 60.0


def lock_table(host: Host, _: Settings) -> None:
    """Hold the index's main table, for whoever reads it."""
    if _is_on(host, LOCK_UNIT):
        return
    _wait(_answers, "the archive to answer")
    _begin(host, LOCK_UNIT, ["sh", "-c", LOCK])
    _wait(lambda: host.sql(IS_LOCKED).strip() != "0", "the lock to be held")


def unlock_table(host: Host, _: Settings) -> None:
    host.run(["systemctl", "stop", LOCK_UNIT])


def take_connections(host: Host, _: Settings) -> None:
    if _is_on(host, CLIENT_UNIT):
        return
    _begin(host, CLIENT_UNIT, ["python3", "-IBc", CLIENT])
    _wait(lambda: host.sql(IS_TAKEN).strip() == "t", "every connection to be taken")


def give_connections(host: Host, _: Settings) -> None:
    host.run(["systemctl", "stop", CLIENT_UNIT])


def fill_disk(host: Host, _: Settings) -> None:
    if _is_on(host, FILL_UNIT):
        return
    _begin(host, FILL_UNIT, ["python3", "-IBc", FILL, str(host.filler)])
    _wait(lambda: _free(host.data) < _FULL, "the disk to be full")


def empty_disk(host: Host, _: Settings) -> None:
    host.run(["systemctl", "stop", FILL_UNIT])
    host.filler.unlink(missing_ok=True)


def shut_storage(host: Host, _: Settings) -> None:
    """The directory of the images is mounted read-only; the database's is not."""
    _cover(host, host.storage)


def shut_volume(host: Host, _: Settings) -> None:
    """Everything on the data volume is mounted read-only, for whoever opens a file from now on."""
    _cover(host, host.data)


def uncover(host: Host, _: Settings) -> None:
    """Take the read-only mounts off, wherever what they lie on was moved to meanwhile."""
    covers = [where for where, kind in host.mounts() if kind == "ro" and _is_below(where, host)]
    for where in reversed(covers):
        host.run(["umount", "--lazy", where])


def slow_link(host: Host, how: Settings) -> None:
    """tc-tbf(8) on every interface that leads out; what waits longer than a second is dropped."""
    shape = ["tbf", "rate", how["rate"], "burst", "16kb", "latency", "1s"]
    for name in _interfaces(host):
        host.run(["tc", "qdisc", "replace", "dev", name, "root", *shape])


def free_link(host: Host, _: Settings) -> None:
    for name in _interfaces(host):
        if "tbf" in host.run(["tc", "qdisc", "show", "dev", name]):
            host.run(["tc", "qdisc", "del", "dev", name, "root"])


def _begin(host: Host, unit: str, argv: list[str]) -> None:
    host.run(["systemd-run", "--collect", "--quiet", f"--unit={unit}", "--", *argv])


def _is_on(host: Host, unit: str) -> bool:
    state = host.run(["systemctl", "show", "--property=ActiveState", unit])
    return state.strip() == "ActiveState=active"


def _cover(host: Host, path: Path) -> None:
    if (str(path), "ro") not in host.mounts():
        host.run(["mount", "--bind", str(path), str(path)])
        host.run(["mount", "-o", "remount,bind,ro", str(path)])


def _is_below(where: str, host: Host) -> bool:
    return where == str(host.data) or where.startswith(f"{host.data}/")


def _free(path: Path) -> int:
    about = os.statvfs(path)
    return about.f_bavail * about.f_frsize


def _interfaces(host: Host) -> list[str]:
    listed = json.loads(host.run(["ip", "-json", "link", "show", "up"]))
    return [link["ifname"] for link in listed if "LOOPBACK" not in link["flags"]]


def _answers() -> bool:
    """Any answer will do, also that we may not ask."""
    connection = http.client.HTTPConnection("127.0.0.1", 8042, timeout=5)
    try:
        connection.request("GET", "/system")
        return connection.getresponse().status > 0
    except OSError:
        return False
    finally:
        connection.close()


def _wait(claim: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not claim():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {_PATIENCE_SECONDS:.0f} s for {what}")
        time.sleep(0.1)
