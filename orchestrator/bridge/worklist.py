"""The modality worklist of the RIS's orders, as files that a worklist server answers from.

One file an order and station (PS3.4 annex K), which DCMTK's ``wlmscpfs`` and Orthanc's worklist
plugin read. Each is replaced whole; while the RIS does not answer, the last ones stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.config import IGNORE
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from .order_message import LONGEST
from .orders import is_cancelled
from .ris import ORDER, STUDY, Ris, as_moment, day, moment
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
        #: Order numbers that two patients have; none of them is on the worklist.
        self.shared: list[str] = []
        #: The RIS's study number → the one order that has it.
        self._whose: dict[str, int] = {}

    def export(self) -> int:
        """Bring the files to what the RIS says; how many there are now.

        Raises:
            NotNowError: the RIS does not say it; the files stay.
            OSError: the disk refused.
        """
        wanted = dict(self._entries())
        directory = self._worklist.directory
        directory.mkdir(parents=True, exist_ok=True)
        for other in directory.parent.iterdir():
            if (
                other.is_dir() and other != directory
            ):  # of another AE title, from before: it would be served still
                shutil.rmtree(other)
        for name, content in wanted.items():
            _write(directory / name, content)
        for path in directory.iterdir():
            if path.name not in wanted and path.name != LOCK:
                path.unlink()
        (directory / LOCK).touch()  # when it was exported last
        return len(wanted)

    def _entries(self) -> Iterator[tuple[str, bytes]]:
        person = f"patient.{self._ris.person}"
        of_person = [f"{person}.{name}" for name in ("ref", "name", "lastname", "gender", "dob")]
        fields = ["request", "request_line", "create_date", "date", "urgent", "comment", "patient"]
        fields += [STUDY] if self._ris.numbers_studies() else []
        others = ["requested_test.code", "requested_test.name", "doctor.rec_name"]
        found = self._ris.search(ORDER, [*fields, *of_person, *others], self._current())
        once, studies = self._first_of_their_numbers(found), self._own_studies(found)
        for order in found:
            if is_cancelled(order) or order["id"] not in once:
                continue
            study = studies.get(order["id"]) or self._study(order)
            for station in self._stations(order):
                person = order["patient."][f"{self._ris.person}."]
                content = self._file(order, person, station, study)
                yield f"{order['id']}-{station.ae_title}{SUFFIX}", content

    def _first_of_their_numbers(self, found: list[dict[str, Any]]) -> set[int]:
        """The oldest order of each number; none where two patients have one number.

        People make orders in the RIS too, and its own numbers may meet those of the hospital's
        system: images of both would go into one study.
        """
        numbers = sorted({str(one["request"]) for one in found if one["request"]})
        fields, of = ["request", "patient", "comment"], [["request", "in", numbers]]
        by_number: dict[str, list[dict[str, Any]]] = {}
        for one in self._ris.search(ORDER, fields, of):
            if not is_cancelled(one):
                by_number.setdefault(one["request"], []).append(one)
        self.shared = sorted(
            number for number, of in by_number.items() if len({one["patient"] for one in of}) > 1
        )
        return {
            min(one["id"] for one in of)
            for number, of in by_number.items()
            if number not in self.shared
        }

    def _own_studies(self, found: list[dict[str, Any]]) -> dict[int, UID]:
        """Order → the study number that the RIS itself gave it, by which it finds the images again.

        Of several orders with one number (a copy of an order has its number; a module that is
        activated gives all orders one) it is the oldest's, as it was when it was first asked.
        """
        for number in {str(one[STUDY]) for one in found if one.get(STUDY)} - self._whose.keys():
            for one in self._ris.search(ORDER, ["id"], [[STUDY, "=", number]], limit=1):
                self._whose[number] = int(one["id"])
        given = {one["id"]: UID(one[STUDY], IGNORE) for one in found if one.get(STUDY)}
        return {
            order: study
            for order, study in given.items()
            if study.is_valid and self._whose.get(study) == order
        }

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

    def _file(
        self, order: dict[str, Any], person: dict[str, Any], station: Station, study: UID
    ) -> bytes:
        at = moment(order["date"]).astimezone(self._settings.timezone)
        what = _text(order["requested_test."]["name"])[:64]
        entry, step = Dataset(), Dataset()
        entry.SpecificCharacterSet = CHARSET
        entry.AccessionNumber = _text(order["request"])
        entry.ReferringPhysicianName = ""
        entry.ReferencedStudySequence = Sequence([])
        entry.ReferencedPatientSequence = Sequence([])
        entry.PatientName = _name(person)
        entry.PatientID = _text(person["ref"])
        entry.PatientBirthDate = _date(day(person["dob"]))
        entry.PatientSex = GENDERS.get(person["gender"], "")
        entry.StudyInstanceUID = study
        entry.RequestingPhysician = _text((order.get("doctor.") or {}).get("rec_name"), "^=")[:64]
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

    def _study(self, order: dict[str, Any]) -> UID:
        """Ours: the same for the same order of the same hospital, also after a change or a restore.

        With the moment at which it was made: after a reversal the RIS gives a number again.
        """
        made_at = json.dumps(order["create_date"], sort_keys=True)
        told = f"{self._settings.facility}/{order['request_line']}/{made_at}".encode()
        made = uuid.UUID(bytes=hashlib.sha256(told).digest()[:16], version=4)
        return UID(f"2.25.{made.int}")


def _name(person: dict[str, Any]) -> str:
    return "^".join(_text(person[part], "^=") for part in ("lastname", "name"))


def _text(value: Any, marks: str = "") -> str:
    """Without what would make it several values, or another component, in DICOM."""
    told = str(value or "")
    return "".join(" " if one in f"\\{marks}" or not one.isprintable() else one for one in told)


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
