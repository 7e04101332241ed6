"""A PACS on loopback that lives by DICOM's rules, and breaks one of them when told to.

Answers C-ECHO, C-STORE, C-FIND, C-GET and C-MOVE out of memory, under its own AE title only.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import httpx
from pydicom import Dataset, dcmwrite
from pydicom.filebase import DicomBytesIO
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt

from orchestrator.spool.client import leave_answers
from orchestrator.wire.association import Peer
from orchestrator.wire.dicom import EXPLICIT, FIND, GET, IMPLICIT, MOVE, VERIFICATION
from orchestrator.wire.objects import StoredObject
from orchestrator.wire.receiver import received

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PENDING, SUCCESS, FAILURE, UNKNOWN_DESTINATION = 0xFF00, 0x0000, 0xC000, 0xA801


@dataclass
class Faults:
    """What is broken. The default is nothing."""

    #: Seconds before any answer.
    slow: float = 0.0
    #: The status of every C-STORE.
    store: int = SUCCESS
    #: The status of every C-FIND.
    find: int = SUCCESS
    #: End the association in the middle of a C-FIND.
    hangs_up: bool = False
    #: Add this to the last byte of every object that goes out.
    alters: int = 0
    #: Write something of its own into the header of every object that goes out.
    signs: bool = False
    #: Objects that C-GET and C-MOVE leave out without a word.
    drops: int = 0
    #: Give every object that goes out another UID.
    renames: bool = False
    #: Answer as if nothing were stored.
    empty: bool = False
    #: What every patient is called.
    called: str = ""
    #: Patients are not found by their names.
    nameless: bool = False
    #: No more studies than this are told to one question; 0 is no limit.
    limit: int = 0
    #: Objects that are counted in their study and never listed.
    hides: int = 0
    #: How many objects a study has is not told.
    uncounted: bool = False


@dataclass
class FakePacs:
    """Listens while the context lasts. ``destinations``: AE title → port on loopback."""

    ae_title: str = "FAKEPACS"
    destinations: dict[str, int] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    objects: dict[str, StoredObject] = field(default_factory=dict)
    associations: int = 0
    #: What it speaks TLS with; in the clear without.
    secured: ssl.SSLContext | None = None
    _server: Any = None

    def __enter__(self) -> Self:
        entity = AE(ae_title=self.ae_title)
        entity.require_called_aet = True
        for service in (VERIFICATION, FIND, GET, MOVE):
            entity.add_supported_context(service, [EXPLICIT, IMPLICIT])
        entity.add_supported_context(
            SECONDARY_CAPTURE, [EXPLICIT, IMPLICIT], scu_role=True, scp_role=True
        )
        self._server = entity.start_server(
            ("127.0.0.1", 0),
            block=False,
            ssl_context=self.secured,
            evt_handlers=[
                (evt.EVT_ACCEPTED, self._count),
                (evt.EVT_C_ECHO, self._echo),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_C_FIND, self._find),
                (evt.EVT_C_GET, self._get),
                (evt.EVT_C_MOVE, self._move),
            ],
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()

    def mend(self) -> None:
        """As new: nothing stored, nothing broken, nobody known."""
        self.faults, self.objects, self.destinations = Faults(), {}, {}
        self.associations = 0
        self.allow(10)

    def allow(self, associations: int) -> None:
        """So many at a time, and no more."""
        self._server.ae.maximum_associations = associations

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def peer(self, **other: Any) -> Peer:
        """This PACS as its clients know it."""
        return replace(Peer("127.0.0.1", self.port, self.ae_title, timeout=5.0), **other)

    def _count(self, _event: Any) -> None:
        self.associations += 1

    def _echo(self, _event: Any) -> int:
        time.sleep(self.faults.slow)
        return SUCCESS

    def _store(self, event: Any) -> int:
        if self.faults.store == SUCCESS:
            arrived = received(event)
            self.objects[arrived.sop_instance] = arrived
        return self.faults.store

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        if self.faults.find != SUCCESS:
            yield self.faults.find, None
            return
        for answer in self.answers(event.identifier):
            yield PENDING, answer
            if self.faults.hangs_up:
                event.assoc.abort()

    def answers(self, query: Dataset) -> list[Dataset]:
        """What C-FIND gives, at each of the three levels."""
        level = str(query.get("QueryRetrieveLevel"))
        if level == "STUDY":
            return self.studies(query)[: self.faults.limit or None]
        found: dict[str, Dataset] = {}
        for stored in self._matching(query)[self.faults.hides :]:
            dataset, answer = stored.dataset(), Dataset()
            answer.QueryRetrieveLevel = level
            answer.StudyInstanceUID = dataset.StudyInstanceUID
            answer.SeriesInstanceUID = dataset.SeriesInstanceUID
            answer.Modality = dataset.Modality
            if level == "IMAGE":
                answer.SOPInstanceUID = stored.sop_instance
                answer.SOPClassUID = stored.sop_class
            key = stored.sop_instance if level == "IMAGE" else str(dataset.SeriesInstanceUID)
            found[key] = answer
        return list(found.values())

    def studies(self, query: Dataset) -> list[Dataset]:
        found: dict[str, Dataset] = {}
        for stored in self._matching(query):
            dataset = stored.dataset()
            answer = found.setdefault(dataset.StudyInstanceUID, Dataset())
            answer.QueryRetrieveLevel = "STUDY"
            answer.StudyInstanceUID = dataset.StudyInstanceUID
            answer.PatientID = dataset.PatientID
            answer.StudyDate = dataset.get("StudyDate", "")
            answer.PatientName = self.faults.called or dataset.PatientName
            answer.SOPClassesInStudy = stored.sop_class
            count = int(answer.get("NumberOfStudyRelatedInstances") or 0)
            answer.NumberOfStudyRelatedInstances = count + 1
        for answer in found.values() if self.faults.uncounted else ():
            del answer.NumberOfStudyRelatedInstances
        return list(found.values())

    def _matching(self, query: Dataset) -> list[StoredObject]:
        if self.faults.empty or (self.faults.nameless and query.get("PatientName")):
            return []
        return [stored for stored in self.objects.values() if _matches(stored.dataset(), query)]

    def outgoing(self, query: Dataset) -> list[Dataset]:
        matching = self._matching(query)[self.faults.drops :]
        going = [self._altered(stored).dataset() for stored in matching]
        for dataset in going if self.faults.signs else ():
            dataset.InstitutionName = "FAKE"
        for dataset in going if self.faults.renames else ():
            dataset.SOPInstanceUID = UID(f"{dataset.SOPInstanceUID}.9")
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return going

    def _altered(self, stored: StoredObject) -> StoredObject:
        last = (stored.data[-1] + self.faults.alters) % 256
        return replace(stored, data=stored.data[:-1] + bytes([last]))

    def _get(self, event: Any) -> Iterator[Any]:
        going = self.outgoing(event.identifier)
        yield len(going)
        for dataset in going:
            yield PENDING, dataset

    def _move(self, event: Any) -> Iterator[Any]:
        port = self.destinations.get(event.move_destination)
        if port is None:
            yield None, None
            return
        contexts = [build_context(SECONDARY_CAPTURE, EXPLICIT)]
        told = {
            "ae_title": event.move_destination,
            "contexts": contexts,
            "evt_handlers": [(evt.EVT_CONN_OPEN, leave_answers)],
        }
        yield "127.0.0.1", port, told
        going = self.outgoing(event.identifier)
        yield len(going)
        for dataset in going:
            yield PENDING, dataset


def _matches(dataset: Dataset, query: Dataset) -> bool:
    """Single value, list of UID and trailing wildcard matching (PS3.4 annex C.2.2.2)."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        wanted = query.get(keyword)
        if not wanted:
            continue
        value = str(dataset.get(keyword))
        listed = [wanted] if isinstance(wanted, str) else [str(uid) for uid in wanted]
        prefix = str(wanted).removesuffix("*") if str(wanted).endswith("*") else None
        if not (value in listed or (prefix is not None and value.startswith(prefix))):
            return False
    first, dash, last = str(query.get("StudyDate") or "").partition("-")
    date = str(dataset.get("StudyDate") or "")
    return not dash or (bool(date) and date >= first and (not last or date <= last))


def dicomweb(pacs: FakePacs) -> httpx.MockTransport:
    """The same archive's DICOMweb service."""

    def answer(request: httpx.Request) -> httpx.Response:
        words = request.url.path.strip("/").split("/")
        if words[-1] == "studies":
            return httpx.Response(200, json=[_as_json(study) for study in pacs.studies(Dataset())])
        query = Dataset()
        query.SOPInstanceUID = words[-1]
        found = [_file(stored) for stored in pacs.outgoing(query)]
        if not found:
            return httpx.Response(404)
        parts = [b"--edge\r\n\r\n" + content + b"\r\n" for content in found]
        kind = 'multipart/related; type="application/dicom"; boundary=edge'
        return httpx.Response(
            200, content=b"".join(parts) + b"--edge--", headers={"Content-Type": kind}
        )

    return httpx.MockTransport(answer)


def _as_json(study: Dataset) -> dict[str, object]:
    count = int(study.NumberOfStudyRelatedInstances or 0)
    return {
        "0020000D": {"vr": "UI", "Value": [str(study.StudyInstanceUID)]},
        "00201208": {"vr": "IS", "Value": [count]},
    }


def _file(dataset: Dataset) -> bytes:
    stream = DicomBytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
