"""What is parked while a host's door is shut: as the host is told it, and as a person reads it."""

from __future__ import annotations

from typing import Literal

from orchestrator.fleet.model import Fleet, Host, Modality, Model
from orchestrator.fleet.parking_model import ParkingIdentity

#: Seconds that the opening may take more, to give the product what was parked.
GIVING = 900
#: How many names a line has.
SHOWN = 8


class ParkedFor(Model):
    """An AE that is parked for, and where it listens."""

    ae_title: str
    address: str
    port: int
    tls: bool = False


class ParkedDicom(Model):
    """The product's DICOM service, and the port that stands in for it."""

    ae_title: str
    port: int
    spool_port: int
    modalities: tuple[ParkedFor, ...]
    refuses: tuple[str, ...] = ()
    tls: ParkingIdentity | None = None
    #: Whether whoever connects over TLS shows a certificate.
    callers: Literal["certified", "any"] = "certified"


class ParkedHl7(Model):
    """An HL7 listener of the product, and the port that stands in for it."""

    port: int
    spool_port: int


class HostParking(Model):
    """All that the host has to know."""

    directory: str
    quota_mib: int
    dicom: ParkedDicom
    mllp: tuple[ParkedHl7, ...] = ()


def parking_for(fleet: Fleet, host: Host, *, to_release: str) -> HostParking | None:
    """How this host's intake is parked while it goes to a release; None where it is not."""
    parking = fleet.parking_of(host)
    if parking is None or host.dicom is None:
        return None
    release = fleet.catalog.products[host.product].releases[to_release]
    return HostParking(
        directory=parking.directory,
        quota_mib=parking.quota_mib,
        dicom=ParkedDicom(
            ae_title=host.dicom.ae_title,
            port=host.dicom.port,
            spool_port=parking.port,
            modalities=tuple(_parked_for(one) for one in host.modalities),
            refuses=release.refuses,
            tls=parking.tls if host.dicom.tls else None,
            callers=host.dicom.tls.callers if host.dicom.tls else "any",
        ),
        mllp=(ParkedHl7(port=host.hl7.port, spool_port=parking.port + 1),) if host.hl7 else (),
    )


def _parked_for(one: Modality) -> ParkedFor:
    return ParkedFor(ae_title=one.ae_title, address=one.address, port=one.port, tls=one.tls)


def by_hand(host: Host) -> tuple[str, ...]:
    """The modalities that do not send again what was refused to them."""
    return tuple(one.ae_title for one in host.modalities if one.retry == "manual")


def unsaid(host: Host) -> tuple[str, ...]:
    """Those of which nobody has said whether they do."""
    return tuple(one.ae_title for one in host.modalities if one.retry is None)


def told(parking: HostParking | None, resend: tuple[str, ...], unknown: tuple[str, ...]) -> str:
    """What becomes of images that are sent meanwhile, in a line."""
    if parking is not None:
        what = f"what modalities send is parked, up to {parking.quota_mib} MiB"
    else:
        what = "what modalities send is refused"
    parts = [what]
    if resend:
        parts.append(f"what is refused must be sent again by hand at {listed(resend)}")
    if unknown:
        parts.append(f"not declared whether they send again: {listed(unknown)}")
    return "; ".join(parts)


def listed(names: tuple[str, ...]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
