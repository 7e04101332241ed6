"""The modality worklist (PS3.4 annex K) as the product last gave it: exported, then answered from.

Matching is PS3.4 section C.2.2.2: single value, list of UIDs, universal, wild card, range,
sequence. What a query asks for and an entry does not have comes back empty.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pynetdicom import build_context

from .client import CannotError, opened
from .contexts import PLAIN, WORKLIST
from .settings import Settings
from .store import sync

DIRECTORY = "worklist"
PENDING = (0xFF00, 0xFF01)
#: What is asked for, so that whatever a modality may ask for later is there: PS3.4 table K.6-1.
STEP = (
    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime",
    "Modality", "ScheduledPerformingPhysicianName", "ScheduledProcedureStepDescription",
    "ScheduledStationName", "ScheduledProcedureStepLocation", "PreMedication",
    "ScheduledProcedureStepID", "RequestedContrastAgent", "ScheduledProcedureStepStatus",
)  # fmt: skip
ENTRY = (
    "SpecificCharacterSet", "RequestedProcedureID", "RequestedProcedureDescription",
    "StudyInstanceUID", "StudyDate", "StudyTime", "RequestedProcedurePriority",
    "PatientTransportArrangements", "AccessionNumber", "RequestingPhysician",
    "ReferringPhysicianName", "AdmissionID", "CurrentPatientLocation", "PatientName", "PatientID",
    "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientSize", "PatientWeight",
    "ConfidentialityConstraintOnPatientDataDescription", "PatientState", "PregnancyStatus",
    "MedicalAlerts", "Allergies", "SpecialNeeds", "AdditionalPatientHistory",
    "EthnicGroup", "PatientComments", "InstitutionName", "RequestingService",
    "ReasonForTheRequestedProcedure", "RequestedProcedureComments",
)  # fmt: skip
CODES = ("ScheduledProtocolCodeSequence", "RequestedProcedureCodeSequence")
REFERENCES = ("ReferencedStudySequence", "ReferencedPatientSequence")
RANGES = ("DA", "TM", "DT")
#: Value representations in which an asterisk or a question mark stands for other characters.
WILD = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")


def export(settings: Settings, *, caller: str) -> int:
    """Ask the product for everything on its worklist, and keep it; how many entries.

    Raises:
        CannotError: it did not give it whole.
        OSError: the disk refused.
    """
    aside = settings.directory / f"{DIRECTORY}.new"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    contexts = [build_context(WORKLIST, list(PLAIN))]
    with opened(settings, contexts, caller=caller) as association:
        number, last = 0, -1
        for status, found in association.send_c_find(_everything(), WORKLIST):
            last = int(status.Status) if status and "Status" in status else -1
            if last in PENDING and found is not None:
                number += 1
                _write(found, aside / f"{number:06d}")
    if last != 0:
        raise CannotError(f"the worklist was not given whole: status {last:#06x}")
    sync(aside)
    aside.rename(settings.directory / DIRECTORY)
    sync(settings.directory)
    return number


def _everything() -> Dataset:
    query, step = Dataset(), Dataset()
    for name in ENTRY:
        setattr(query, name, None)
    for name in STEP:
        setattr(step, name, None)
    for name in (*CODES, *REFERENCES):
        setattr(step if name == CODES[0] else query, name, Sequence([]))
    query.ScheduledProcedureStepSequence = Sequence([step])
    return query


def _write(found: Dataset, path: Path) -> None:
    found.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def matches(directory: Path, query: Dataset) -> Iterator[Dataset]:
    """What the query asks for of each entry that matches it."""
    for path in sorted((directory / DIRECTORY).iterdir()):
        entry = _read(path)
        if _fits(query, entry):
            yield _asked(query, entry)


def _read(path: Path) -> Dataset:
    return dcmread(path, force=True)


def _fits(query: Dataset, entry: Dataset) -> bool:
    return all(_element_fits(wanted, entry) for wanted in query if _is_key(wanted))


def _is_key(wanted: DataElement) -> bool:
    return wanted.keyword != "SpecificCharacterSet" and not wanted.tag.is_private


def _element_fits(wanted: DataElement, entry: Dataset) -> bool:
    there = entry.get(wanted.tag)
    if wanted.VR == "SQ":
        items: list[Dataset] = list(there.value) if there is not None else []
        keys = [item for item in wanted.value if any(not each.is_empty for each in item)]
        return not keys or any(_fits(keys[0], item) for item in items)
    if wanted.is_empty:
        return True
    values = _texts(there)
    return any(
        _value_fits(str(key), value, wanted.VR) for key in _listed(wanted) for value in values
    )


def _listed(wanted: DataElement) -> list[Any]:
    return list(wanted.value) if wanted.VM > 1 else [wanted.value]


def _texts(there: Any) -> list[str]:
    if there is None or there.is_empty:
        return [""]
    return [str(each).strip() for each in (there.value if there.VM > 1 else [there.value])]


def _value_fits(key: str, value: str, representation: str) -> bool:
    key = key.strip()
    if key == "*":
        return True
    if representation in RANGES and "-" in key:
        low, _, high = key.partition("-")
        return bool(value) and _from(low, value) and _until(value, high)
    if representation in WILD and re.search(r"[*?]", key):
        pattern = re.sub(r"\[", "[[]", key)
        return fnmatch.fnmatchcase(_folded(value, representation), _folded(pattern, representation))
    return _folded(value, representation) == _folded(key, representation)


def _from(low: str, value: str) -> bool:
    return not low or value >= low


def _until(value: str, high: str) -> bool:
    """An end that is less precise than a value includes all of it: 12 is until 12:59:59."""
    return not high or value[: len(high)] <= high


def _folded(text: str, representation: str) -> str:
    """Names match whatever their case, and trailing empty components do not count."""
    return text.casefold().rstrip("^=") if representation == "PN" else text


def _asked(query: Dataset, entry: Dataset) -> Dataset:
    answer = Dataset()
    if "SpecificCharacterSet" in entry:
        answer.SpecificCharacterSet = entry.SpecificCharacterSet
    for wanted in query:
        if not _is_key(wanted):
            continue
        there = entry.get(wanted.tag)
        if wanted.VR == "SQ":
            items = list(there.value) if there is not None else []
            keys = list(wanted.value)
            if keys and len(keys[0]):
                items = [_asked(keys[0], item) for item in items if _fits(keys[0], item)]
            answer[wanted.tag] = DataElement(wanted.tag, "SQ", Sequence(items))
        else:
            answer[wanted.tag] = (
                there if there is not None else DataElement(wanted.tag, wanted.VR, None)
            )
    return answer
