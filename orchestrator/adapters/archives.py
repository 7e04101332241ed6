"""How a host's archive is spoken to through its ssh, by the fleet's declaration."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.errors import FleetError
from orchestrator.fleet.model import DicomEndpoint, Fleet, Host, SecretRef
from orchestrator.wire.association import Peer
from orchestrator.wire.tls import Tls


def peer(
    fleet: Fleet, host: Host, dicom: DicomEndpoint, *, port: int, secret: Callable[[SecretRef], str]
) -> Peer:
    """The archive behind a tunnel that ends on ``port`` here.

    Raises:
        FleetError: a file that the declaration names cannot be read.
    """
    tls = None
    if dicom.tls:
        probe = dicom.tls.probe
        key = None
        if probe and probe.key:
            key = secret(probe.key)
        elif probe and probe.key_file:
            key = _text(fleet, probe.key_file)
        own = _text(fleet, probe.certificate) if probe else None
        tls = Tls(_text(fleet, dicom.tls.ca), dicom.tls.name or host.address, own, key)
    return Peer("127.0.0.1", port, dicom.ae_title, timeout=120.0, tls=tls)


def _text(fleet: Fleet, declared: str) -> str:
    try:
        return fleet.path(declared).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not PEM"
        raise FleetError(
            f"{declared}: cannot be read ({reason})", hint="wardship fleet check"
        ) from None
