"""Orders over HL7 into a real RIS, onto the worklist of real servers, and what breaks there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.lab import ris_faults
from orchestrator.rollout.model import State
from tests.lab import bridge
from tests.lab.controlled import lab_name
from tests.lab.ris import Ris, make_ris

#: The fault, and the check that has to name it.
BROKEN = {"bridge-refused": "gnuhealth-bridge", "worklist-dead": "gnuhealth-worklist"}


@pytest.fixture(scope="module")
def hospital() -> Iterator[Ris]:
    """A lab of its own, brought to 5.0.0 and its bridge with it."""
    ris = make_ris(lab_name("bridge"))
    try:
        ris.reset()
        ris.mandate("5.0.0")
        done = ris.wardship("run", ris.plan())
        assert done.returncode == 0, done.stdout + done.stderr
        yield ris
    finally:
        ris.lab.down()


def test_an_order_is_in_the_ris_and_on_its_stations_worklist(hospital: Ris) -> None:
    assert bridge.order(hospital, "H-1", "CTHD") == "AA"
    assert bridge.order(hospital, "H-1", "CTHD") == "AA"  # sent again, since an answer was lost
    (found,) = [one for one in hospital.read()[2] if one["request"] == "H-1"]
    assert found["state"] == "requested"
    assert found["patient."]["rec_name"] == "Tšhupo, Þórunn"
    bridge.wait_for_worklist(hospital, "CT1", ["H-1"])
    assert bridge.worklist(hospital, "CR1") == []
    assert bridge.worklist(hospital, "MR7") == []
    assert bridge.order(hospital, "H-1", "CTHD", patient="HIS-2").startswith("AR")
    assert bridge.order(hospital, "H-2", "NOPE").startswith("AR")
    assert bridge.send(hospital, "ADT^A01", "PID|1||HIS-1||X").startswith("AR")


def test_a_merge_takes_the_order_along(hospital: Ris) -> None:
    assert bridge.order(hospital, "H-3", "CRTHX", patient="HIS-3") == "AA"
    merge = [f"PID|1||HIS-4^^^H^MR||{bridge.NAME}||19800203|F", "MRG|HIS-3^^^H^MR"]
    assert bridge.send(hospital, "ADT^A40^ADT_A39", *merge) == "AA"
    numbers = {one["puid"] for one in hospital.read()[1]}
    assert ("HIS-4" in numbers, "HIS-3" in numbers) == (True, False)
    bridge.wait_for_worklist(hospital, "CR1", ["H-3"])
    assert bridge.send(hospital, "ORM^O01", merge[0], "ORC|CA|H-3") == "AA"
    bridge.wait_for_worklist(hospital, "CR1", [])
    # Who has more than orders is merged by a person, and nothing was changed.
    told = bridge.send(hospital, "ADT^A40", merge[0], "MRG|LAB-0001^^^H^MR")
    assert told.startswith("AR"), told
    assert "merge in the RIS" in told


def test_while_the_ris_is_away_nothing_is_accepted(hospital: Ris) -> None:
    hospital.run(["systemctl", "kill", "--signal=STOP", "--kill-whom=main", "gnuhealth"])
    try:
        assert bridge.order(hospital, "H-5", "CTHD").startswith("AE")
        assert "H-1" in bridge.worklist(hospital, "CT1")
    finally:
        hospital.run(["systemctl", "kill", "--signal=CONT", "--kill-whom=main", "gnuhealth"])
    assert bridge.order(hospital, "H-5", "CTHD") == "AA"


@pytest.mark.parametrize("fault", [pytest.param(one, marks=pytest.mark.full) for one in BROKEN])
def test_a_release_that_breaks_the_interfaces_is_put_back(fault: str, hospital: Ris) -> None:
    assert bridge.order(hospital, "H-6", "CTHD") == "AA"
    orders = [one["request"] for one in hospital.read()[2]]
    listed = [one for one in ("H-1", "H-5", "H-6") if one in orders]
    bridge.wait_for_worklist(hospital, "CT1", listed)
    before = hospital.read()
    hospital.mandate("5.0.6")
    plan = hospital.plan()
    hospital.break_(fault)
    try:
        done = hospital.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
        assert ris_faults.has_happened(hospital.run), "the fault was never there"
    finally:
        ris_faults.lift(hospital.run)
    record = hospital.the_record()
    assert record.state is State.RESTORED, record.cause
    assert BROKEN[fault] in record.cause, record.cause
    hospital.assert_serves("5.0.0")
    assert hospital.read() == before
    bridge.wait_for_worklist(hospital, "CT1", listed)
    assert bridge.order(hospital, "H-6", "CTHD") == "AA"


def test_orthancs_plugin_answers_from_the_same_files(hospital: Ris, tmp_path: Path) -> None:
    assert bridge.order(hospital, "H-7", "CTHD") == "AA"
    orders = [one["request"] for one in hospital.read()[2]]
    listed = [one for one in ("H-1", "H-5", "H-6", "H-7") if one in orders]
    bridge.wait_for_worklist(hospital, "CT1", listed)
    files = bridge.copied_worklist(hospital, tmp_path / "worklist")
    with bridge.orthanc(hospital, files, tmp_path) as port:
        bridge.wait_for_worklist(hospital, "CT1", listed, port=port, at="127.0.0.1")
        assert "H-7" not in bridge.worklist(hospital, "CR1", port=port, at="127.0.0.1")
