"""The modality worklist of the RIS's orders, as files that a worklist server answers from.

One file an order and station (PS3.4 annex K), which DCMTK's ``wlmscpfs`` and Orthanc's worklist
plugin read. Each is replaced whole; while the RIS does not answer, the last ones stay.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from .orders import CANCELLED_HERE, LONGEST
from .patients import ORDER
from .ris import Ris, as_moment, day, moment
from .settings import Settings, Station, Worklist

#: PS3.4 table K.5.
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
#: UTF-8, as of PS3.3 table C.12-5.
CHARSET = "ISO_IR 192"
GENDERS = {"f": "F", "m": "M", "other": "O", "nb": "O"}
#: ``wlmscpfs`` locks the directory by it.
LOCK = "lockfile"
#: Orders of the verifier's own begin with it; they are for its own station and for no modality.
VERIFIER = "WARDSHIP"
SUFFIX = ".wl"


class Exporter:
    """Keeps the files of one RIS's orders as the orders are."""

    def __init__(self, ris: Ris, settings: Settings, worklist: Worklist) -> None:
        self._ris = ris
        self._settings = settings
        self._worklist = worklist

    def export(self) -> int:
        """Bring the files to what the RIS says; how many there are now.

        Raises:
            NotNowError: the RIS does not say it; the files stay.
            OSError: the disk refused.
        """
        wanted = dict(self._entries())
        directory = self._worklist.directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / LOCK).touch()
        for name, content in wanted.items():
            _write(directory / name, content)
        for path in directory.iterdir():
            if path.name not in wanted and path.name != LOCK:
                path.unlink()
        return len(wanted)

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        person = f"patient.{self._ris.person}"
        of_person = [f"{person}.{name}" for name in ("ref", "name", "lastname", "gender", "dob")]
        fields = ["request", "request_line", "date", "urgent", "comment"]
        others = ["requested_test.code", "requested_test.name", "doctor.rec_name"]
        found = self._ris.search(ORDER, [*fields, *of_person, *others], self._current())
        for order in found:
            if str(order["comment"] or "").startswith(CANCELLED_HERE):
                continue
            for station in self._stations(order):
                content = self._file(order, order["patient."][f"{self._ris.person}."], station)
                yield f"{order['id']}-{station.ae_title}{SUFFIX}", content

    def _current(self) -> list[Any]:
        now = datetime.now(UTC)
        since = as_moment(now - timedelta(days=self._worklist.days_back))
        until = as_moment(now + timedelta(days=self._worklist.days_ahead))
        dated = [["date", ">=", since], ["date", "<", until]]
        return [
            ["state", "=", "requested"],
            ["OR", dated, [["request", "like", f"{VERIFIER}%"]]],
        ]

    def _stations(self, order: dict[str, Any]) -> list[Station]:
        number, code = str(order["request"] or ""), order["requested_test."]["code"]
        if not number or len(number) > LONGEST:
            return []  # its accession number cannot be told in DICOM
        if number.startswith(VERIFIER):
            return [Station(VERIFIER, "OT", frozenset())]
        return [one for one in self._worklist.stations if code in one.tests]

    def _file(self, order: dict[str, Any], person: dict[str, Any], station: Station) -> bytes:
        at = moment(order["date"]).astimezone(self._settings.timezone)
        what = str(order["requested_test."]["name"])[:64]
        entry, step = Dataset(), Dataset()
        entry.SpecificCharacterSet = CHARSET
        entry.AccessionNumber = order["request"]
        entry.ReferringPhysicianName = ""
        entry.ReferencedStudySequence = Sequence([])
        entry.ReferencedPatientSequence = Sequence([])
        entry.PatientName = _name(person)
        entry.PatientID = person["ref"]
        entry.PatientBirthDate = _date(day(person["dob"]))
        entry.PatientSex = GENDERS.get(person["gender"], "")
        entry.StudyInstanceUID = self._study(str(order["request_line"] or order["request"]))
        entry.RequestingPhysician = str((order.get("doctor.") or {}).get("rec_name") or "")[:64]
        entry.RequestedProcedureDescription = what
        entry.RequestedProcedureID = str(order["id"])
        entry.RequestedProcedurePriority = "STAT" if order["urgent"] else "ROUTINE"
        step.Modality = station.modality
        step.ScheduledStationAETitle = station.ae_title
        step.ScheduledProcedureStepStartDate = _date(at.date())
        step.ScheduledProcedureStepStartTime = at.strftime("%H%M%S")
        step.ScheduledPerformingPhysicianName = ""
        step.ScheduledProcedureStepDescription = what
        step.ScheduledProcedureStepID = str(order["id"])
        entry.ScheduledProcedureStepSequence = Sequence([step])
        return _as_file(entry)

    def _study(self, line: str) -> UID:
        """The same for the same order of the same hospital, also after a change or a restore."""
        told = f"{self._settings.facility}/{line}".encode()
        made = uuid.UUID(bytes=hashlib.sha256(told).digest()[:16], version=4)
        return UID(f"2.25.{made.int}")


def _name(person: dict[str, Any]) -> str:
    parts = [str(person["lastname"] or ""), str(person["name"] or "")]
    return "^".join(each.translate({ord(mark): " " for mark in "^=\\"}) for each in parts)


def _date(of: date | None) -> str:
    return of.strftime("%Y%m%d") if of else ""


def _as_file(entry: Dataset) -> bytes:
    entry.file_meta = FileMetaDataset()
    entry.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    entry.file_meta.MediaStorageSOPClassUID = UID(MODALITY_WORKLIST)
    entry.file_meta.MediaStorageSOPInstanceUID = UID(f"{entry.StudyInstanceUID}")
    held = DicomBytesIO()
    dcmwrite(held, entry, enforce_file_format=True)
    return bytes(held.getvalue())


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    aside = path.with_suffix(".new")
    aside.write_bytes(content)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.rename(path)
