"""ORM in: the order is in the RIS under the placer's number, once, and acknowledged then."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from orchestrator.bridge.order_message import CANCELLED_HERE
from tests.fakes.gnuhealth import DOCTOR, ORDER, PARTY, PATIENT
from tests.unit.bridge_scene import PID, Scene, scene

TAKEN = ("AA", "", "")


@pytest.fixture
def here() -> Iterator[Scene]:
    with scene() as made:
        yield made


@pytest.fixture(params=[6, 7], ids=["4.4", "5.0"])
def beside(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene(request.param) as made:
        yield made


def test_an_order_is_requested_in_the_ris(beside: Scene) -> None:
    assert beside.order() == TAKEN
    (order,) = beside.ris.of(ORDER, request="H-1")
    (patient,) = beside.ris.of(PATIENT)
    assert (order["state"], order["comment"]) == ("requested", "Pain")
    assert order["patient"] == patient["id"]
    at = [order["date"][name] for name in ("day", "hour", "minute")]
    assert at == [1, 6, 15]  # UTC; the message says 08:15 in Mbabane
    assert order["urgent"] is False


def test_the_same_order_again_changes_nothing(here: Scene) -> None:
    here.order()
    here.ris.called.clear()
    assert here.order() == TAKEN
    assert here.ris.called == []


def test_an_order_that_was_cut_off_is_finished(here: Scene) -> None:
    here.ris.breaks[f"{ORDER}.requested"] = False
    assert here.order()[::2] == ("AE", "207")
    assert here.order() == TAKEN
    assert [one["state"] for one in here.ris.of(ORDER)] == ["requested"]


def test_an_answer_that_was_lost_makes_no_second_order(here: Scene) -> None:
    here.ris.breaks[f"{ORDER}.create"] = True  # done, and the RIS said that it failed
    assert here.order()[0] == "AE"
    assert here.order() == TAKEN
    assert len(here.ris.of(ORDER)) == 1


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        (("CTHD^Head", "CRTHX^Chest"), "requested_test", 2),
        (("H-1|||||||2", "H-1|||||^^^20261102^^S||2"), "urgent", True),
    ],
)
def test_a_changed_order_is_brought_up_to_date(
    here: Scene, changed: tuple[str, str], field: str, value: object
) -> None:
    here.order()
    assert here.order(changed, control="XO") == TAKEN
    assert here.ris.of(ORDER)[0][field] == value


def test_another_order_under_a_known_number_is_rejected(here: Scene) -> None:
    here.order()
    code, because, condition = here.order(("CTHD^Head", "CRTHX^Chest"))
    assert (code, condition) == ("AR", "205")
    assert "XO changes an order" in because
    assert here.ris.of(ORDER)[0]["requested_test"] == 1


def test_a_change_that_names_no_time_leaves_the_appointment(here: Scene) -> None:
    planned = ("|||D-1", "|||D-1" + "|" * 20 + "20261115090000")
    assert here.order(planned) == TAKEN
    (order,) = here.ris.of(ORDER)
    assert (order["date"]["day"], order["date"]["hour"]) == (15, 7)
    assert here.order(("Pain", "Worse"), control="XO") == TAKEN
    assert order["date"]["day"] == 15


def test_every_line_of_every_note_is_kept(here: Scene) -> None:
    notes = ["NTE|1||pacemaker", "PV1|1|O", "ORC|NW|H-1"]
    details = "OBR|1|H-1||CTHD" + "|" * 9 + "Fall~Pain" + "|" * 18 + "R1^Stroke?~R2"
    more = ["NTE|1||Headache~ALLERGIC to contrast", "NTE|2||renal ^ GFR 20 \\T\\ dialysis"]
    assert here.answer("ORM^O01", PID, *notes, details, *more) == TAKEN
    assert here.ris.of(ORDER)[0]["comment"].splitlines() == [
        "pacemaker", "Fall", "Pain", "Stroke?", "R2", "Headache", "ALLERGIC to contrast",
        "renal ^ GFR 20 & dialysis",
    ]  # fmt: skip


def test_a_note_is_new_unless_the_same_line_is_there(here: Scene) -> None:
    here.order(("Pain", "No contrast allergy known"))
    assert here.order(("Pain", "contrast allergy"), control="XO") == TAKEN
    told = "No contrast allergy known\ncontrast allergy"
    assert here.ris.of(ORDER)[0]["comment"] == told


def test_an_order_that_the_ris_made_twice_is_one_again(here: Scene) -> None:
    """The RIS answered too late, and was asked once more before it had written."""
    here.order()
    (order,) = here.ris.of(ORDER)
    here.ris.add(ORDER, **{name: value for name, value in order.items() if name != "id"})
    assert here.order() == TAKEN
    first, second = here.ris.of(ORDER)
    assert (first["comment"], second["comment"]) == ("Pain", f"{CANCELLED_HERE}\nPain")
    second["comment"] = "Pain"
    assert here.order(control="CA") == TAKEN
    assert all(one["comment"].startswith(CANCELLED_HERE) for one in here.ris.of(ORDER))


def test_a_cancelled_order_stays_so_whatever_people_write_above(here: Scene) -> None:
    here.order()
    here.order(control="CA")
    (order,) = here.ris.of(ORDER)
    order["comment"] = f"ward informed\n{order['comment']}"
    assert here.order()[::2] == ("AR", "205")


def test_what_people_wrote_stays(here: Scene) -> None:
    here.order()
    (order,) = here.ris.of(ORDER)
    order["comment"] += "\nallergic to contrast"
    other = here.ris.add(DOCTOR, code="D-2", rec_name="Another")
    order["doctor"] = other
    assert here.order(("|||D-1", ""), ("Pain", "More pain"), control="XO") == TAKEN
    assert order["comment"] == "Pain\nallergic to contrast\nMore pain"
    assert order["doctor"] == other


def test_a_cancelled_order_says_so_and_stays(here: Scene) -> None:
    here.order()
    assert here.answer("ORM^O01", PID, "ORC|CA|H-1") == TAKEN
    assert here.order(control="CA") == TAKEN
    (order,) = here.ris.of(ORDER)
    assert order["comment"] == f"{CANCELLED_HERE}\nPain"
    assert here.order()[::2] == ("AR", "205")


@pytest.mark.parametrize(
    ("changed", "condition"),
    [
        (("ORC|NW", "ORC|HD"), "103"),
        (("ORC|NW|H-1", "ORC|NW|"), "101"),
        (("ORC|NW|H-1", "ORC|NW|12345678901234567"), "102"),
        (("CTHD^Head", "NOPE"), "204"),
        (("CTHD^Head", ""), "101"),
        (("ORC|NW|H-1", "ORC|NW|H-1^OTHER"), "204"),
        (("ORC|NW|H-1", "ORC|NW|H\\E\\1"), "102"),
        (("ORC|NW|H-1", "ORC|NW|H\\.br\\1"), "102"),
        (("Pain", CANCELLED_HERE), "103"),
        (("20261101081500", "20261301"), "102"),
        (("ORC|NW", "ORC|CA"), "204"),
    ],
)
def test_what_cannot_be_ordered_is_rejected_and_nothing_is_done(
    here: Scene, changed: tuple[str, str], condition: str
) -> None:
    assert here.order(changed)[::2] == ("AR", condition)
    assert here.ris.called == []


def test_an_order_of_nobody_known_needs_a_declared_doctor() -> None:
    with scene(doctor=None) as made:
        assert made.order(("|||D-1", "|||D-404"))[::2] == ("AR", "204")
        assert made.order() == TAKEN
    with scene(doctor="D-1") as made:
        assert made.order(("|||D-1", "|||D-404")) == TAKEN


def test_a_number_of_another_patient_is_rejected(here: Scene) -> None:
    here.order()
    code, because, condition = here.order(pid=PID.replace("P-1", "P-2"))
    assert (code, condition) == ("AR", "205")
    assert "another patient" in because
    assert here.ris.of(PARTY, ref="P-2") == []


def test_what_was_carried_out_is_not_changed_any_more(here: Scene) -> None:
    here.order()
    here.ris.of(ORDER)[0]["state"] = "done"
    assert here.order() == TAKEN
    assert here.order(("CTHD^Head", "CRTHX"), control="XO")[::2] == ("AR", "205")
    assert here.order(control="CA")[::2] == ("AR", "205")


def test_several_orders_of_one_message_are_all_made_or_none(here: Scene) -> None:
    two = ["ORC|NW|H-1", "OBR|1|H-1||CTHD", "NTE|1||first", "ORC|NW|H-2", "OBR|2|H-2||NOPE"]
    assert here.answer("ORM^O01", PID, *two)[::2] == ("AR", "204")
    assert here.ris.of(ORDER) == []
    two[-1] = "OBR|2|H-2||CRTHX"
    assert here.answer("ORM^O01", PID, *two) == TAKEN
    comments = {one["request"]: one["comment"] for one in here.ris.of(ORDER)}
    assert comments == {"H-1": "first", "H-2": None}
    twice = ["ORC|NW|H-3", "OBR|1|H-3||CTHD", "ORC|NW|H-3", "OBR|2|H-3||CTHD"]
    assert here.answer("ORM^O01", PID, *twice)[::2] == ("AR", "205")


def test_a_fault_of_the_bridge_is_no_acceptance(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("not said aloud")

    monkeypatch.setattr("orchestrator.bridge.patients.read", broken)
    code, because, condition = here.order()
    assert (code, because, condition) == ("AE", "RuntimeError in the bridge", "207")


def test_many_senders_at_once_make_each_order_once(here: Scene) -> None:
    message = here.message("ORM^O01", PID, "ORC|NW|H-1", "OBR|1|H-1||CTHD", charset="ASCII")
    message = message.replace("Lúcia", "Lucia")
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(here.intake.answer(message.encode())))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(b"MSA|AA" in one for one in answers)
    assert (len(here.ris.of(ORDER)), len(here.ris.of(PATIENT))) == (1, 1)
