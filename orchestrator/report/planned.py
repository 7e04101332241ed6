"""What was planned for a host, as a report tells it."""

from __future__ import annotations

from orchestrator.fleet.model import Model


class OnTheWay(Model):
    """A release that a host passed through, and what brought it."""

    release: str
    artifact: str
    artifact_sha256: str


class Planned(Model):
    """What was planned for one host. ``artifact_size`` in bytes."""

    host: str
    product: str
    kind: str
    from_release: str
    to_release: str
    #: From where to where, by which releases.
    way: str
    artifact: str
    artifact_sha256: str
    artifact_size: int
    hops: tuple[OnTheWay, ...] = ()
    services: tuple[str, ...]
    #: What becomes of images that modalities send while the door is shut.
    meanwhile: str
    volumes: tuple[str, ...]
    paths: tuple[str, ...]
    ports: tuple[int, ...]
    facts: dict[str, str]
