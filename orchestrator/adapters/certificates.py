"""The certificates that a fleet declares, read from its own files at the moment they are asked for.

Decides nothing. A file that cannot be read is a problem in what is found, never an absent one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.fleet.model import DicomTls, Fleet
from orchestrator.plan.gates import DeclaredCertificate, Whose
from orchestrator.wire.certificates import read_certificates
from orchestrator.wire.errors import Garbled


def look_at_certificates(
    fleet: Fleet, facilities: Iterable[str]
) -> dict[str, tuple[DeclaredCertificate, ...]]:
    """By host, of every host whose DICOM TLS is declared: authorities, its own, the probe's."""
    return {
        name: _of(fleet, host.dicom.tls)
        for facility in facilities
        for name, host in fleet.facilities[facility].hosts.items()
        if host.dicom and host.dicom.tls
    }


def _of(fleet: Fleet, tls: DicomTls) -> tuple[DeclaredCertificate, ...]:
    files: list[tuple[Whose, str]] = [("authority", tls.ca), ("archive", tls.certificate)]
    if tls.probe:
        files.append(("verifier", tls.probe.certificate))
    return tuple(_read(fleet.path(file), file, whose) for whose, file in files)


def _read(path: Path, file: str, whose: Whose) -> DeclaredCertificate:
    """Of several in a file the first is whom it is about; it holds as long as the shortest."""
    try:
        listed = read_certificates(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not PEM"
        return DeclaredCertificate(whose=whose, file=file, problem=reason)
    except Garbled as error:
        return DeclaredCertificate(whose=whose, file=file, problem=error.what)
    return DeclaredCertificate(
        whose=whose,
        file=file,
        fingerprint=listed[0].fingerprint,
        not_before=max(each.not_before for each in listed),
        not_after=min(each.not_after for each in listed),
    )
