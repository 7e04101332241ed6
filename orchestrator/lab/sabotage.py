"""Every fault: how it begins, how it ends. Runs on the host, standard library only."""

from __future__ import annotations

import http.client
import json
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.lab.victim import Host, Settings

LOCK_UNIT = "lab-table-lock.service"
#: Keeps the lock for as long as the client lives: the server lets go as soon as it does not.
LOCK = (
    "(echo 'begin; lock table resources in access exclusive mode;'; exec sleep 100000)"
    " | runuser -u postgres -- psql -XqAt -d orthanc"
)
IS_LOCKED = (
    "select count(*) from pg_locks where granted and mode = 'AccessExclusiveLock'"
    " and relation = 'resources'::regclass"
)
SCHEMA = "update globalproperties set value = '{}' where property = 1 and value = '{}'"
_PATIENCE_SECONDS = 60.0


def spoil_json(host: Host, _: Settings) -> None:
    """A comma too few."""
    path = host.settings / "orthanc.json"
    host.write(path, path.read_bytes().replace(b'"DicomAet":', b'"DicomAet"', 1))


def unlist(plugin: str) -> Callable[[Host, Settings], None]:
    """A plugin that is not loaded any more."""

    def act(host: Host, _: Settings) -> None:
        def change(settings: Settings) -> None:
            settings["Plugins"] = [name for name in settings["Plugins"] if plugin not in name]

        host.edit("Plugins", change)

    return act


def misname(host: Host, _: Settings) -> None:
    """A plugin that is listed and not there."""

    def change(settings: Settings) -> None:
        settings["Plugins"] = [
            name.replace("DicomWeb", "DicomWebNext") for name in settings["Plugins"]
        ]

    host.edit("Plugins", change)


def wrong_password(host: Host, _: Settings) -> None:
    host.edit("PostgreSQL", lambda settings: settings["PostgreSQL"].update(Password="expired"))  # noqa: S106


def wrong_ae(host: Host, _: Settings) -> None:
    host.edit("DicomAet", lambda settings: settings.update(DicomAet="NEWNAME"))


def without_tls(host: Host, _: Settings) -> None:
    """DICOM in the clear, on the port where modalities speak TLS."""
    host.edit("DicomTlsEnabled", lambda settings: settings.update(DicomTlsEnabled=False))


def show_other(name: str) -> Callable[[Host, Settings], None]:
    """Another certificate in the place of the hospital's own, with its key."""

    def act(host: Host, _: Settings) -> None:
        for ours, other in (("certificate.pem", f"{name}.pem"), ("key.pem", f"{name}.key")):
            host.write(host.settings / "tls" / ours, (host.certificates / other).read_bytes())

    return act


def raise_schema(host: Host, _: Settings) -> None:
    """The one-way migration: the index says that it belongs to a later release."""
    host.sql(SCHEMA.format(7, 6))


def lower_schema(host: Host, _: Settings) -> None:
    host.sql(SCHEMA.format(6, 7))


def lock_table(host: Host, how: Settings) -> None:
    """Hold the index's main table. Around a start the lock lives in the service's own group."""
    if how["now"]:
        host.run(["systemd-run", "--collect", f"--unit={LOCK_UNIT}", "sh", "-c", LOCK])
    else:
        _wait(_answers, "the archive to answer")
        subprocess.Popen(
            ["sh", "-c", LOCK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    _wait(lambda: host.sql(IS_LOCKED).strip() != "0", "the lock to be held")


def unlock_table(host: Host, _: Settings) -> None:
    host.run(["systemctl", "stop", LOCK_UNIT])


def shut_storage(host: Host, _: Settings) -> None:
    """No new file, no removal: every directory of the archive loses its write permission."""
    for path in (host.storage, *host.storage.rglob("*")):
        if path.is_dir():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def open_storage(host: Host, _: Settings) -> None:
    for path in (host.storage, *host.storage.rglob("*")):
        if path.is_dir():
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)


def slow_link(host: Host, how: Settings) -> None:
    """tc-tbf(8) on every interface that leads out; what waits longer than a second is dropped."""
    shape = ["tbf", "rate", how["rate"], "burst", "16kb", "latency", "1s"]
    for name in _interfaces(host):
        host.run(["tc", "qdisc", "replace", "dev", name, "root", *shape])


def free_link(host: Host, _: Settings) -> None:
    for name in _interfaces(host):
        if "tbf" in host.run(["tc", "qdisc", "show", "dev", name]):
            host.run(["tc", "qdisc", "del", "dev", name, "root"])


def delete_file(host: Host, how: Settings) -> None:
    """The second largest stored object; once, however often the release starts."""
    if not how["done"]:
        host.remove(host.stored()[1])


def flip_byte(host: Host, how: Settings) -> None:
    """One byte near the end of the largest stored object, where its pixels are."""
    if not how["done"]:
        path = host.stored()[0]
        content = bytearray(path.read_bytes())
        content[-64] ^= 0xFF
        host.write(path, bytes(content))


def hide_release(host: Host, how: Settings) -> None:
    """The program of the release to go back to is gone, and no snapshot holds it."""
    program = host.releases / str(how["old"]) / "bin/Orthanc"
    if program.exists():
        program.rename(program.with_name("Orthanc.gone"))


def show_release(host: Host, _: Settings) -> None:
    for path in host.releases.glob("*/bin/Orthanc.gone"):
        path.rename(path.with_name("Orthanc"))


def _settings_back(host: Host, _: Settings) -> None:
    host.put_back(host.settings)


def _files_back(host: Host, _: Settings) -> None:
    host.put_back(host.storage)


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


Act = Callable[[Host, Settings], None]


@dataclass(frozen=True)
class Fault:
    """How a fault begins and ends.

    ``before`` a start or ``after`` it; ``ease`` when another release starts, for what does not
    outlive a release's run; ``lift`` when the experiment is over; ``restart``: only a start
    notices it.
    """

    lift: Act
    before: Act | None = None
    after: Act | None = None
    ease: Act | None = None
    restart: bool = False


#: In the order in which they happen; a file that cannot be read any more comes last.
FAULTS: dict[str, Fault] = {
    "plugin-file-missing": Fault(before=misname, lift=_settings_back, restart=True),
    "no-postgresql-plugin": Fault(
        before=unlist("libOrthancPostgreSQLIndex"), lift=_settings_back, restart=True
    ),
    "no-dicomweb": Fault(before=unlist("libOrthancDicomWeb"), lift=_settings_back, restart=True),
    "wrong-ae": Fault(before=wrong_ae, lift=_settings_back, restart=True),
    "tls-off": Fault(before=without_tls, lift=_settings_back, restart=True),
    "tls-expired": Fault(before=show_other("expired"), lift=_settings_back, restart=True),
    "tls-other-name": Fault(before=show_other("stranger"), lift=_settings_back, restart=True),
    "db-password": Fault(before=wrong_password, lift=_settings_back, restart=True),
    "schema-7": Fault(before=raise_schema, lift=lower_schema, restart=True),
    "table-lock": Fault(after=lock_table, ease=unlock_table, lift=unlock_table),
    "storage-read-only": Fault(before=shut_storage, lift=open_storage),
    "slow-link": Fault(before=slow_link, ease=free_link, lift=free_link),
    "file-deleted": Fault(before=delete_file, lift=_files_back),
    "byte-flipped": Fault(before=flip_byte, lift=_files_back),
    "restore-fails": Fault(before=hide_release, lift=show_release),
    "bad-json": Fault(before=spoil_json, lift=_settings_back, restart=True),
}
