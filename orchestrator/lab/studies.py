"""Synthetic studies: what a hospital's archive holds in the lab.

The same site and seed give the same objects, always. All is invented and says so: patient ids begin
with ``LAB-``, names mean "synthetic" in their language. Among them are the studies that
archives were seen to lose: without a study date, with an empty one, compressed, multi-frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO

import numpy as np
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset

from orchestrator.lab import pixels

PATIENT_ID_PREFIX = "LAB-"
_FIRST_DAY = date(2024, 1, 8)
_STUDIES = 40


@dataclass(frozen=True)
class Kind:
    """What one modality makes: images a study, and the grid and frames of each."""

    modality: str
    sop_class: uid.UID
    images: int
    size: int
    frames: int = 1
    bits: int = 12
    colour: bool = False


CT = Kind("CT", uid.CTImageStorage, images=14, size=192)
MR = Kind("MR", uid.MRImageStorage, images=12, size=128)
DX = Kind("DX", uid.DigitalXRayImageStorageForPresentation, images=2, size=256, bits=14)
CR = Kind("CR", uid.ComputedRadiographyImageStorage, images=1, size=256, bits=10)
US = Kind("US", uid.UltrasoundMultiFrameImageStorage, images=2, size=96, frames=10, bits=8)
SC = Kind("SC", uid.SecondaryCaptureImageStorage, images=1, size=96, bits=8, colour=True)
_ROUND = (CT, DX, MR, US, CT, CR, MR, SC)

#: Character set (PS3.3 section C.12.1.1.2) and a name in it; None is the default repertoire.
NAMES: tuple[tuple[str | None, str], ...] = (
    (None, "SYNTHETIC^PATIENT {n}"),
    ("ISO_IR 100", "SINTÉTICO^DOENTE FICÇÃO {n}"),
    ("ISO_IR 127", "اصطناعي^مريض {n}"),
    ("ISO_IR 192", "SYNTHÉTIQUE^ÊTRE FABRIQUÉ {n}"),
    ("ISO_IR 192", "اصطناعي^مريض {n}"),
)
_SYNTAXES = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.RLELossless)
#: Places in the list of studies whose date is there but empty, and not there at all.
EMPTY_DATE, NO_DATE = 5, 6


@dataclass(frozen=True)
class Archive:
    """Which archive: ``site`` tells hospitals apart, ``seed`` their generations."""

    site: str
    seed: int = 1
    studies: int = _STUDIES


def generate(archive: Archive) -> Iterator[Dataset]:
    """Every object of the archive, in the order of its studies."""
    for number in range(1, archive.studies + 1):
        yield from study(archive, number)


def study(archive: Archive, number: int) -> Iterator[Dataset]:
    """The objects of one study; ``number`` counts from 1 and decides everything about it."""
    kind = _ROUND[(number - 1) % len(_ROUND)]
    syntax = _SYNTAXES[(number - 1) % len(_SYNTAXES)]
    for image in range(1, kind.images + 1):
        yield instance(archive, number, image, kind=kind, syntax=syntax)


def instance(
    archive: Archive,
    number: int,
    image: int,
    *,
    kind: Kind,
    syntax: uid.UID = uid.ExplicitVRLittleEndian,
) -> Dataset:
    """One object, with file meta information; the ``image``-th of its study, from 1."""
    made = Dataset()
    identity = (archive.site, archive.seed, number)
    made.file_meta = FileMetaDataset()
    made.SOPClassUID, made.SOPInstanceUID = kind.sop_class, _uid(*identity, 1, image)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.StudyInstanceUID, made.SeriesInstanceUID = _uid(*identity), _uid(*identity, 1)
    _describe_patient(made, archive.site, number)
    _describe_study(made, archive.site, number, kind)
    made.SeriesNumber, made.InstanceNumber = 1, image
    pixels.paint(made, kind, np.random.default_rng(_number(*identity, 1, image)), image=image)
    _encode(made, syntax)
    return made


def as_file(dataset: Dataset) -> bytes:
    """The object as a DICOM file (PS3.10)."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _describe_patient(made: Dataset, site: str, number: int) -> None:
    charset, name = NAMES[(number - 1) % len(NAMES)]
    if charset is not None:
        made.SpecificCharacterSet = charset
    made.PatientName = name.format(n=number)
    made.PatientID = f"{PATIENT_ID_PREFIX}{site.upper()}-{number:05d}"
    made.PatientBirthDate = f"{1940 + number % 60}0101"
    made.PatientSex = "MFO"[number % 3]


def _describe_study(made: Dataset, site: str, number: int, kind: Kind) -> None:
    made.Modality = kind.modality
    if number == EMPTY_DATE:
        made.StudyDate = None
    elif number != NO_DATE:
        made.StudyDate = (_FIRST_DAY + timedelta(days=number)).strftime("%Y%m%d")
    made.StudyTime = f"{8 + number % 10:02d}{number % 60:02d}00"
    made.AccessionNumber = f"{site.upper()}{number:06d}"
    made.StudyID = str(number)
    made.StudyDescription = f"LAB {kind.modality}"
    made.SeriesDescription = "SYNTHETIC"
    made.ReferringPhysicianName = ""
    made.Manufacturer = "LAB"
    made.ImageType = ["DERIVED", "SECONDARY"] if kind is SC else ["ORIGINAL", "PRIMARY"]
    if kind is SC:
        made.ConversionType = "SYN"


def _encode(made: Dataset, syntax: uid.UID) -> None:
    if syntax == uid.RLELossless:
        made.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    else:
        made.file_meta.TransferSyntaxUID = syntax


def _number(*identity: object) -> int:
    """A number of 122 bits that only this identity has."""
    written = "/".join(str(part) for part in ("wardship-lab", *identity))
    return int.from_bytes(hashlib.sha256(written.encode()).digest()[:16], "big") >> 6


def _uid(*identity: object) -> str:
    """A UID below 2.25, the root that needs no registration (PS3.5 section B.2)."""
    return f"2.25.{_number(*identity)}"
