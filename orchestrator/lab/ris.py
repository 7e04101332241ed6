"""A hospital's RIS host as wardship finds it: GNU Health on PostgreSQL, installed by others.

Written apart from the product's role on purpose, as ``provision`` is. Its database was made once
(``records``) and is restored from a dump; every account's password is the lab's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.lab import ris_database
from orchestrator.lab.artifacts import Bundle
from orchestrator.lab.guest import Run, put, wait_until
from orchestrator.lab.ris_database import CONFIGURATION, DATABASE

#: All of its state; where its PostgreSQL serves others too, the attachments alone.
LIVE, SHARED_LIVE = "/data/live", "/srv/ris"
RELEASES = "/opt/gnuhealth"
SETTINGS = "/etc/gnuhealth"
UNIT = "/etc/systemd/system/gnuhealth.service"
PORT = 8000
#: The verifier's account: it reads patients and orders, and writes nothing.
VERIFIER = "wardship"
#: The bridge's account, as docs/bridge.md asks for it; what its worklist is called, and for whom.
BRIDGE = "bridge"
HL7_PORT, WORKLIST_PORT, WORKLIST = 2575, 1105, "WORKLIST"
STATIONS = {
    "CT1": {"modality": "CT", "tests": ["CTHD"]},
    "CR1": {"modality": "CR", "tests": ["CRTHX"]},
}
DOCTOR, AUTHORITY = "LAB-1", "H"
#: What is ordered with 5.0: with the last of them it knows the study numbers that 4.4 gave orders.
MODULES = ("health", "health_imaging", "health_orthanc", "health_imaging_worklist")
_READY_SECONDS = 120.0


@dataclass(frozen=True)
class RisHospital:
    """What makes one hospital's RIS differ from another's.

    Passwords may hold letters and digits only; they are never an argument of a command.
    """

    title: str
    admin_password: str = field(repr=False)
    verifier_password: str = field(repr=False)
    database_password: str = field(repr=False)
    bridge_password: str = field(repr=False)
    #: Its PostgreSQL serves others too.
    shared: bool = False

    @property
    def live(self) -> str:
        """The volume of the product's role."""
        return SHARED_LIVE if self.shared else LIVE

    def __post_init__(self) -> None:
        for password in (
            self.admin_password,
            self.verifier_password,
            self.database_password,
            self.bridge_password,
        ):
            if not (password.isascii() and password.isalnum()):
                raise ValueError("a lab password has letters and digits only")


@dataclass(frozen=True)
class Linked:
    """A PACS that the RIS asks for images, and the RIS's account there."""

    url: str
    user: str
    password: str = field(repr=False)


def link(run: Run, to: Linked) -> None:
    """Have the RIS know a PACS, as people enter it."""
    psql(run, _LINK.format(url=to.url, user=to.user, password=to.password))


def provision(run: Run, hospital: RisHospital, release: Bundle, *, dump: Path | None) -> None:
    """Make a host this hospital's RIS, running ``release``; without a dump its database is empty.

    Begins from nothing: what an earlier attempt left, with all that was stored, is removed.

    Raises:
        LabError: a step failed, or the RIS did not answer within two minutes.
    """
    run(["sh", "-c", _CLEAR])
    _make_storage(run, hospital)
    _make_database(run, hospital)
    install(run, release)
    run(["ln", "-sfn", release.version, f"{RELEASES}/current"])
    text = _CONFIGURATION.format(password=hospital.database_password, live=hospital.live)
    put(run, CONFIGURATION, text.encode(), mode=0o640, owner="root:gnuhealth")
    if dump is None:
        ris_database.initialise(run, admin_password=hospital.admin_password)
    else:
        ris_database.restore(run, dump)
        passwords = {"admin": hospital.admin_password, VERIFIER: hospital.verifier_password}
        set_passwords(run, passwords | {BRIDGE: hospital.bridge_password})
    put(run, UNIT, SERVICE.encode())
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "--now", "gnuhealth.service"])
    wait_until(lambda: answers(run), what=f"{hospital.title}: its RIS", seconds=_READY_SECONDS)


def install(run: Run, release: Bundle) -> None:
    """Lay a release beside the others, switching nothing."""
    directory = f"{RELEASES}/{release.version}"
    run(["install", "-d", "-m0755", RELEASES, directory])
    run(["tar", "-xz", "--no-same-owner", "-C", directory], input=release.path.read_bytes())


