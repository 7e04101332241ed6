"""An archive listed over DICOM alone: everything, or an error that says what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydicom import Dataset

from orchestrator.errors import SurveyError
from orchestrator.survey.listing import ListedStudy
from orchestrator.survey.listing_dicom import DicomLister, is_drawn
from orchestrator.verify.probe import make_probe
from orchestrator.wire.dicom import EXPLICIT, DicomClient
from orchestrator.wire.errors import WireError
from orchestrator.wire.objects import encode
from tests.fakes.pacs import FAILURE, FakePacs

KEY = b"k" * 32


@pytest.fixture(scope="module")
def running() -> Iterator[FakePacs]:
    with FakePacs() as pacs:
        yield pacs


@pytest.fixture
def pacs(running: FakePacs) -> FakePacs:
    """With three studies of 2024, 2025 and 2026."""
    running.mend()
    for number in range(3):
        for stored in make_probe(token=number + 1).objects:
            dataset = stored.dataset()
            dataset.StudyDate = f"{2024 + number}0301"
            dated = encode(dataset, EXPLICIT)
            running.objects[dated.sop_instance] = dated
    return running


def listed(pacs: FakePacs, *, retrieve: int = 0, key: bytes = KEY) -> list[ListedStudy]:
    with DicomClient(pacs.peer()) as finder, DicomClient(pacs.peer()) as getter:
        return list(DicomLister(finder, getter, key=key, retrieve=retrieve).studies())


def test_every_object_is_listed_in_its_series(pacs: FakePacs) -> None:
    studies = listed(pacs)
    found = [uid for study in studies for series in study.series for uid in series.instances]
    assert sorted(found) == sorted(pacs.objects)
    assert [study.study for study in studies] == sorted(study.study for study in studies)
    assert {series.modality for study in studies for series in study.series} == {"OT"}


def test_what_people_are_called_is_not_in_it(pacs: FakePacs) -> None:
    text = " ".join(study.model_dump_json() for study in listed(pacs))
    for stored in pacs.objects.values():
        dataset = stored.dataset()
        assert str(dataset.PatientID) not in text
        assert str(dataset.PatientName) not in text
    (first, *_), (other, *_) = listed(pacs), listed(pacs, key=b"o" * 32)
    assert first.patient != other.patient


def test_a_patient_who_is_called_otherwise_is_another_digest(pacs: FakePacs) -> None:
    before = listed(pacs)
    pacs.faults.called = "OTHER^NAME"
    after = listed(pacs)
    differ = [
        {name for name in old.said if old.said[name] != new.said.get(name)}
        for old, new in zip(before, after, strict=True)
    ]
    assert differ == [{"PatientName"}] * 3


def test_objects_are_fetched_and_a_flipped_byte_is_seen(pacs: FakePacs) -> None:
    before = listed(pacs, retrieve=1000)
    assert sum(len(study.content) for study in before) == len(pacs.objects)
    pacs.faults.alters = 1
    after = listed(pacs, retrieve=1000)
    for old, new in zip(before, after, strict=True):
        assert old.content.keys() == new.content.keys()
        assert all(old.content[uid][1] != new.content[uid][1] for uid in old.content)


def test_an_archive_that_limits_its_answers_is_found_out(pacs: FakePacs) -> None:
    pacs.faults.limit = 2
    with pytest.raises(SurveyError, match="leaves studies out"):
        listed(pacs)


def test_a_study_that_arrives_meanwhile_is_listed_and_blames_nobody(pacs: FakePacs) -> None:
    whole = pacs.studies
    answers = iter([1, 2])

    def late(query: Dataset) -> list[Dataset]:
        """The first question finds one study less than all others."""
        found = whole(query)
        return found[:-1] if next(answers, None) == 1 else found

    pacs.studies = late  # type: ignore[method-assign]
    try:
        assert len(listed(pacs)) == 3
    finally:
        del pacs.studies


def test_where_no_study_tells_its_number_of_objects_that_is_said(pacs: FakePacs) -> None:
    pacs.faults.uncounted = True
    studies = listed(pacs, retrieve=2)
    assert not any(study.is_counted for study in studies)
    # A sample of about two of six, and never all of them.
    assert sum(len(study.content) for study in studies) < len(pacs.objects)


def test_a_study_that_lists_less_than_it_says_is_refused(pacs: FakePacs) -> None:
    pacs.faults.hides = 1
    with pytest.raises(SurveyError, match="says that it has"):
        listed(pacs)


def test_an_object_that_is_listed_and_not_sent_is_refused(pacs: FakePacs) -> None:
    pacs.faults.drops = 1
    with pytest.raises((SurveyError, WireError)):
        listed(pacs, retrieve=1000)


def test_an_archive_that_refuses_gives_no_listing(pacs: FakePacs) -> None:
    pacs.faults.find = FAILURE
    with pytest.raises(WireError):
        listed(pacs)


def test_nobody_there_is_no_empty_archive(pacs: FakePacs) -> None:
    away = replace(pacs.peer(), port=1)
    with pytest.raises(WireError):
        list(DicomLister(DicomClient(away), DicomClient(away), key=KEY).studies())


def test_an_empty_archive_is_empty(pacs: FakePacs) -> None:
    pacs.objects.clear()
    assert listed(pacs) == []


def test_a_larger_sample_holds_the_smaller_one() -> None:
    uids = [f"1.2.{number}" for number in range(2000)]
    few, many = ({uid for uid in uids if is_drawn(uid, share)} for share in (0.1, 0.3))
    assert few < many
    assert 120 < len(few) < 280
    assert all(is_drawn(uid, 1.0) for uid in uids)
    assert not any(is_drawn(uid, 0.0) for uid in uids)
