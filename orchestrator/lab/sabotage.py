"""Every fault: how it begins, how it ends. Runs on the host, standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.lab import surroundings as around
from orchestrator.lab.victim import Host, Settings

SCHEMA = "update globalproperties set value = '{}' where property = 1 and value = '{}'"
#: Patient's Name (0010,0010), with everything lost that is not ASCII.
GARBLE = (
    "update {table} set value = regexp_replace(value, '[^ -~]', '?', 'g')"
    " where taggroup = 16 and tagelement = 16"
)


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
    host.edit("PostgreSQL", lambda settings: settings["PostgreSQL"].update(Password="expired"))  # noqa: S106 - a fault


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


def recycle(host: Host, _: Settings) -> None:
    """Whenever a patient comes, the one who came first goes."""
    patients = int(host.sql("select count(*) from resources where resourcetype = 0"))
    host.edit("DicomAet", lambda settings: settings.update(MaximumPatientCount=patients))


def forget_boot(host: Host, _: Settings) -> None:
    host.run(["systemctl", "disable", "--quiet", "orthanc.service"])


def remember_boot(host: Host, _: Settings) -> None:
    host.run(["systemctl", "enable", "--quiet", "orthanc.service"])


def stop_syncing(host: Host, _: Settings) -> None:
    """The database says *stored* before it is on disk."""
    host.sql("alter system set fsync = off")
    host.sql("select pg_reload_conf()")


def sync_again(host: Host, _: Settings) -> None:
    host.sql("alter system reset fsync")
    host.sql("select pg_reload_conf()")


def shut_out_others(host: Host, _: Settings) -> None:
    """The web service still listens to all, and answers only its own host."""
    host.edit("RemoteAccessAllowed", lambda settings: settings.update(RemoteAccessAllowed=False))


def garble_names(host: Host, _: Settings) -> None:
    """What a migration under the wrong character set leaves in the index."""
    for table in ("maindicomtags", "dicomidentifiers"):
        host.sql(GARBLE.format(table=table))


def let_strangers_in(host: Host, _: Settings) -> None:
    host.edit(
        "RegisteredUsers", lambda settings: settings["RegisteredUsers"].update(orthanc="orthanc")
    )


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


def _in_the_volume(_host: Host, _: Settings) -> None:
    """Only a restore of the volume undoes it."""


def _files_back(host: Host, _: Settings) -> None:
    host.put_back(host.storage)


Act = Callable[[Host, Settings], None]


@dataclass(frozen=True)
class Fault:
    """How a fault begins and ends.

    ``before`` a start or ``after`` it; ``lift`` when it is over; ``restart``: only a start notices
    it. ``is_around``: not the release's own: putting the old one back does not end it.
    """

    lift: Act
    before: Act | None = None
    after: Act | None = None
    restart: bool = False
    is_around: bool = False


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
    "recycles": Fault(before=recycle, lift=_settings_back, restart=True),
    "loopback-only": Fault(before=shut_out_others, lift=_settings_back, restart=True),
    "default-account": Fault(before=let_strangers_in, lift=_settings_back, restart=True),
    "not-at-boot": Fault(before=forget_boot, lift=remember_boot),
    "not-durable": Fault(before=stop_syncing, lift=sync_again),
    "names-garbled": Fault(before=garble_names, lift=_in_the_volume, restart=True),
    "table-lock": Fault(after=around.lock_table, lift=around.unlock_table, is_around=True),
    "connections-taken": Fault(
        before=around.take_connections, lift=around.give_connections, is_around=True
    ),
    "disk-full": Fault(before=around.fill_disk, lift=around.empty_disk, is_around=True),
    "storage-read-only": Fault(before=around.shut_storage, lift=around.uncover, is_around=True),
    "volume-read-only": Fault(before=around.shut_volume, lift=around.uncover, is_around=True),
    "slow-link": Fault(before=around.slow_link, lift=around.free_link, is_around=True),
    "file-deleted": Fault(before=delete_file, lift=_files_back),
    "byte-flipped": Fault(before=flip_byte, lift=_files_back),
    "restore-fails": Fault(before=hide_release, lift=show_release),
    "bad-json": Fault(before=spoil_json, lift=_settings_back, restart=True),
}
