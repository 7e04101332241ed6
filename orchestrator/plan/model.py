"""A plan: what will be changed at which facility, frozen under a digest.

The digest covers the declaration (fleet, mandate, catalog) and, per host, the facts it rests on.
Secrets are references.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import Field

from orchestrator.fleet.catalog import Artifact
from orchestrator.fleet.model import (
    DicomEndpoint,
    InstalledFiles,
    Limits,
    Model,
    Snapshot,
    Ssh,
    StateDatabase,
    StateVolume,
    VerifySettings,
    WebEndpoint,
)
from orchestrator.plan.parking import HostParking

#: What an expected outage is known from, the nearest first.
Basis = Literal["this hop here", "this hop elsewhere", "another hop here", "bound"]
#: What a plan tells of a host beside what is run: room and measured times move while it waits.
TOLD = {"room", "outage"}


class FileDifference(Model):
    """A file on a host that would become another. ``text``: a unified diff, secrets masked."""

    path: str
    text: str


class Room(Model):
    """Space that a change takes at a place on a host, and what is free there, in bytes.

    ``needed`` is None where it cannot be known beforehand, ``free`` where nobody looked.
    """

    what: str
    path: str
    needed: int | None
    free: int | None

    @property
    def is_short(self) -> bool:
        """Whether it is known that there is too little."""
        return self.needed is not None and self.free is not None and self.free < self.needed


class Prediction(Model):
    """What Ansible's check mode said that staging would make different on a host.

    ``failure``: why staging would fail, or why nobody could say; such a host is refused.
    """

    differences: tuple[FileDifference, ...] = ()
    failure: str = ""


class Outage(Model):
    """How long the clinic is expected to be without its system, and what that is known from.

    ``seconds`` is None where nothing like it was measured (``basis`` is *bound*); ``bound``: when
    phases on the host are cut off, in seconds.
    """

    seconds: float | None
    bound: int
    basis: Basis
    source: str


class Brought(Model):
    """A release, and the artifact that brings it."""

    release: str
    artifact: Artifact


class HostChange(Model):
    """What happens to one host: all that the phases need, so that nothing is looked up later."""

    host: str
    address: str
    ssh: Ssh
    product: str
    role: str
    kind: str
    from_release: str
    to_release: str
    #: Releases on the way, in order (ADR 21).
    hops: tuple[Brought, ...] = ()
    artifact: Artifact
    root: str
    services: tuple[str, ...]
    volumes: tuple[StateVolume, ...]
    #: Captured in their cluster, which serves others too.
    databases: tuple[StateDatabase, ...] = ()
    paths: tuple[str, ...]
    install: tuple[InstalledFiles, ...]
    snapshot: Snapshot
    #: Bytes that are copied while the clinic is out.
    copied: int = 0
    door_tcp: tuple[int, ...]
    #: Those of them that nothing serves before the change.
    brings_tcp: tuple[int, ...] = ()
    #: Those of them that are served beside the product: a restore does not wait for them.
    beside_tcp: tuple[int, ...] = ()
    #: Accounts of the product's own services, which reach it while the door is shut.
    door_users: tuple[str, ...] = ()
    limits: Limits
    suites: tuple[str, ...]
    min_free_mib: int = 512
    dicom: DicomEndpoint | None
    web: WebEndpoint | None
    parking: HostParking | None = None
    #: The modalities that must resend by hand what was refused, and those nobody knows of.
    by_hand: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    facts: dict[str, str]
    differences: tuple[str, ...] = ()
    #: What check mode predicted; None where it was not asked.
    prediction: Prediction | None = None
    #: What moves while a plan waits, and is no part of what is run.
    room: tuple[Room, ...] = ()
    outage: Outage | None = None

    @property
    def way(self) -> str:
        """From where to where, by which releases."""
        return " → ".join([self.from_release, *(one.release for one in self.hops), self.to_release])


class ChangeSet(Model):
    """The hosts that commit or restore together. The first is the anchor: it keeps the decision.

    Each comes after those that it needs. ``anchor_port``: where the anchor tells the others.
    """

    id: str
    facility: str
    hosts: tuple[HostChange, ...] = Field(min_length=1)
    verify: VerifySettings
    anchor_port: int = 7710

    def content(self) -> str:
        """All that is run, as JSON: without what was only told when it was planned."""
        return self.model_dump_json(exclude={"hosts": {"__all__": TOLD}})

    @property
    def anchor(self) -> HostChange:
        """The host that keeps the decision."""
        return self.hosts[0]

    @property
    def members(self) -> tuple[HostChange, ...]:
        """The others, which ask it."""
        return self.hosts[1:]


class Refusal(Model):
    """Why something is not done, and what to do about it."""

    facility: str
    host: str | None = None
    gate: str
    because: str
    hint: str


class Plan(Model):
    """What ``wardship run`` runs: exactly this, or nothing."""

    fleet: str
    mandate: str
    made_at: datetime
    fleet_digest: str
    parallel: int
    change_sets: tuple[ChangeSet, ...]
    compliant: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    digest: str = ""

    def computed_digest(self) -> str:
        """SHA-256 over all but itself, the moment it was made, and what was only told then."""
        digest = hashlib.sha256()
        head = self.model_dump_json(exclude={"digest", "made_at", "change_sets"})
        # One change set after another: a line of JSON each, never all of them in one text.
        for line in (head, *map(ChangeSet.content, self.change_sets)):
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()
