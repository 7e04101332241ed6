"""What a survey found on a host, and which of it identifies the host's state.

``fingerprint`` covers release, configuration, volumes and operating system: what a plan rests on.
It never covers counters (free space, numbers of studies), which move while a plan waits.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Literal

from pydantic import Field

from orchestrator.fleet.model import Model


class VolumeSurvey(Model):
    """A volume as found. Sizes in bytes.

    ``used``: what lies below it, where a copy would have to hold it. ``shares_blocks``: whether its
    file system can copy by reflink. ``entries``: files on its file system, all of them, where it is
    an archive. ``is_mount_point``: the file system begins there. None: nobody looked.
    """

    name: str
    path: str
    filesystem: str
    is_subvolume: bool
    size: int
    free: int
    used: int | None = None
    entries: int | None = None
    shares_blocks: bool | None = None
    is_mount_point: bool | None = None


class ServiceSurvey(Model):
    """A unit as found: ``active``, ``enabled`` are systemd's own words."""

    name: str
    active: str
    enabled: str


class ClockSurvey(Model):
    """A host's clock against the controller's, in seconds: ahead by ``offset``, give or take."""

    offset: float
    give_or_take: float


class HoldSurvey(Model):
    """A facility's own hold on its host: why, since when (UTC), and whose file it is."""

    because: str
    since: datetime
    by: str


class TrafficSurvey(Model):
    """Who uses the product now. ``peers``: addresses with a connection to its ports;
    ``received_ago``: seconds since the last object came, None where that was not learned."""

    peers: tuple[str, ...]
    received_ago: float | None = None


class CertificateSurvey(Model):
    """A certificate that a service shows. ``path``: its file on the host; times are UTC."""

    service: Literal["dicom"]
    path: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str


class AeSurvey(Model):
    """An AE that the product knows. ``declared``: the fleet declares exactly this."""

    ae_title: str
    address: str
    port: int
    tls: bool = False
    declared: bool


class CallersSurvey(Model):
    """Who may call a product, whatever its AE table says.

    ``anybody``: what an AE may ask for that is not in the table; ``checks_address``: an AE is
    let in from its own address only; ``checks_called``: only under the product's own name.
    """

    anybody: tuple[str, ...]
    checks_address: bool
    checks_called: bool


class SpaceSurvey(Model):
    """Free room on the file system that a path lies on, or will lie on. Bytes."""

    path: str
    free: int


class DatabaseSurvey(Model):
    """A database that is to be copied in its cluster. Bytes; ``directory``: the cluster's files."""

    name: str
    database: str
    cluster: str
    directory: str
    size: int
    free: int


class HostSurvey(Model):
    """One host. ``release``: what ``current`` names; ``running``: what the product answers."""

    host: str
    product: str
    release: str
    running: str | None
    config_hash: str
    os: str
    python: str
    volumes: tuple[VolumeSurvey, ...]
    services: tuple[ServiceSurvey, ...]
    locked_by: str | None = None
    host_epoch: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    clock: ClockSurvey | None = None
    hold: HoldSurvey | None = None
    traffic: TrafficSurvey | None = None
    ae_table: tuple[AeSurvey, ...] = ()
    callers: CallersSurvey | None = None
    certificates: tuple[CertificateSurvey, ...] = ()
    #: Only where they are captured apart from volumes.
    databases: tuple[DatabaseSurvey, ...] = ()
    #: Where a change puts things outside the volumes.
    space: tuple[SpaceSurvey, ...] = ()
    #: What the declaration makes another on purpose, in words.
    differences: tuple[str, ...] = ()
    #: Declared ports that nothing serves yet, because a change brings what does.
    brings_tcp: tuple[int, ...] = ()

    def facts(self) -> dict[str, str]:
        """The facts that a plan rests on, each under the name a person knows it by."""
        volumes = [
            f"{v.name} {v.path} {v.filesystem} subvolume={v.is_subvolume}"
            + ("" if v.shares_blocks is None else f" reflink={v.shares_blocks}")
            for v in self.volumes
        ]
        databases = [f"{d.name} {d.database} in {d.cluster}" for d in self.databases]
        return {
            "release": self.release,
            "configuration": self.config_hash,
            "volumes": "; ".join(volumes),
            "operating system": self.os,
        } | ({"databases": "; ".join(databases)} if databases else {})

    def fingerprint(self) -> str:
        """SHA-256 over ``facts``."""
        return hashlib.sha256(json.dumps(self.facts(), sort_keys=True).encode()).hexdigest()


class FacilitySurvey(Model):
    """All hosts of a facility, and when they were looked at (UTC)."""

    facility: str
    taken_at: datetime
    hosts: tuple[HostSurvey, ...]
    problems: tuple[str, ...] = ()

    def host(self, name: str) -> HostSurvey:
        """The survey of one host."""
        return next(host for host in self.hosts if host.host == name)
