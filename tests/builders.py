"""Small, valid things that tests begin with: a fleet directory, a role, surveys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.survey.model import (
    ClockSurvey,
    FacilitySurvey,
    HostSurvey,
    ServiceSurvey,
    VolumeSurvey,
)

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
CONFIG = "c" * 64

ROLE = """\
kind: pacs
switch: rename
root: /opt/orthanc
guard: host
snapshot: btrfs
services: [postgresql@15-main.service, orthanc.service]
state:
  volumes:
    - {name: live, path: /data/live, class: index, objects: [orthanc]}
  paths: [/etc/orthanc, /opt/orthanc/current]
install:
  - {staged: files/orthanc, target: /etc/orthanc}
suites: [service, dicom, dicomweb, census]
min_free_mib: 512
"""
ARGUMENT_SPECS = """\
argument_specs:
  survey:
    options:
      wardship_web_user: {type: str, required: true}
      wardship_web_password: {type: str, no_log: true}
  stage:
    options:
      wardship_host: {type: str, required: true}
      orthanc_name: {type: str}
      orthanc_plugins: {type: list, elements: str, choices: [postgresql, dicomweb]}
      orthanc_extra: {type: dict}
      orthanc_log: {type: str, choices: [default, verbose]}
      orthanc_database_password: {type: str, required: true, no_log: true}
"""
FLEET = """\
fleet: test
ssh:
  user: root
  key: id_ed25519
"""
CATALOG = """\
products:
  orthanc:
    role: orthanc
    releases:
      "1.10.1":
        artifact: {file: orthanc-1.10.1.tar.gz, sha256: "%(1.10.1)s", size: 6}
      "1.12.7":
        upgrades_from: ["1.10.1"]
        artifact: {file: orthanc-1.12.7.tar.gz, sha256: "%(1.12.7)s", size: 6}
      "1.13.0":
        upgrades_from: ["1.12.7"]
        irreversible: true
        artifact: {file: orthanc-1.13.0.tar.gz, sha256: "%(1.13.0)s", size: 6}
""" % {name: hashlib.sha256(name.encode()).hexdigest() for name in ("1.10.1", "1.12.7", "1.13.0")}
MANDATE = """\
mandate: archives to 1.12.7
orders:
  - {product: orthanc, release: "1.12.7", facilities: all, by: 2027-03-31}
"""


def facility_yaml(letter: str, *, number: int) -> str:
    """A hospital with one PACS."""
    return dedent(f"""\
        facility: hospital-{letter}
        country: SZ
        timezone: Africa/Mbabane
        hosts:
          pacs-{letter}:
            address: 10.77.0.{number}
            product: orthanc
            dicom: {{ae_title: HOSPITAL{letter.upper()}, port: 4242}}
            web:
              port: 8042
              user: wardship
              password: {{env: WEB_PASSWORD}}
            modalities:
              - {{ae_title: CT1, address: 10.77.0.9, port: 104}}
            secrets:
              orthanc_database_password: {{env: DATABASE_PASSWORD}}
        """)


def fleet_files() -> dict[str, str]:
    """The files of a valid fleet of two hospitals, by path."""
    return {
        "fleet.yml": FLEET,
        "catalog.yml": CATALOG,
        "mandate.yml": MANDATE,
        "facilities/hospital-a.yml": facility_yaml("a", number=11),
        "facilities/hospital-b.yml": facility_yaml("b", number=12),
    }


def write_files(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files below ``directory``."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def write_fleet(directory: Path, changes: Mapping[str, str] | None = None) -> Path:
    """A fleet directory with its depot; ``changes`` replace files."""
    depot = {
        f"depot/orthanc-{release}.tar.gz": release for release in ("1.10.1", "1.12.7", "1.13.0")
    }
    return write_files(directory, fleet_files() | depot | dict(changes or {}))


def write_roles(directory: Path) -> Path:
    """A directory of roles with the one that the fleet names."""
    meta = directory / "orthanc" / "meta"
    meta.mkdir(parents=True, exist_ok=True)
    (meta / "wardship.yml").write_text(ROLE, encoding="utf-8")
    (meta / "argument_specs.yml").write_text(ARGUMENT_SPECS, encoding="utf-8")
    return directory


def a_fleet(directory: Path, changes: Mapping[str, str] | None = None) -> Fleet:
    """The fleet of two hospitals, loaded."""
    roles = write_roles(directory / "test-roles")
    return load(write_fleet(directory / "fleet", changes), roles=roles)


def a_host_survey(
    host: str = "pacs-a",
    *,
    release: str = "1.10.1",
    running: str | None = "same",
    config_hash: str = CONFIG,
    volumes: tuple[VolumeSurvey, ...] | None = None,
    services: tuple[ServiceSurvey, ...] | None = None,
    locked_by: str | None = None,
    counts: dict[str, int] | None = None,
) -> HostSurvey:
    """A healthy host; ``running`` is what the product answers, by default its release."""
    return HostSurvey(
        host=host,
        product="orthanc",
        release=release,
        running=release if running == "same" else running,
        config_hash=config_hash,
        os="Debian GNU/Linux 12 (bookworm)",
        python="3.11.2",
        volumes=volumes if volumes is not None else (a_volume(),),
        services=services if services is not None else some_services(),
        locked_by=locked_by,
        clock=ClockSurvey(offset=0.1, give_or_take=0.05),
        counts=counts if counts is not None else {"studies": 40, "instances": 300},
    )


def a_volume(
    *, filesystem: str = "btrfs", is_subvolume: bool = True, free_mib: int = 2048
) -> VolumeSurvey:
    """The volume of the PACS."""
    return VolumeSurvey(
        name="live",
        path="/data/live",
        filesystem=filesystem,
        is_subvolume=is_subvolume,
        size=3 << 30,
        free=free_mib << 20,
    )


def some_services(**active: str) -> tuple[ServiceSurvey, ...]:
    """The units of the PACS, active unless said otherwise: ``orthanc="failed"``."""
    units = {"postgresql": "postgresql@15-main.service", "orthanc": "orthanc.service"}
    return tuple(
        ServiceSurvey(name=unit, active=active.get(short, "active"), enabled="enabled")
        for short, unit in units.items()
    )


def a_facility_survey(
    *hosts: HostSurvey, facility: str = "hospital-a", problems: tuple[str, ...] = ()
) -> FacilitySurvey:
    """A facility as found."""
    return FacilitySurvey(facility=facility, taken_at=NOW, hosts=hosts, problems=problems)
