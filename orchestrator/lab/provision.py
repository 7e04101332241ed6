"""A hospital's PACS host as wardship finds it: installed years ago, by others, in their own way.

Written apart from the product's role on purpose. Where both agree, two people read the same
description; where they differ, the survey must say so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from orchestrator.lab.artifacts import Bundle
from orchestrator.lab.authority import Identity, Secured
from orchestrator.lab.guest import Rest, Run, put, wait_until

LIVE = "/data/live"
RELEASES = "/opt/orthanc"
SETTINGS = "/etc/orthanc"
TLS = f"{SETTINGS}/tls"
#: What a bad release may come to show in the place of the hospital's own certificate.
OTHERS = "/usr/local/share/lab-certificates"
LOGS = "/var/log/orthanc"
UNIT = "/etc/systemd/system/orthanc.service"
PLUGINS = ("libOrthancPostgreSQLIndex.so", "libOrthancDicomWeb.so")
WEB_USER = "wardship"
_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Remote:
    """An AE that the archive knows, with the name that its configuration has for it."""

    ae_title: str
    address: str
    port: int
    tls: bool = False


#: The verifier's own AE, reached through the host's loopback.
VERIFIER = Remote("WARDSHIP", "127.0.0.1", 11112)


@dataclass(frozen=True)
class Hospital:
    """What makes one hospital's archive differ from another's; ``secured``: it speaks DICOM TLS.

    Passwords may hold letters and digits only; they are never an argument of a command.
    """

    title: str
    ae_title: str
    web_password: str = field(repr=False)
    database_password: str = field(repr=False)
    modalities: tuple[Remote, ...] = ()
    secured: Secured | None = field(default=None, repr=False)
    #: Where its state lies. ``images``: a disk that only they are on, where there is one.
    live: str = LIVE
    images: str | None = None

    @property
    def cluster(self) -> str:
        """PostgreSQL's data."""
        return f"{self.live}/postgresql"

    @property
    def storage(self) -> str:
        """The stored objects."""
        return f"{self.images or self.live}/orthanc"

    def __post_init__(self) -> None:
        for password in (self.web_password, self.database_password):
            if not (password.isascii() and password.isalnum()):
                raise ValueError("a lab password has letters and digits only")


def provision(run: Run, hospital: Hospital, release: Bundle) -> Rest:
    """Make a host this hospital's PACS, running ``release``; its web service.

    Begins from nothing: what an earlier attempt left, with all that was stored, is removed.

    Raises:
        LabError: a step failed, or the archive did not answer within a minute.
    """
    run(["sh", "-c", _CLEAR.format(live=hospital.live, storage=hospital.storage)])
    _make_storage(run, hospital)
    _make_database(run, hospital)
    install(run, release)
    run(["ln", "-sfn", release.version, f"{RELEASES}/current"])
    for name, settings in configuration(hospital).items():
        text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        put(run, f"{SETTINGS}/{name}", text.encode(), mode=0o640, owner="root:orthanc")
    if hospital.secured:
        _lay_certificates(run, hospital.secured)
    put(run, UNIT, SERVICE.encode())
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "--now", "orthanc.service"])
    rest = web(run, hospital)
    wait_until(
        lambda: bool(rest.get("/system")),
        what=f"{hospital.title}: {release.version} answers",
        seconds=_READY_SECONDS,
    )
    return rest


def _lay_certificates(run: Run, secured: Secured) -> None:
    """The archive's own, and others that are not its own."""
    run(["install", "-d", "-m0750", "-oroot", "-gorthanc", TLS])
    run(["install", "-d", "-m0700", OTHERS])
    put(run, f"{TLS}/trusted.pem", secured.ca.encode())
    put(run, f"{TLS}/certificate.pem", secured.archive.certificate.encode())
    put(run, f"{TLS}/key.pem", secured.archive.key.encode(), mode=0o640, owner="root:orthanc")
    for name in ("stranger", "expired"):
        identity: Identity = getattr(secured, name)
        put(run, f"{OTHERS}/{name}.pem", identity.certificate.encode())
        put(run, f"{OTHERS}/{name}.key", identity.key.encode(), mode=0o600)


def install(run: Run, release: Bundle) -> None:
    """Lay a release beside the others, switching nothing."""
    directory = f"{RELEASES}/{release.version}"
    run(["install", "-d", "-m0755", RELEASES, directory])
    run(["tar", "-xz", "--no-same-owner", "-C", directory], input=release.path.read_bytes())


def web(run: Run, hospital: Hospital) -> Rest:
    """The hospital's web service, asked from its own host."""
    return Rest(run, user=WEB_USER, password=hospital.web_password)


