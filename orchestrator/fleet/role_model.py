"""What a product role says of its product in ``meta/wardship.yml`` (docs/roles.md)."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from orchestrator.fleet.values import Cluster, DatabaseName, HostPath, Model, Name

#: How a host takes its snapshots: the role ``snapshot_<name>``, and the host program's provider.
Snapshot = Literal["btrfs", "copy", "postgres"]


def copies(snapshot: Snapshot) -> bool:
    """Whether volumes are copied, byte by byte where the file system shares no blocks."""
    return snapshot != "btrfs"


class StateVolume(Model):
    """A volume that a product's state lives on.

    *index*: captured by a snapshot. *archive*: never copied, only listed. ``objects`` are
    directories below it that hold stored objects: nobody may change or remove them. ``optional``:
    only on a host that declares where it lies; its ``objects`` then lie on it and on no other.
    """

    name: Name
    path: HostPath
    kind: Literal["index", "archive"] = Field(default="index", alias="class")
    objects: tuple[str, ...] = ()
    optional: bool = Field(default=False, exclude=True)
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class StateDatabase(Model):
    """A database that can be captured in its cluster, beside others (``snapshot: postgres``).

    ``service``: the unit of its PostgreSQL cluster, which then serves others all the while.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    database: DatabaseName
    service: Cluster


class ProductState(Model):
    """Everything that a snapshot captures."""

    volumes: tuple[StateVolume, ...]
    paths: tuple[HostPath, ...]
    databases: tuple[StateDatabase, ...] = ()


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
    snapshot: Snapshot
    services: tuple[str, ...] = Field(min_length=1)
    #: Accounts of the product's own services, which reach it while the door is shut.
    door_users: tuple[str, ...] = ()
    #: Declared endpoints that are served beside the product, and not by it.
    beside: tuple[Literal["dicom", "hl7"], ...] = ()
    state: ProductState
    install: tuple[InstalledFiles, ...] = ()
    suites: tuple[str, ...] = Field(min_length=1)
    min_free_mib: int = Field(default=512, ge=1)
    limits: Limits = Limits()