def answers(run: Run) -> bool:
    """Whether the server says its version: it is started, which is not to say that it is whole."""
    asked = json.dumps({"id": 1, "method": "common.server.version", "params": []})
    words = ["curl", "--silent", "--fail", "--max-time", "20", "--data-binary", "@-"]
    header = ["--header", "Content-Type: application/json"]
    answer = run([*words, *header, f"http://127.0.0.1:{PORT}/"], input=asked.encode())
    return isinstance(json.loads(answer), dict)


def set_passwords(run: Run, passwords: Mapping[str, str]) -> None:
    """Give accounts their passwords, hashed as every release of Tryton can read it."""
    interpreter = f"{RELEASES}/current/bin/python"
    hashed = run([interpreter, "-c", _HASH], input=json.dumps(dict(passwords)).encode())
    psql(run, hashed.decode())


def psql(run: Run, statements: str) -> str:
    """What the RIS's database answers its superuser, one row a line."""
    words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", DATABASE]
    return run(["runuser", "-u", "postgres", "--", *words], input=statements.encode()).decode()


_CONFIGURATION = f"""[database]
uri = postgresql://gnuhealth:{{password}}@127.0.0.1:5432/
path = {{live}}/gnuhealth
language = en

[web]
listen = 0.0.0.0:{PORT}

[session]
super_pwd =
"""

#: A service that failed stays failed: nothing hides a release that does not start.
SERVICE = f"""[Unit]
Description=GNU Health
After=network.target postgresql@15-main.service
Wants=postgresql@15-main.service

[Service]
User=gnuhealth
Group=gnuhealth
ExecStart={RELEASES}/current/bin/trytond -c {CONFIGURATION}
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
"""

_LINK = """
insert into gnuhealth_orthanc_config
    (label, domain, "user", password, validated, create_uid, create_date)
values ('PACS', '{url}', '{user}', '{password}', true, 1, now());
"""

_CLEAR = f"""
systemctl disable --now gnuhealth.service 2>/dev/null
[ ! -e /etc/postgresql/15/main ] || pg_dropcluster --stop 15 main || exit 1
rm -rf {SHARED_LIVE}
[ ! -e {LIVE} ] || btrfs subvolume delete {LIVE} 2>/dev/null || rm -rf {LIVE} || exit 1
rm -rf {RELEASES} {SETTINGS} {UNIT}
! getent passwd gnuhealth || userdel gnuhealth
"""

_HASH = """
import json, sys
from passlib.context import CryptContext
kept = CryptContext(schemes=["pbkdf2_sha512"])
for login, password in json.load(sys.stdin).items():
    print(f"update res_user set password_hash = '{kept.hash(password)}' where login = '{login}';")
"""


def _make_storage(run: Run, hospital: RisHospital) -> None:
    """A place for all that a snapshot has to hold, and the account that owns the attachments."""
    if hospital.shared:
        run(["install", "-d", "-m0755", hospital.live])
    else:
        run(["btrfs", "subvolume", "create", hospital.live])
    account = ["useradd", "--system", "--user-group", "--no-create-home"]
    attachments = f"{hospital.live}/gnuhealth"
    run([*account, "--home-dir", attachments, "--shell", "/usr/sbin/nologin", "gnuhealth"])
    run(["install", "-d", "-m0750", "-ognuhealth", "-ggnuhealth", attachments])
    run(["install", "-d", "-m0750", "-oroot", "-ggnuhealth", SETTINGS])


def _make_database(run: Run, hospital: RisHospital) -> None:
    where = [] if hospital.shared else ["--datadir", f"{LIVE}/postgresql"]
    cluster = ["pg_createcluster", *where, "--locale", "C.UTF-8"]
    run([*cluster, "15", "main", "--", "--data-checksums"])
    # The lab's hosts are many and small; everything that durability rests on stays as it is.
    put(run, "/etc/postgresql/15/main/conf.d/size.conf", b"shared_buffers = 64MB\n")
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "postgresql.service"])
    run(["systemctl", "start", "postgresql@15-main.service"])
    sql = (
        f"CREATE ROLE gnuhealth LOGIN PASSWORD '{hospital.database_password}';\n"
        f"CREATE DATABASE {DATABASE} OWNER gnuhealth;\n"
    )
    words = ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]
    run(["runuser", "-u", "postgres", "--", *words], input=sql.encode())
