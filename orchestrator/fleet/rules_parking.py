"""What must hold where intake is parked: a place of its own, ports of its own, whom to park for."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.fleet.declared import Declared
from orchestrator.fleet.model import Host, Parking
from orchestrator.fleet.problems import Problem
from orchestrator.fleet.yamlreader import Loc

#: The state of our own on a host, which holds what puts it back.
OURS = "/var/lib/wardship"


def parking_is_possible(d: Declared) -> Iterator[Problem]:
    """Each problem where it is declared: at the host, or in fleet.yml for all."""
    for file, loc, host, parking in _parked(d):
        for text in (*_whom(host, parking), *_ports(host, parking), *_place(d, host, parking)):
            yield d.at(file, loc, text)


def _parked(d: Declared) -> Iterator[tuple[str, Loc, Host, Parking]]:
    shared = d.settings.parking if d.settings else None
    for file, _, name, host in d.hosts():
        if host.parking:
            yield file, ("hosts", name, "parking"), host, host.parking
        elif host.parking is None and shared and host.dicom and host.modalities:
            yield file, ("hosts", name), host, shared


def _whom(host: Host, parking: Parking) -> Iterator[str]:
    if host.dicom is None:
        yield "parking stands in for a DICOM service, expected dicom on this host"
        return
    if not host.modalities:
        yield "parking is for declared AEs only, expected modalities on this host"
    if host.dicom.tls and parking.tls is None:
        yield (
            "DICOM is over TLS here, expected parking.tls: where the product's own certificate, "
            "key and ca lie on its host (or parking: false)"
        )
    if parking.tls and host.parking and not host.dicom.tls:
        yield "DICOM is not over TLS here, expected no parking.tls"


def _ports(host: Host, parking: Parking) -> Iterator[str]:
    own = {parking.port: "parking"} | ({parking.port + 1: "parking for HL7"} if host.hl7 else {})
    for what, endpoint in (("dicom", host.dicom), ("web", host.web), ("hl7", host.hl7)):
        if endpoint and endpoint.port in own:
            yield (
                f"port {endpoint.port} is {what}'s and {own[endpoint.port]}'s, expected another "
                "parking.port"
            )


def _place(d: Declared, host: Host, parking: Parking) -> Iterator[str]:
    taken = {OURS: "wardship's own state"}
    if role := d.role(host):
        state = role.role.state
        volumes = {one.name: one.path for one in state.volumes} | dict(host.volumes)
        taken |= {path: f"volume {name}" for name, path in volumes.items()}
        taken |= dict.fromkeys(state.paths, "what a restore puts back")
    for path, what in taken.items():
        if _is_in(parking.directory, path) or _is_in(path, parking.directory):
            yield f"directory {parking.directory} and {path} ({what}) lie in one another"


def _is_in(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")