def configuration(hospital: Hospital) -> dict[str, dict[str, object]]:
    """Orthanc's configuration files by name. Two of the three hold a secret."""
    remotes = (VERIFIER, *hospital.modalities)
    return {
        "orthanc.json": {
            "Name": hospital.title,
            "StorageDirectory": hospital.storage,
            "IndexDirectory": hospital.storage,
            "Plugins": [f"{RELEASES}/current/plugins/{name}" for name in PLUGINS],
            "HttpPort": 8042,
            "RemoteAccessAllowed": True,
            "AuthenticationEnabled": True,
            "DicomAet": hospital.ae_title,
            "DicomPort": 4242,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {remote.ae_title: _entry(remote) for remote in remotes},
            "SynchronousCMove": True,
            "OverwriteInstances": False,
            "StoreMD5ForAttachments": True,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **(_TLS if hospital.secured else {}),
        },
        "credentials.json": {"RegisteredUsers": {WEB_USER: hospital.web_password}},
        "postgresql.json": {
            "PostgreSQL": {
                "EnableIndex": True,
                "EnableStorage": False,
                "Host": "127.0.0.1",
                "Port": 5432,
                "Database": "orthanc",
                "Username": "orthanc",
                "Password": hospital.database_password,
                "EnableSsl": False,
                "Lock": True,
            }
        },
    }


def _entry(remote: Remote) -> list[str | int] | dict[str, str | int | bool]:
    if not remote.tls:
        return [remote.ae_title, remote.address, remote.port]
    where: dict[str, str | int | bool] = {
        "AET": remote.ae_title,
        "Host": remote.address,
        "Port": remote.port,
    }
    return {**where, "UseDicomTls": True}


_TLS: dict[str, object] = {
    "DicomTlsEnabled": True,
    "DicomTlsCertificate": f"{TLS}/certificate.pem",
    "DicomTlsPrivateKey": f"{TLS}/key.pem",
    "DicomTlsTrustedCertificates": f"{TLS}/trusted.pem",
    "DicomTlsRemoteCertificateRequired": True,
}


#: A service that failed stays failed: nothing hides a release that does not start.
SERVICE = f"""[Unit]
Description=Orthanc PACS
After=network.target postgresql@15-main.service
Wants=postgresql@15-main.service

[Service]
User=orthanc
Group=orthanc
ExecStart={RELEASES}/current/bin/orthanc --logdir={LOGS} {SETTINGS}
TimeoutStopSec=60
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""


_CLEAR = f"""
systemctl disable --now orthanc.service 2>/dev/null
[ ! -e /etc/postgresql/15/main ] || pg_dropcluster --stop 15 main || exit 1
[ ! -e {{live}} ] || btrfs subvolume delete {{live}} 2>/dev/null || rm -rf {{live}} || exit 1
rm -rf {{storage}} {RELEASES} {SETTINGS} {LOGS} {UNIT}
! getent passwd orthanc || userdel orthanc
"""


def _make_storage(run: Run, hospital: Hospital) -> None:
    """A place for all that a snapshot has to hold, and the user who owns the images."""
    made = ["btrfs", "subvolume", "create"] if hospital.live == LIVE else ["mkdir", "-p"]
    run([*made, hospital.live])
    account = ["useradd", "--system", "--user-group", "--no-create-home"]
    run([*account, "--home-dir", hospital.storage, "--shell", "/usr/sbin/nologin", "orthanc"])
    run(["install", "-d", "-m0750", "-oorthanc", "-gorthanc", hospital.storage, LOGS])
    run(["install", "-d", "-m0750", "-oroot", "-gorthanc", SETTINGS])


def _make_database(run: Run, hospital: Hospital) -> None:
    """PostgreSQL's cluster beside or with the images, and the archive's database in it."""
    made = ["pg_createcluster", "--datadir", hospital.cluster, "--locale", "C.UTF-8", "15", "main"]
    run([*made, "--", "--data-checksums"])
    # The lab's hosts are many and small; everything that durability rests on stays as it is.
    put(run, "/etc/postgresql/15/main/conf.d/size.conf", b"shared_buffers = 32MB\n")
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "postgresql.service"])
    run(["systemctl", "start", "postgresql@15-main.service"])
    sql = (
        f"CREATE ROLE orthanc LOGIN PASSWORD '{hospital.database_password}';\n"
        "CREATE DATABASE orthanc OWNER orthanc;\n"
    )
    psql = ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]
    run(["runuser", "-u", "postgres", "--", *psql], input=sql.encode())
