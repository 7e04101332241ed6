"""The declaration as frozen models: fleet, facility, host, product role.

Decides shapes and what is a legal value on its own. Refuses unknown keys. Rules that need more than
one value at a time (does the release exist, is a name declared twice) are in ``rules``; reading
files and telling line numbers is ``load``'s.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from orchestrator.fleet.catalog import Artifact, Catalog
from orchestrator.fleet.gates_model import GateSettings, HostGates
from orchestrator.fleet.mandate import Mandate

#: Names of facilities, hosts and products: safe in file names, units, namespaces and inventories.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
#: DICOM PS3.5 section 6.2, VR AE: at most 16 characters, no backslash or control characters.
AETitle = Annotated[str, Field(pattern=r"^[A-Z0-9_.-]{1,16}$")]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
#: A host name or an IP address.
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]

#: The suite of checks of a host whose DICOM TLS is declared, whatever its role selects.
TLS_SUITE = "tls"


_timezones = cache(available_timezones)


def _known_timezone(name: str) -> str:
    if name not in _timezones():
        raise ValueError("no such time zone; expected an IANA name such as Africa/Mbabane")
    return name


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("expected an absolute path without '..'")
    return _plain_path(path)


def _plain_path(path: str) -> str:
    if not path or any(ord(sign) < 32 or sign in '"\x7f' for sign in path):
        raise ValueError("expected a path without quotes and control characters")
    if path.startswith("~") and not path.startswith("~/"):
        raise ValueError("expected ~/…, or a path without ~")
    return path


TimeZone = Annotated[str, AfterValidator(_known_timezone)]
HostPath = Annotated[
    str,
    AfterValidator(_absolute),
    WithJsonSchema({"type": "string", "pattern": r"^/(?!(.*/)?\.\.(/|$))[^\x00-\x1f\x7f\"]*$"}),
]
#: A path on the controller; relative ones count from the fleet's directory.
LocalPath = Annotated[str, AfterValidator(_plain_path)]
#: What people read: one line.
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]


class Model(BaseModel):
    """What passes between packages: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretRef(Model):
    """Where a secret is; never the secret itself."""

    vault: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.vault is None) == (self.env is None):
            raise ValueError("expected exactly one of vault: NAME and env: NAME")
        return self


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


class ProbeIdentity(Model):
    """What the verifier shows a product that asks its callers for a certificate.

    ``key`` refers to a secret, ``key_file`` to a file of mode 0600 on the controller.
    """

    certificate: LocalPath
    key: SecretRef | None = None
    key_file: LocalPath | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.key is None) == (self.key_file is None):
            raise ValueError("expected exactly one of key and key_file")
        return self


class DicomTls(Model):
    """DICOM over TLS (PS3.15 B.9): what proves the product's service. Files are PEM, local.

    ``certificate`` is the one that the service shows, for ``name`` (the host's address if there is
    none), issued by ``ca``. Its key is on the host and nowhere else. ``callers``: whether whoever
    connects has to show a certificate as well.
    """

    ca: LocalPath
    certificate: LocalPath
    name: Address | None = None
    callers: Literal["certified", "any"] = "certified"
    probe: ProbeIdentity | None = None

    @model_validator(mode="after")
    def _the_probe_gets_in(self) -> Self:
        if self.callers == "certified" and self.probe is None:
            raise ValueError("expected probe: the certificate of the verifier, or callers: any")
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
    """An AE that is declared at the PACS. ``tls``: the PACS calls it over TLS."""

    ae_title: AETitle
    address: Address
    port: Port
    tls: bool = False


_NO_GATES = HostGates()


class Host(Model):
    """A machine at a facility, and the one product it carries."""

    address: Address
    ssh: Ssh | None = None
    product: Name
    dicom: DicomEndpoint | None = None
    web: WebEndpoint | None = None
    modalities: tuple[Modality, ...] = ()
    volumes: dict[Name, HostPath] = Field(default_factory=dict)
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
    vault: VaultSettings | None = None
    parallel: int = Field(default=4, ge=1, le=64)


class StateVolume(Model):
    """A volume that a product's state lives on.

    ``objects`` are directories below it that hold stored objects: nobody may change or remove them.
    """

    name: Name
    path: HostPath
    kind: Literal["index"] = Field(default="index", alias="class")
    objects: tuple[str, ...] = ()
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ProductState(Model):
    """Everything that a snapshot captures."""

    volumes: tuple[StateVolume, ...]
    paths: tuple[HostPath, ...]


class InstalledFiles(Model):
    """A directory rendered at stage, and where apply puts it."""

    staged: str
    target: HostPath


class Limits(Model):
    """Longest time of each phase on a host, in seconds."""

    quiesce: int = Field(default=120, ge=5)
    snapshot: int = Field(default=120, ge=5)
    apply: int = Field(default=900, ge=5)
    restore: int = Field(default=900, ge=5)
    open: int = Field(default=60, ge=5)


class Role(Model):
    """A product role's ``meta/wardship.yml``: all that the product asks of wardship."""

    kind: Literal["pacs", "ris", "viewer", "os"]
    switch: Literal["rename"]
    root: HostPath
    guard: Literal["host"]
    snapshot: Literal["btrfs"]
    services: tuple[str, ...] = Field(min_length=1)
    state: ProductState
    install: tuple[InstalledFiles, ...] = ()
    suites: tuple[str, ...] = Field(min_length=1)
    min_free_mib: int = Field(default=512, ge=1)
    limits: Limits = Limits()


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

    def volumes_of(self, host: Host) -> tuple[StateVolume, ...]:
        """The volumes of the host's product, where they lie on this host."""
        declared = self.role_of(host).state.volumes
        if not host.volumes:
            return declared
        return tuple(
            volume.model_copy(update={"path": host.volumes.get(volume.name, volume.path)})
            for volume in declared
        )
