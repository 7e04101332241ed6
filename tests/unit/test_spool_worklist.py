"""The worklist while the door is shut: exported from the product, and matched as PS3.4 says."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom import build_context

from orchestrator.spool import contexts, worklist
from orchestrator.spool.client import CannotError
from orchestrator.spool.settings import load
from tests.fakes.product import CT, EXPLICIT, free_port, running
from tests.unit.spool_scene import spool

PLAIN = [str(one) for one in contexts.PLAIN]


def entry(number: int, *, name: str, modality: str, day: str, time: str = "0930") -> Dataset:
    """One that is scheduled, of nobody."""
    made, step = Dataset(), Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientID, made.PatientName = f"LAB-{number}", name
    made.AccessionNumber, made.StudyInstanceUID = f"A{number}", f"2.25.{number}"
    step.Modality, step.ScheduledStationAETitle = modality, f"{modality}1"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = day, time
    step.ScheduledProcedureStepID = f"S{number}"
    made.ScheduledProcedureStepSequence = Sequence([step])
    return made


ENTRIES = [
    entry(1, name="SYNTHETIC^Próva", modality="CT", day="20260105"),
    entry(2, name="Synthetic^Other", modality="MR", day="20260106", time="101500"),
    entry(3, name="SYNTHETIC^PATIENT^^^", modality="CT", day="20260107", time="23"),
]


def query(**keys: str) -> Dataset:
    """A C-FIND for these; those of a step begin with ``step_``."""
    made, step = Dataset(), Dataset()
    made.PatientName = made.AccessionNumber = None
    step.Modality = step.ScheduledPerformingPhysicianName = None
    for key, value in keys.items():
        setattr(step if key.startswith("step_") else made, key.removeprefix("step_"), value)
    made.ScheduledProcedureStepSequence = Sequence([step])
    return made


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a product's worklist became."""
    directory = tmp_path_factory.mktemp("spool")
    with running() as product:
        product.worklist = ENTRIES
        place = spool(directory, product=(product.port, product.hl7_port))
        assert worklist.export(load(place.directory), caller="CT1") == len(ENTRIES)
    return directory


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, ["A1", "A2", "A3"]),
        ({"AccessionNumber": "A2"}, ["A2"]),
        ({"AccessionNumber": "a2"}, []),
        ({"AccessionNumber": "A?"}, ["A1", "A2", "A3"]),
        ({"PatientName": "synthetic^p*"}, ["A1", "A3"]),
        ({"PatientName": "SYNTHETIC^PRÓVA"}, ["A1"]),
        ({"PatientName": "SYNTHETIC^PATIENT"}, ["A3"]),
        ({"PatientName": "[S]*"}, []),
        ({"StudyInstanceUID": "2.25.1\\2.25.3"}, ["A1", "A3"]),
        ({"step_Modality": "CT"}, ["A1", "A3"]),
        ({"step_ScheduledProcedureStepStartDate": "20260106-20260107"}, ["A2", "A3"]),
        ({"step_ScheduledProcedureStepStartDate": "-20260105"}, ["A1"]),
        ({"step_ScheduledProcedureStepStartDate": "20260107-"}, ["A3"]),
        ({"step_ScheduledProcedureStepStartTime": "0900-1015"}, ["A1", "A2"]),
        ({"step_Modality": "CT", "step_ScheduledProcedureStepStartDate": "20260107"}, ["A3"]),
        ({"PatientBirthDate": "19700101"}, []),
    ],
)
def test_a_query_finds_what_it_asks_for(
    exported: Path, keys: dict[str, str], found: list[str]
) -> None:
    there = list(worklist.matches(exported, query(**keys)))
    assert [one.AccessionNumber for one in there] == found


def test_an_answer_holds_what_was_asked_and_no_more(exported: Path) -> None:
    (found,) = worklist.matches(exported, query(AccessionNumber="A1"))
    (step,) = found.ScheduledProcedureStepSequence
    assert {each.keyword for each in found} == {
        "SpecificCharacterSet", "PatientName", "AccessionNumber", "ScheduledProcedureStepSequence",
    }  # fmt: skip
    assert step.Modality == "CT"
    assert step["ScheduledPerformingPhysicianName"].is_empty
    assert found.PatientName == "SYNTHETIC^Próva"


def test_a_scanner_is_answered_from_it(exported: Path) -> None:
    accepted = {CT: [EXPLICIT], contexts.WORKLIST: PLAIN}
    place = spool(exported, accepted=accepted)
    asked = [build_context(contexts.WORKLIST, PLAIN)]
    with place.serving(), place.association(contexts=asked) as link:
        answers = list(link.send_c_find(query(PatientName="SYNTHETIC*"), contexts.WORKLIST))
    assert [answer.Status for answer, _ in answers] == [0xFF00, 0xFF00, 0xFF00, 0]


def test_a_worklist_that_is_not_given_whole_is_none(tmp_path: Path) -> None:
    place = spool(tmp_path, product=(free_port(), 1))
    with pytest.raises(CannotError):
        worklist.export(load(place.directory), caller="CT1")
    accepted = {CT: [EXPLICIT], contexts.WORKLIST: PLAIN}
    asked = [build_context(contexts.WORKLIST, PLAIN), build_context(CT, EXPLICIT)]
    place = spool(tmp_path, accepted=accepted)
    with place.serving(), place.association(contexts=asked) as link:
        assert [one.abstract_syntax for one in link.accepted_contexts] == [CT]
