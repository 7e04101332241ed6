"""Parked intake as it is declared (docs/parking.md): where, how much, and as whom over TLS."""

from __future__ import annotations

from pydantic import Field

from orchestrator.fleet.values import HostPath, Model, Port


class ParkingIdentity(Model):
    """Where the product's own DICOM TLS identity lies on its host. PEM files."""

    certificate: HostPath
    key: HostPath
    ca: HostPath


class Parking(Model):
    """Where a host keeps what comes while its door is shut, and how much of it.

    ``port``: where the spool listens in the DICOM service's place; the one after it stands in for
    HL7.
    """

    directory: HostPath = "/var/lib/wardship-spool"
    quota_mib: int = Field(default=2048, ge=64, le=1 << 22)
    port: int = Field(default=11042, ge=1024, le=65534, strict=True)
    tls: ParkingIdentity | None = None


class Hl7Endpoint(Model):
    """The HL7 v2 listener of a product on a host (MLLP)."""

    port: Port = 2575
