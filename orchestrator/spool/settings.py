"""What a spool is told: by the host program, in ``settings.json`` of the change's directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """What the product shows, and the authority of those who call it: paths of PEM files."""

    certificate: str
    key: str
    ca: str


@dataclass(frozen=True)
class Modality:
    """An AE that the product knows: who may send, and where it listens."""

    ae_title: str
    address: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Dicom:
    """The product's DICOM service, and the port that stands in for it."""

    ae_title: str
    port: int
    spool_port: int
    modalities: tuple[Modality, ...]
    #: SOP classes and transfer syntaxes that the release to come does not take.
    refuses: tuple[str, ...] = ()
    tls: Identity | None = None
    #: Whether whoever connects over TLS shows a certificate: certified or any.
    callers: str = "certified"


@dataclass(frozen=True)
class Mllp:
    """An HL7 listener of the product, and the port that stands in for it."""

    port: int
    spool_port: int


@dataclass(frozen=True)
class Settings:
    """All of it. ``quota`` in bytes."""

    directory: Path
    quota: int
    dicom: Dicom
    mllp: tuple[Mllp, ...] = ()


def load(directory: Path) -> Settings:
    """Read them.

    Raises:
        OSError, ValueError, KeyError, TypeError: they are not there, or not whole.
    """
    found: dict[str, Any] = json.loads((directory / "settings.json").read_text(encoding="utf-8"))
    dicom = found["dicom"]
    return Settings(
        directory=directory,
        quota=int(found["quota"]),
        dicom=Dicom(
            ae_title=dicom["ae_title"],
            port=dicom["port"],
            spool_port=dicom["spool_port"],
            modalities=tuple(Modality(**each) for each in dicom["modalities"]),
            refuses=tuple(dicom["refuses"]),
            tls=Identity(**dicom["tls"]) if dicom["tls"] else None,
            callers=dicom["callers"],
        ),
        mllp=tuple(Mllp(**each) for each in found["mllp"]),
    )
