"""ADT in: the patient is made, brought up to date, merged, and acknowledged when that is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.gnuhealth import EVALUATION, ORDER, PARTY, PASSWORD, PATIENT, RESULT
from tests.unit.bridge_scene import PID, Scene, scene

TAKEN = ("AA", "", "")


@pytest.fixture(params=[6, 7], ids=["4.4", "5.0"])
def beside(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene(request.param) as made:
        yield made


@pytest.fixture
def here() -> Iterator[Scene]:
    with scene() as made:
        yield made


def test_who_is_registered_is_a_patient(beside: Scene) -> None:
    assert beside.answer("ADT^A04^ADT_A01", "EVN|A04", PID) == TAKEN
    (person,) = beside.ris.of(PARTY, ref="P-1")
    assert (person["lastname"], person["name"], person["gender"]) == ("Muster", "Ana Lúcia", "f")
    assert person["dob"] == {"__class__": "date", "year": 1980, "month": 2, "day": 3}
    assert len(beside.ris.of(PATIENT, **{beside.ris.person_field: person["id"]})) == 1


def test_a_second_time_changes_nothing(beside: Scene) -> None:
    beside.answer("ADT^A04", PID)
    beside.ris.called.clear()
    assert beside.answer("ADT^A08", PID) == TAKEN
    assert beside.ris.called == []


def test_an_update_writes_what_it_says_and_leaves_the_rest(here: Scene) -> None:
    here.answer("ADT^A04", PID)
    assert here.answer("ADT^A08", "PID|1||P-1^^^H^MR||Neu") == TAKEN
    (person,) = here.ris.of(PARTY, ref="P-1")
    assert (person["lastname"], person["name"], person["gender"]) == ("Neu", "Ana Lúcia", "f")
    assert person["dob"]["year"] == 1980


def test_a_value_that_is_taken_back_goes(here: Scene) -> None:
    here.answer("ADT^A04", PID)
    assert here.answer("ADT^A08", 'PID|1||P-1^^^H^MR||Muster^""||""|""') == TAKEN
    (person,) = here.ris.of(PARTY, ref="P-1")
    assert (person["name"], person["gender"], person["dob"]) == ("", "u", None)


def test_what_was_cut_off_between_person_and_patient_is_finished(here: Scene) -> None:
    here.ris.breaks[f"{PATIENT}.create"] = False
    code, because, condition = here.answer("ADT^A04", PID)
    assert (code, condition) == ("AE", "207")
    assert "UserError" in because
    assert here.answer("ADT^A04", PID) == TAKEN
    assert (len(here.ris.of(PARTY, ref="P-1")), len(here.ris.of(PATIENT))) == (1, 1)


@pytest.mark.parametrize(
    ("pid", "condition", "because"),
    [
        ("PID|1||P-1^^^H^MR||^Ana", "101", "PID-5"),
        ("PID|1||^^^H^MR||Muster^Ana", "101", "PID-3"),
        ('PID|1||""^^^H^MR||Muster^Ana', "101", "PID-3"),
        ("PID|1||P-1^^^H||Muster^Ana||19801332", "102", "PID-7"),
        ("PID|1||P-1^^^H||Muster^Ana|||X", "103", "PID-8"),
        ("EVN|A04", "100", "PID"),
        (f"{PID}\r{PID}", "100", "2 segments PID"),
    ],
)
def test_what_does_not_say_enough_is_rejected(
    here: Scene, pid: str, condition: str, because: str
) -> None:
    code, text, told = here.answer("ADT^A04", pid)
    assert (code, told) == ("AR", condition)
    assert because in text
    assert here.ris.of(PATIENT) == []
    assert "Muster" not in text


def test_a_birth_date_of_which_only_the_year_is_known_is_none(here: Scene) -> None:
    assert here.answer("ADT^A04", "PID|1||P-2^^^H||Muster^Ana||1980|F") == TAKEN
    assert here.ris.of(PARTY, ref="P-2")[0]["dob"] is None
    here.answer("ADT^A04", PID)
    assert here.answer("ADT^A08", PID.replace("19800203", "1980")) == TAKEN
    assert here.ris.of(PARTY, ref="P-1")[0]["dob"]["month"] == 2


def test_the_hospitals_number_is_found_among_others(here: Scene) -> None:
    numbers = "4711^^^X^SS~12^^^CLINICB^MR~P-9^^^H^MR~8^^^H^PI"
    here.answer("ADT^A04", f"PID|1||{numbers}||Muster")
    assert [one["ref"] for one in here.ris.of(PARTY, lastname="Muster")] == ["P-9"]


@pytest.mark.parametrize(
    ("numbers", "condition"),
    [
        ("P-1^^^CLINICB^MR", "101"),
        ("P-1^^^^MR", "101"),
        ("P-1^^^H^PI", "101"),
        ("P-1^^^H^MR~P-2^^^H^MR", "205"),
        ("P\\E\\1^^^H^MR", "102"),
        (f"{'1' * 65}^^^H^MR", "102"),
    ],
)
def test_a_number_of_another_authority_or_no_number_is_nobodys(
    here: Scene, numbers: str, condition: str
) -> None:
    assert here.answer("ADT^A04", f"PID|1||{numbers}||Muster^Ana")[::2] == ("AR", condition)
    assert here.answer("ADT^A40", PID, f"MRG|{numbers}")[::2] == ("AR", condition)
    assert here.ris.of(PATIENT) == []


def test_a_number_that_is_no_persons_is_rejected(here: Scene) -> None:
    here.ris.person("P-1", "Ward", "", is_person=False)
    assert here.answer("ADT^A04", PID)[::2] == ("AR", "205")


def test_texts_come_as_they_were_written(here: Scene) -> None:
    name = "PID|1||P-1^^^H||Tšhupo^Þórunn \\T\\ co"
    assert here.answer("ADT^A04", name) == TAKEN
    assert here.ris.of(PARTY, ref="P-1")[0]["name"] == "Þórunn & co"
    latin = "PID|1||P-2^^^H||Échantillon^Zoë"
    assert here.answer("ADT^A04", latin, charset="8859/1", codec="latin-1") == TAKEN
    assert here.ris.of(PARTY, ref="P-2")[0]["lastname"] == "Échantillon"


def test_a_text_that_cannot_be_read_is_rejected(here: Scene) -> None:
    assert here.answer("ADT^A04", "PID|1||P-1^^^H||É", charset="", codec="utf-8")[::2] == (
        "AR",
        "102",
    )
    assert here.answer("ADT^A04", PID, charset="KLINGON")[::2] == ("AR", "103")
    assert here.ris.of(PATIENT) == []


@pytest.mark.parametrize(
    ("kind", "condition"), [("ADT^A01", "201"), ("ORU^R01", "200"), ("ADT", "201"), ("", "200")]
)
def test_what_is_not_taken_is_said_to_be_so(here: Scene, kind: str, condition: str) -> None:
    assert here.answer(kind, PID)[::2] == ("AR", condition)
    assert here.ris.called == []


def test_what_is_no_message_is_rejected(here: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    assert b"MSA|AR" in here.intake.answer(b"hello")
    # Nobody writes lines of his own into the service's log.
    here.intake.answer(b"MSH|^~\\&|A||B||20261101||ADT^A01|1\n2: AA|P|2.5.1\rPID|1||P-1\r")
    said = capfd.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in said] == ["-:", "-:"]


def test_a_ris_that_does_not_answer_is_to_be_asked_again() -> None:
    with scene() as made:
        pass
    assert made.answer("ADT^A04", PID)[::2] == ("AE", "207")


def test_a_session_that_has_ended_is_begun_anew(here: Scene) -> None:
    here.answer("ADT^A04", PID)
    here.ris.sessions.clear()
    assert here.answer("ADT^A08", PID.replace("Muster", "Neu")) == TAKEN


def test_a_log_in_that_is_refused_is_not_tried_at_once_again(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.gnuhealth.PASSWORD", "another")
    assert "401" in here.answer("ADT^A04", PID)[1]
    for _ in range(3):
        code, because, _condition = here.answer("ADT^A04", PID)
        assert (code, because) == ("AE", "the RIS does not let bridge in")
    assert here.ris.refused == 1
    monkeypatch.setattr(here.intake._patients._ris, "_not_before", 0.0)
    monkeypatch.setattr("tests.fakes.gnuhealth.PASSWORD", PASSWORD)
    assert here.answer("ADT^A04", PID) == TAKEN


def test_the_series_is_asked_again_after_a_change(here: Scene) -> None:
    here.answer("ADT^A04", PID)
    here.ris.series, here.ris.records[PATIENT] = 7, {}
    here.ris.sessions.clear()
    assert here.answer("ADT^A04", PID) == TAKEN
    assert "party" in here.ris.of(PATIENT)[0]


MRG = "MRG|P-0^^^H^MR"


def with_former(made: Scene) -> int:
    """A former number with an order and a result; the patient's id."""
    made.answer("ADT^A04", PID.replace("P-1", "P-0"))
    (party,) = made.ris.of(PARTY, ref="P-0")
    (patient,) = made.ris.of(PATIENT, **{made.ris.person_field: party["id"]})
    made.ris.add(ORDER, patient=patient["id"], request="H-7", state="done")
    made.ris.add(RESULT, patient=patient["id"])
    return int(patient["id"])


