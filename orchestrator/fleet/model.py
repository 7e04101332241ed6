"""The declaration as frozen models: fleet, facility, host, product role.

Decides shapes and what is a legal value on its own. Refuses unknown keys. Rules that need more than
one value at a time (does the release exist, is a name declared twice) are in ``rules``; reading
files and telling line numbers is ``load``'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from orchestrator.fleet.catalog import Artifact, Catalog
from orchestrator.fleet.gates_model import GateSettings, HostGates
from orchestrator.fleet.mandate import Mandate
from orchestrator.fleet.parking_model import Hl7Endpoint as Hl7Endpoint
from orchestrator.fleet.parking_model import Parking as Parking
from orchestrator.fleet.role_model import InstalledFiles as InstalledFiles
from orchestrator.fleet.role_model import Limits as Limits
from orchestrator.fleet.role_model import ProductState as ProductState
from orchestrator.fleet.role_model import Role as Role
from orchestrator.fleet.role_model import Snapshot as Snapshot
from orchestrator.fleet.role_model import StateDatabase as StateDatabase
from orchestrator.fleet.role_model import StateVolume as StateVolume
from orchestrator.fleet.role_model import copies as copies
from orchestrator.fleet.tls_model import TLS_SUITE as TLS_SUITE
from orchestrator.fleet.tls_model import DicomTls as DicomTls
from orchestrator.fleet.tls_model import ProbeIdentity as ProbeIdentity
from orchestrator.fleet.values import Address as Address
from orchestrator.fleet.values import AETitle as AETitle
from orchestrator.fleet.values import DatabaseName as DatabaseName
from orchestrator.fleet.values import HostPath as HostPath
from orchestrator.fleet.values import LocalPath as LocalPath
from orchestrator.fleet.values import Model as Model
from orchestrator.fleet.values import Name as Name
from orchestrator.fleet.values import Port as Port
from orchestrator.fleet.values import SecretRef as SecretRef
from orchestrator.fleet.values import Text as Text
from orchestrator.fleet.values import TimeZone as TimeZone


class VaultSettings(Model):
    """The fleet's ansible-vault file and where its password is."""

    file: LocalPath
    password_file: LocalPath | None = None
    password_env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")


class Ssh(Model):
    """How the controller reaches a host. The key is a path, the host key is in ``known_hosts``."""

    user: str = Field(default="root", pattern=r"^[a-z_][a-z0-9_-]*$")
    port: Port = 22
    key: LocalPath | None = None
    jump: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:-]*$")
    become: bool = False


class VerifySettings(Model):
    """How hard the checks look."""

    retrieves: int = Field(default=20, ge=20, le=1000)
    sample_files: int = Field(default=200, ge=1)
    patience_seconds: int = Field(default=60, ge=0, le=3600)
    limit_seconds: int = Field(default=1200, ge=60, le=7200)

    @model_validator(mode="after")
    def _asks_no_longer_than_hosts_wait(self) -> Self:
        if self.patience_seconds >= self.limit_seconds:
            raise ValueError(
                f"patience_seconds is {self.patience_seconds} and limit_seconds "
                f"{self.limit_seconds}: hosts would not wait for the answer"
            )
        return self


class DicomEndpoint(Model):
    """The DICOM service of a product on a host; with ``tls`` it speaks nothing else."""

    ae_title: AETitle
    port: Port = 4242
    tls: DicomTls | None = None


