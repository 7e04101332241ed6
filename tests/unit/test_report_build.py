"""What a report says: the cause, the end, the gaps, the census, what sampling misses."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from orchestrator.report.build import build
from orchestrator.report.counts import may_miss
from orchestrator.report.model import Count, Report
from orchestrator.report.privacy import measures_without_patients, without_patients
from orchestrator.rollout.model import Event, Record, State
from orchestrator.verify.model import CheckReport, CheckResult
from tests import builders_report as build_a
from tests.builders_report import Story, applied, prepared
from tests.builders_report_documents import HOST, PROTECTS, ROOT, census, documents, result

Ended = Callable[[], tuple[Record, dict[str, str]]]
ALL: list[Ended] = [build_a.committed, build_a.restored, build_a.needs_hands, build_a.not_started]


def _report(ended: Ended) -> Report:
    return build(*ended())


def _sentence(record: Record, docs: dict[str, str] | None = None) -> str:
    cause = build(record, docs or {}).cause
    assert cause is not None
    return cause.sentence


@pytest.mark.parametrize("ended", ALL)
def test_a_report_survives_its_json(ended: Ended) -> None:
    report = _report(ended)
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize("ended", ALL)
def test_a_full_journal_leaves_no_gaps(ended: Ended) -> None:
    assert _report(ended).gaps == ()


def test_a_restore_names_the_check_in_its_first_sentence() -> None:
    report = _report(build_a.restored)
    assert report.cause is not None
    assert (report.cause.check, report.cause.host) == ("census-product", HOST)
    assert report.cause.sentence.startswith(
        "hospital-b was put back as it was because the check census-product on pacs-b failed"
    )
    assert report.cause.protects == PROTECTS["census-product"]


def test_a_failed_check_is_named_before_one_that_gave_no_answer() -> None:
    bad = {
        "service-active": CheckResult.unknown("service-active", because="no answer"),
        "retrieve-time": result("retrieve-time", "failed", "p95 4.1 s"),
    }
    record = applied().fails(State.VERIFYING, 5, "pacs-b: service-active").record(State.RESTORED)
    assert "retrieve-time" in _sentence(record, documents("baseline", "applied", applied=bad))


def test_a_commit_has_no_cause() -> None:
    assert _report(build_a.committed).cause is None


def test_a_release_that_did_not_start_is_the_cause_though_no_check_ran() -> None:
    record = (
        prepared().fails(State.APPLYING, 5, "pacs-b: apply failed: bad JSON").record(State.RESTORED)
    )
    assert "the new release did not start: pacs-b: apply failed: bad JSON." in _sentence(record)


def test_a_restore_keeps_its_first_cause_beside_what_stopped_it() -> None:
    report = _report(build_a.needs_hands)
    assert report.cause is not None
    assert report.stopped_by is not None
    assert "no space left on device" in report.cause.sentence
    assert report.stopped_by.check == "archive-files"


def test_an_abort_is_told_as_asked_for() -> None:
    story = Story().fails(State.PREFLIGHT, 0, "stopped by request", event=Event.ABORTED)
    assert "because stopped by request" in _sentence(story.record(State.NOT_STARTED))


def test_a_person_who_puts_a_committed_change_back_is_its_cause() -> None:
    story = applied().does(State.VERIFYING, 4).does(State.COMMITTING, 1).does(State.OPENING, 1)
    story.is_sent(State.COMMITTED, State.REVERSING, "slow").does(State.REVERSING, 1)
    record = story.does(State.RESTORING, 7).record(State.RESTORED, cause="slow")
    assert "a person asked for it: slow" in _sentence(record)


def test_what_happened_before_a_commit_is_not_why_it_is_put_back_later() -> None:
    story = applied().fails(State.VERIFYING, 4, "no answer")
    story.fails(State.REVERTING, 1, "the host had committed", event=Event.OTHERWISE)
    story.does(State.OPENING, 1).is_sent(State.COMMITTED, State.REVERSING, "slow")
    record = story.does(State.REVERSING, 1).record(State.RESTORED, cause="no answer")
    assert "a person asked for it: slow" in _sentence(record)


def test_giving_a_change_back_is_told_and_is_not_its_cause() -> None:
    story = applied().fails(State.VERIFYING, 4, "first").fails(State.REVERTING, 1, "second")
    story.is_sent(State.NEEDS_HANDS, State.RESTORED, "mended the disk")
    report = build(story.record(State.RESTORED, cause="first"), {})
    assert report.cause is not None
    assert "first" in report.cause.sentence
    assert "mended the disk" in report.remarks[0]


def test_a_change_that_could_not_be_put_back_stays_committed_without_a_cause() -> None:
    story = applied().does(State.VERIFYING, 4).does(State.COMMITTING, 1).does(State.OPENING, 1)
    story.is_sent(State.COMMITTED, State.REVERSING, "slow")
    story.fails(State.REVERSING, 1, "a younger change is there")
    report = build(story.record(State.COMMITTED, cause="slow"), {})
    assert report.cause is None
    assert any("a younger change is there" in remark for remark in report.remarks)


def test_a_host_that_went_back_alone_is_told_and_the_outage_ends_when_it_opened() -> None:
    story = applied().fails(State.VERIFYING, 86400, "the line is cut")
    story.hears(State.REVERTING, by="undo timer", reason="nobody went on with the change")
    story.hears(State.RESTORING, seconds={HOST: 3.0}, ended_ago={HOST: 85000.0})
    story.does(State.CONFIRMING, 4)
    story.hears(State.REOPENING, seconds={HOST: 0.1}, ended_ago={HOST: 84000.0})
    report = build(story.record(State.RESTORED, cause="the line is cut"), {})
    assert report.remarks == (
        f"{HOST} had begun to go back by itself (undo timer: nobody went on with the change).",
    )
    assert 2400 < report.outage_seconds < 2500
    assert report.stretches[-1].clinic == "working"


def test_a_reversal_that_a_host_carried_out_alone_is_an_outage_of_its_own_length() -> None:
    story = applied().does(State.VERIFYING, 4).does(State.COMMITTING, 1).does(State.OPENING, 1)
    story.is_sent(State.COMMITTED, State.REVERSING, "slow").is_cut_off(State.REVERSING, 86400)
    story.does(State.REVERSING, 1)
    story.hears(State.RESTORING, seconds={HOST: 600.0}, ended_ago={HOST: 80000.0})
    story.does(State.CONFIRMING, 4)
    story.hears(State.REOPENING, seconds={HOST: 1.0}, ended_ago={HOST: 79000.0})
    report = build(story.record(State.RESTORED, cause="slow"), {})
    assert 1600 < report.outages[-1].seconds < 1620


def test_trying_again_is_not_told_as_giving_back() -> None:
    story = applied().fails(State.VERIFYING, 4, "first").fails(State.REVERTING, 1, "second")
    story.is_sent(State.NEEDS_HANDS, State.REVERTING, "disk is mended")
    record = story.fails(State.REVERTING, 1, "third").record(State.NEEDS_HANDS, cause="first")
    report = build(record, {})
    assert report.remarks == ("It had needed hands. A person asked to try again: disk is mended.",)
    assert report.stopped_by is not None
    assert "third" in report.stopped_by.sentence


def test_a_commit_without_results_is_not_said_to_have_passed() -> None:
    record, _ = build_a.committed()
    report = build(record, {})
    assert not any("passed" in line for line in report.end.meaning)
    assert len(report.gaps) == 3


def test_a_commit_over_a_check_that_did_not_pass_is_a_gap() -> None:
    record, docs = build_a.committed()
    bad = {"disk-free": CheckResult.unknown("disk-free", because="no answer")}
    report = build(record, docs | documents("applied", applied=bad))
    assert any("did not all pass" in gap for gap in report.gaps)


@pytest.mark.parametrize("name", [f"applied/{HOST}", f"census-before/{HOST}"])
def test_a_document_that_cannot_be_read_is_a_gap(name: str) -> None:
    record, docs = build_a.committed()
    assert any("cannot be read" in gap for gap in build(record, docs | {name: "{"}).gaps)


def test_a_loss_under_a_passed_check_is_a_gap() -> None:
    record, docs = build_a.committed()
    docs[f"census-after/{HOST}"] = census(lost=("CT", 1))
    assert any("missing or changed" in gap for gap in build(record, docs).gaps)


def test_differences_come_first_in_the_census() -> None:
    found = _report(build_a.needs_hands).hosts[0].census
    assert found is not None
    assert [line.modality for line in found.lines] == ["CT", "CR", "MR", "US", "XA"]
    assert [line.differs for line in found.lines] == [True, False, False, False, False]
    assert found.images_missing == (f"{ROOT}.1.0.0.0",)
    assert (found.total.before.images, found.total.before.studies) == (388, 38)


def test_what_the_index_check_counted_stands_for_a_census_afterwards() -> None:
    record, docs = build_a.committed()
    del docs[f"census-after/{HOST}"]
    told = result("census-index", "failed", "fewer").model_copy(
        update={"measures": {"modalities": {"CT": 190, "CR": 28, "MR": 120, "US": 36, "XA": 12}}}
    )
    docs |= documents("applied", applied={"census-index": told})
    found = build(record, docs).hosts[0].census
    assert found is not None
    assert found.lines[0].after is not None
    assert (found.lines[0].modality, found.lines[0].after.images) == ("CT", 190)
    assert [line.differs for line in found.lines] == [True, False, False, False, False]


def test_without_modalities_the_index_check_stands_for_the_whole_archive() -> None:
    record, docs = build_a.committed()
    del docs[f"census-after/{HOST}"]
    told = result("census-index", "passed", "").model_copy(
        update={"measures": {"studies": 38, "objects": 388}}
    )
    found = (
        build(record, docs | documents("applied", applied={"census-index": told})).hosts[0].census
    )
    assert found is not None
    assert found.total.after == Count(studies=38, series=None, images=388)
    assert not found.total.differs
    assert {line.after for line in found.lines} == {None}


def test_images_that_came_after_the_census_are_no_loss() -> None:
    record, docs = build_a.committed()
    docs[f"census-before/{HOST}"] = census(lost=("CT", 1))
    assert build(record, docs).gaps == ()


def test_a_warning_of_a_passed_check_is_a_remark() -> None:
    record, docs = build_a.committed()
    slow = result("retrieve-time", "passed", "warning: slower than before")
    report = build(record, docs | documents("applied", applied={"retrieve-time": slow}))
    assert report.remarks == (f"{HOST}: retrieve-time passed with a warning: slower than before.",)


def test_a_check_of_the_products_role_is_grouped_as_such() -> None:
    record, docs = build_a.committed()
    report = CheckReport.model_validate_json(docs[f"applied/{HOST}"])
    own = CheckResult(check="running-version", status="passed", protects="It is what it says.")
    docs[f"applied/{HOST}"] = report.model_copy(
        update={"results": (*report.results, own)}
    ).model_dump_json()
    assert build(record, docs).hosts[0].groups[-1].title == "What the product's own role looks at"


def test_what_an_own_check_protects_is_known_though_it_gave_no_answer_later() -> None:
    record, docs = build_a.committed()
    found: list[CheckResult] = [
        CheckResult(check="own", status="passed", protects="It is what it says."),
        CheckResult.unknown("own", because="no answer"),
    ]
    for moment, own in zip(("baseline", "applied"), found, strict=True):
        report = CheckReport.model_validate_json(docs[f"{moment}/{HOST}"])
        results = (*report.results, own)
        docs[f"{moment}/{HOST}"] = report.model_copy(update={"results": results}).model_dump_json()
    lines = [line for group in build(record, docs).hosts[0].groups for line in group.lines]
    own_line = next(line for line in lines if line.check == "own")
    assert own_line.protects == "It is what it says."


def test_groups_with_something_amiss_come_first() -> None:
    groups = _report(build_a.restored).hosts[0].groups
    clean = [group.is_clean for group in groups]
    assert clean == sorted(clean)
    assert clean.count(False) == 2


def test_an_unknown_result_stays_with_what_its_check_protects() -> None:
    groups = _report(build_a.restored).hosts[0].groups
    lines = [line for group in groups for line in group.lines]
    sample = next(line for line in lines if line.check == "archive-sample")
    assert sample.protects == PROTECTS["archive-sample"]


@pytest.mark.parametrize(
    ("files", "hashed", "missed"),
    # By counting: C(8,2)/C(10,2)=.62, … , C(3,2)/C(10,2)=.067, C(2,2)/C(10,2)=.022.
    [(10, 2, 7), (10, 10, 0), (388, 200, 4), (1_000_000, 200, 14_865), (1, 1, 0)],
)
def test_what_a_sample_can_miss(files: int, hashed: int, missed: int) -> None:
    assert may_miss(files, hashed) == missed


def test_a_sample_that_did_not_pass_promises_nothing() -> None:
    record, docs = build_a.committed()
    bad = {"archive-sample": CheckResult.unknown("archive-sample", because="no answer")}
    assert build(record, docs | documents("applied", applied=bad)).hosts[0].sampling is None


def test_a_baseline_alone_says_nothing_of_the_end() -> None:
    assert _report(build_a.not_started).hosts[0].sampling is None


@pytest.mark.parametrize(
    "text",
    [
        "PatientName: Dlamini^Thandi",
        "(0010,0010) = Dlamini^Thandi",
        "found Dlamini^Thandi^^Ms in 1.2.3",
        "Patient ID='4711 Dlamini'",
        "0010,0030: Dlamini",
        "StudyDate=Dlamini",
    ],
)
def test_what_looks_like_a_patient_is_left_out(text: str) -> None:
    assert "Dlamini" not in without_patients(text)


@pytest.mark.parametrize(
    "text",
    [
        "study 1.2.826.0.1.3680043.8.498.20260101 missing",
        "patients: 12",
        "0 studies with a null study date",
        "C-ECHO 0x0000, 10^3 images",
    ],
)
def test_uids_and_counts_stay(text: str) -> None:
    assert without_patients(text) == text


def test_measures_hold_no_patient_either() -> None:
    told = measures_without_patients({"rows": [{"PatientID": 4711}], "p95": 0.2})
    assert "4711" not in json.dumps(told)
    assert told["p95"] == 0.2


def test_what_a_check_says_of_a_patient_reaches_no_report() -> None:
    record, docs = build_a.restored()
    report = CheckReport.model_validate_json(docs[f"applied/{HOST}"])
    leak = report.results[0].model_copy(
        update={
            "status": "failed", "because": "Dlamini^Thandi is gone",
            "evidence": ("PatientID: 4711",),
            "measures": {"PatientName": "Thandi", "rows": [{"PatientID": 4711}]},
        }
    )  # fmt: skip
    leaky = report.model_copy(update={"results": (leak, *report.results[1:])})
    made = build(record, docs | {f"applied/{HOST}": leaky.model_dump_json()}).model_dump_json()
    assert not [word for word in ("Dlamini", "Thandi", "4711") if word in made]