def test_a_merge_moves_orders_and_results(beside: Scene) -> None:
    former = with_former(beside)
    assert beside.answer("ADT^A40^ADT_A39", PID, MRG) == TAKEN
    (party,) = beside.ris.of(PARTY, ref="P-1")
    (stays,) = beside.ris.of(PATIENT, **{beside.ris.person_field: party["id"]})
    assert [one["patient"] for one in beside.ris.of(ORDER)] == [stays["id"]]
    assert [one["patient"] for one in beside.ris.of(RESULT)] == [stays["id"]]
    assert beside.ris.of(PARTY, ref="P-0")[0]["active"] is False
    assert beside.ris.records[PATIENT][former]["active"] is False
    assert stays["id"] != former
    beside.ris.called.clear()
    assert beside.answer("ADT^A40", PID, MRG) == TAKEN
    assert beside.ris.called == []


@pytest.mark.parametrize("model", [ORDER, RESULT, PATIENT, PARTY])
def test_a_merge_that_was_cut_off_is_finished(here: Scene, model: str) -> None:
    former = with_former(here)
    here.ris.breaks[f"{model}.write"] = False
    assert here.answer("ADT^A40", PID, MRG)[0] == "AE"
    assert here.answer("ADT^A40", PID, MRG) == TAKEN
    assert here.ris.of(PARTY, ref="P-0")[0]["active"] is False
    assert here.ris.records[PATIENT][former]["active"] is False
    assert {one["patient"] for one in here.ris.of(ORDER)} != {former}