class WebEndpoint(Model):
    """The web service of a product on a host, with the path of its DICOMweb root."""

    port: Port = 8042
    dicomweb: str = Field(default="/dicom-web", pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    user: str | None = Field(default=None, pattern=r"^[^:\x00-\x1f\x7f-\x9f]{1,80}$")
    password: SecretRef | None = None


class Modality(Model):
    """An AE that is declared at the PACS. ``tls``: the PACS calls it over TLS.

    ``retry``: whether it sends again by itself what was refused; None where nobody has said.
    ``commitment``: whether it asks for storage commitment.
    """

    ae_title: AETitle
    address: Address
    port: Port
    tls: bool = False
    retry: Literal["auto", "manual"] | None = None
    commitment: bool | None = None


_NO_GATES = HostGates()


class Host(Model):
    """A machine at a facility, and the one product it carries."""

    address: Address
    ssh: Ssh | None = None
    product: Name
    dicom: DicomEndpoint | None = None
    web: WebEndpoint | None = None
    hl7: Hl7Endpoint | None = None
    modalities: tuple[Modality, ...] = ()
    #: False: nothing is parked here, though the fleet parks.
    parking: Parking | Literal[False] | None = None
    volumes: dict[Name, HostPath] = Field(default_factory=dict)
    databases: dict[Name, DatabaseName] = Field(default_factory=dict)
    #: Where it is not as the product's role has it.
    snapshot: Snapshot | None = None
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    secrets: dict[str, SecretRef] = Field(default_factory=dict)
    # As a factory: a default that is a model is copied for every host.
    gates: HostGates = Field(default_factory=lambda: _NO_GATES)


class Facility(Model):
    """A hospital."""

    facility: Name
    title: Text | None = None
    country: str = Field(pattern=r"^[A-Z]{2}$")
    timezone: TimeZone
    hosts: dict[Name, Host] = Field(min_length=1)


class FleetSettings(Model):
    """``fleet.yml``: what holds for every facility unless it says otherwise."""

    fleet: Name
    depot: LocalPath = "depot"
    ssh: Ssh = Ssh()
    verify: VerifySettings = VerifySettings()
    gates: GateSettings = GateSettings()
    parking: Parking | None = None
    vault: VaultSettings | None = None
    parallel: int = Field(default=4, ge=1, le=64)
    anchor_port: int = Field(default=7710, ge=1024, le=65535)


class Fleet(Model):
    """The whole declaration, with the roles it names, and a digest over all of it."""

    directory: Path
    settings: FleetSettings
    facilities: dict[str, Facility]
    catalog: Catalog
    mandate: Mandate
    roles: dict[str, Role]
    digest: str

    @property
    def state(self) -> Path:
        """Where wardship keeps what it writes: plans, journal, reports (0700)."""
        return self.directory / ".wardship"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys by name, as ``wardship fleet trust`` recorded them."""
        return self.directory / "known_hosts"

    def path(self, declared: str) -> Path:
        """A path as a declaration names it: relative ones count from the fleet's directory."""
        return self.directory / Path(declared).expanduser()

    def artifact(self, artifact: Artifact) -> Path:
        """Where the depot has an artifact."""
        return self.path(self.settings.depot) / artifact.file

    def ssh_of(self, host: Host) -> Ssh:
        """How this host is reached: its own settings, else the fleet's."""
        return host.ssh or self.settings.ssh

    def role_of(self, host: Host) -> Role:
        """The role that knows how to run the host's product."""
        return self.roles[self.catalog.products[host.product].role]

    def suites_of(self, host: Host) -> tuple[str, ...]:
        """The suites of checks that look at this host."""
        suites = self.role_of(host).suites
        return (*suites, TLS_SUITE) if host.dicom and host.dicom.tls else suites

    def gates_of(self, host: Host) -> GateSettings:
        """What must hold before this host is changed: the fleet's, where it names no other."""
        own = {
            "quiet_minutes": host.gates.quiet_minutes,
            "backup": host.gates.backup,
            "certificate_days": host.gates.certificate_days,
        }
        given = {name: value for name, value in own.items() if value is not None}
        return self.settings.gates.model_copy(update=given) if given else self.settings.gates

    @property
    def parks(self) -> bool:
        """Whether intake is parked anywhere."""
        hosts = (host for one in self.facilities.values() for host in one.hosts.values())
        return self.settings.parking is not None or any(host.parking for host in hosts)

    def parking_of(self, host: Host) -> Parking | None:
        """How this host's intake is parked: its own settings, else the fleet's.

        Only a host with a DICOM service and declared modalities is parked for.
        """
        if host.parking is not None:
            return host.parking or None
        return self.settings.parking if host.dicom and host.modalities else None

    def snapshot_of(self, host: Host) -> Snapshot:
        """How this host takes its snapshots."""
        return host.snapshot or self.role_of(host).snapshot

    def databases_of(self, host: Host) -> tuple[StateDatabase, ...]:
        """The databases of the host's product, as they are called on this host."""
        return tuple(
            one.model_copy(update={"database": host.databases.get(one.name, one.database)})
            for one in self.role_of(host).state.databases
        )

    def copied_databases(self, host: Host) -> tuple[StateDatabase, ...]:
        """Those of them that are captured in their cluster, which serves others too."""
        return self.databases_of(host) if self.snapshot_of(host) == "postgres" else ()

    def services_of(self, host: Host) -> tuple[str, ...]:
        """The units that a change stops and starts: a cluster that serves others is none."""
        others = {one.service for one in self.copied_databases(host)}
        return tuple(each for each in self.role_of(host).services if each not in others)

    def volumes_of(self, host: Host) -> tuple[StateVolume, ...]:
        """The volumes of the host's product, where they lie on this host."""
        known = self.role_of(host).state.volumes
        if not host.volumes and not any(one.optional for one in known):
            return known
        there = [one for one in known if not one.optional or one.name in host.volumes]
        moved = {each for one in there if one.optional for each in one.objects}
        return tuple(
            one.model_copy(
                update={
                    "path": host.volumes.get(one.name, one.path),
                    "optional": False,
                    "objects": one.objects
                    if one.optional
                    else tuple(each for each in one.objects if each not in moved),
                }
            )
            for one in there
        )
