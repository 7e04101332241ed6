"""The synthetic study that a round trip sends, and how its traces are recognised.

Every UID of ours lies below one root, made for this purpose, and every patient id begins with a
reserved prefix: what is removed again must carry both. No clinical object can.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from pydicom import Dataset

from orchestrator.wire.dicom import EXPLICIT
from orchestrator.wire.objects import StoredObject, encode

#: A UUID-derived UID (PS3.5 annex B.2), ours for good.
PROBE_ROOT = "2.25.15433820571938450212"
PATIENT_PREFIX = "WARDSHIP-"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: Side of the square image, in pixels.
SIDE = 64


@dataclass(frozen=True)
class Probe:
    """One synthetic study of one series."""

    study: str
    series: str
    patient: str
    objects: tuple[StoredObject, ...]


def is_ours(study: str, patient: str) -> bool:
    """Whether a study was sent by a probe, this one or an earlier one that was killed."""
    return study.startswith(f"{PROBE_ROOT}.") and patient.startswith(PATIENT_PREFIX)


def make_probe(*, token: int | None = None) -> Probe:
    """A fresh study of two images. ``token``: what makes its UIDs its own (random by default)."""
    own = secrets.randbits(62) if token is None else token
    study, series = f"{PROBE_ROOT}.{own}", f"{PROBE_ROOT}.{own}.1"
    patient = f"{PATIENT_PREFIX}{own:x}"
    images = [_image(study, series, patient, number=n, salt=own) for n in (1, 2)]
    return Probe(study, series, patient, tuple(encode(image, EXPLICIT) for image in images))


def _image(study: str, series: str, patient: str, *, number: int, salt: int) -> Dataset:
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = SECONDARY_CAPTURE
    image.SOPInstanceUID = f"{series}.{number}"
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.PatientID, image.PatientName = patient, "Wardship^Própria^Prova"
    image.PatientBirthDate, image.PatientSex = "", "O"
    image.StudyDate, image.StudyTime = "20000101", "000000"
    image.StudyID, image.AccessionNumber = "WARDSHIP", ""
    image.ReferringPhysicianName = ""
    image.StudyDescription = "Synthetic study, to be removed"
    image.Modality, image.ConversionType = "OT", "SYN"
    image.SeriesNumber, image.InstanceNumber = 1, number
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = SIDE
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelRepresentation = 0
    image.PixelData = _pixels(number, salt)
    return image


def _pixels(number: int, salt: int) -> bytes:
    """A pattern of 12-bit values in which a row or column that is lost or moved shows."""
    values = (
        (x * 37 + y * 1013 + number * 251 + salt % 4093) % 4096
        for y in range(SIDE)
        for x in range(SIDE)
    )
    return b"".join(value.to_bytes(2, "little") for value in values)