def test_who_is_no_active_patient_any_more_is_not_registered(here: Scene) -> None:
    here.answer("ADT^A04", PID)
    here.ris.of(PATIENT)[0]["active"] = False
    assert here.answer("ADT^A08", PID)[::2] == ("AR", "204")


def test_a_merge_that_only_a_person_can_make_changes_nothing(here: Scene) -> None:
    here.ris.add(EVALUATION, patient=with_former(here))
    before = {model: dict(table) for model, table in here.ris.records.items()}
    code, because, _ = here.answer("ADT^A40", PID, MRG)
    assert (code, "1 of gnuhealth.patient.evaluation" in because) == ("AR", True)
    assert here.ris.records == before


def test_who_is_not_active_any_more_is_merged_all_the_same(here: Scene) -> None:
    former = with_former(here)
    here.ris.of(PARTY, ref="P-0")[0]["active"] = False
    assert here.answer("ADT^A40", PID, MRG) == TAKEN
    assert {one["patient"] for one in here.ris.of(ORDER)} != {former}


def test_a_former_number_that_is_not_known_leaves_nothing_to_move(here: Scene) -> None:
    assert here.answer("ADT^A40", PID, MRG) == TAKEN
    assert len(here.ris.of(PATIENT)) == 1


def test_a_number_is_not_merged_into_itself(here: Scene) -> None:
    assert here.answer("ADT^A40", PID, "MRG|P-1^^^H")[::2] == ("AR", "205")


def test_who_was_merged_is_not_registered_anew(here: Scene) -> None:
    with_former(here)
    here.answer("ADT^A40", PID, MRG)
    assert here.answer("ADT^A08", PID.replace("P-1", "P-0"))[::2] == ("AR", "204")
