"""Was anything lost? Every acknowledged object must be in the archive, and be the same.

Knows nothing of how wardship looks at an archive: this is the second opinion.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from orchestrator.lab.fingerprint import Fingerprint, fingerprint, fingerprint_of_file
from orchestrator.lab.guest import Rest


class Stored(BaseModel):
    """An object that an archive acknowledged, and what must come back. UIDs as in the object."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sop: str
    study: str
    series: str
    patient: str
    modality: str
    syntax: str
    fingerprint: Fingerprint


class Loss(BaseModel):
    """An object that is not there any more, or no longer what was stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    object: Stored
    because: Literal["missing", "unreadable", "pixels differ", "header differs"]


#: Gives an object as a DICOM file, by any service of the archive; None where it has none.
Fetch = Callable[[Stored], bytes | None]


def describe(dataset: Dataset) -> Stored:
    """What is known of an object when it is sent."""
    return Stored(
        sop=dataset.SOPInstanceUID,
        study=dataset.StudyInstanceUID,
        series=dataset.SeriesInstanceUID,
        patient=dataset.PatientID,
        modality=dataset.Modality,
        syntax=dataset.file_meta.TransferSyntaxUID,
        fingerprint=fingerprint(dataset),
    )


def lost(objects: Iterable[Stored], fetch: Fetch) -> list[Loss]:
    """Every object that is missing or differs; an empty list means that nothing was lost."""
    return [
        Loss(object=stored, because=because)
        for stored in objects
        if (because := _judge(stored, fetch(stored))) is not None
    ]


def held_by(rest: Rest, objects: Iterable[Stored]) -> dict[str, bytes]:
    """The files of these objects as the archive keeps them, by SOP instance UID, in one request.

    What the archive lacks is absent. ``held_by(…).get`` after ``lambda o: o.sop`` is a ``Fetch``.
    """
    there = set(rest.json("/instances"))
    wanted = sorted(there.intersection(orthanc_id(stored) for stored in objects))
    if not wanted:
        return {}
    packed = rest.post("/tools/create-archive", json.dumps(wanted).encode())
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        files = [archive.read(name) for name in archive.namelist()]
    return {str(_header(content).SOPInstanceUID): content for content in files}


def lost_from(rest: Rest, objects: Iterable[Stored]) -> list[Loss]:
    """As ``lost``, with the files that the archive itself gives out."""
    listed = tuple(objects)
    held = held_by(rest, listed)
    return lost(listed, lambda stored: held.get(stored.sop))


def orthanc_id(stored: Stored) -> str:
    """The name by which Orthanc's web service knows an instance: it is made of its UIDs alone."""
    identity = "|".join((stored.patient, stored.study, stored.series, stored.sop))
    digits = hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digits[start : start + 8] for start in range(0, 40, 8))


def _judge(
    stored: Stored, content: bytes | None
) -> Literal["missing", "unreadable", "pixels differ", "header differs"] | None:
    if content is None:
        return "missing"
    try:
        found = fingerprint_of_file(content)
    except (InvalidDicomError, EOFError, ValueError, AttributeError):
        return "unreadable"
    if found.pixels != stored.fingerprint.pixels:
        return "pixels differ"
    if found.header != stored.fingerprint.header:
        return "header differs"
    return None


def _header(content: bytes) -> Dataset:
    return dcmread(BytesIO(content), stop_before_pixels=True)
