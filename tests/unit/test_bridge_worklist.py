"""The worklist out of the RIS's orders: each on its own station's, as modalities read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from orchestrator.bridge.refusal import NotNowError
from orchestrator.bridge.ris import Ris
from orchestrator.bridge.settings import Settings, Station, Worklist
from orchestrator.bridge.worklist import Exporter
from tests.fakes.gnuhealth import ORDER, PARTY, STUDIES, STUDY
from tests.unit.bridge_scene import PID, ZONE, Scene, scene

STATIONS = (
    Station("CT1", "CT", frozenset({"CTHD"})),
    Station("CT2", "CT", frozenset({"CTHD"})),
    Station("CR1", "CR", frozenset({"CRTHX"})),
)
SOON = (datetime.now(UTC) + timedelta(hours=3)).astimezone(ZONE)
#: The order's time, in place of the one that the scene gives it.
TODAY = ("20261101081500", f"{SOON:%Y%m%d%H%M%S}")


@pytest.fixture(params=[6, 7], ids=["4.4", "5.0"])
def beside(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene(request.param) as made:
        yield made


@pytest.fixture
def here() -> Iterator[Scene]:
    with scene() as made:
        yield made


def exporter(made: Scene, to: Path) -> Exporter:
    worklist = Worklist(to / "WORKLIST", STATIONS, every_seconds=1, days_back=2, days_ahead=7)
    settings = Settings("hospital-a", ZONE, made.where, None, worklist)
    return Exporter(Ris(made.where), settings, worklist)


def entries(of: Path) -> dict[str, Dataset]:
    """By file; what a worklist server would answer from."""
    return {path.name: dcmread(path) for path in sorted((of / "WORKLIST").glob("*.wl"))}


def test_an_order_is_on_the_worklist_of_its_stations(beside: Scene, tmp_path: Path) -> None:
    beside.order(TODAY)
    assert exporter(beside, tmp_path).export() == 2
    found = entries(tmp_path)
    assert sorted(found) == ["1-CT1.wl", "1-CT2.wl"]
    entry = found["1-CT1.wl"]
    step = entry.ScheduledProcedureStepSequence[0]
    assert (step.ScheduledStationAETitle, step.Modality) == ("CT1", "CT")
    assert step.ScheduledProcedureStepStartDate == f"{SOON:%Y%m%d}"
    assert step.ScheduledProcedureStepStartTime == f"{SOON:%H%M%S}"
    assert (entry.AccessionNumber, entry.PatientID) == ("H-1", "P-1")
    assert entry.SpecificCharacterSet == "ISO_IR 192"
    assert entry.PatientName == "Muster^Ana Lúcia"
    assert (entry.PatientBirthDate, entry.PatientSex) == ("19800203", "F")
    assert entry.RequestingPhysician == "Doctor, Probe"
    assert entry.StudyInstanceUID == found["1-CT2.wl"].StudyInstanceUID
    assert (tmp_path / "WORKLIST" / "lockfile").exists()


def test_a_study_keeps_its_uid_and_no_other_has_it(here: Scene, tmp_path: Path) -> None:
    here.order(TODAY)
    here.order(TODAY, ("H-1", "H-2"))
    exporter(here, tmp_path).export()
    uids = {entry.AccessionNumber: entry.StudyInstanceUID for entry in entries(tmp_path).values()}
    exporter(here, tmp_path).export()
    again = {e.AccessionNumber: e.StudyInstanceUID for e in entries(tmp_path).values()}
    assert again == uids
    assert len(set(uids.values())) == 2


def test_a_study_has_the_number_by_which_the_ris_finds_its_images(
    beside: Scene, tmp_path: Path
) -> None:
    to_disk = exporter(beside, tmp_path)
    beside.order(TODAY)  # from before the RIS gave such numbers
    to_disk.export()
    (before,) = studies(tmp_path)["H-1"]
    beside.ris.numbers_studies = True
    beside.ris.sessions.clear()
    beside.order(TODAY, ("H-1", "H-2"))
    to_disk.export()
    assert studies(tmp_path) == {"H-1": {before}, "H-2": {f"{STUDIES}2"}}


def test_the_number_of_a_copied_order_stays_with_the_first(here: Scene, tmp_path: Path) -> None:
    here.ris.numbers_studies = True
    here.order(TODAY)
    here.order(TODAY, ("H-1", "H-2"))
    here.ris.of(ORDER)[1][STUDY] = f"{STUDIES}1"
    to_disk = exporter(here, tmp_path)
    to_disk.export()
    found = studies(tmp_path)
    assert found["H-1"] == {f"{STUDIES}1"}
    (other,) = found["H-2"]
    assert other.startswith("2.25.")
    del here.ris.records[ORDER][1]
    to_disk.export()
    assert studies(tmp_path) == {"H-2": {other}}, "the number of another's images was given on"


@pytest.mark.parametrize("number", ["", "1.2.x", "1" * 65])
def test_what_is_no_uid_is_not_given_to_a_modality(
    here: Scene, tmp_path: Path, number: str
) -> None:
    here.ris.numbers_studies = True
    here.order(TODAY)
    here.ris.of(ORDER)[0][STUDY] = number
    exporter(here, tmp_path).export()
    (made,) = studies(tmp_path)["H-1"]
    assert made.startswith("2.25.")


def studies(of: Path) -> dict[str, set[str]]:
    """The study numbers on the worklist, by order."""
    found: dict[str, set[str]] = {}
    for entry in entries(of).values():
        found.setdefault(entry.AccessionNumber, set()).add(str(entry.StudyInstanceUID))
    return found


@pytest.mark.parametrize("why", ["cancelled", "done", "long past", "far ahead", "no station"])
def test_what_is_not_to_be_made_now_is_not_on_it(here: Scene, tmp_path: Path, why: str) -> None:
    here.order(TODAY)
    (order,) = here.ris.of(ORDER)
    moved = {"long past": -4, "far ahead": 8}.get(why)
    if why == "cancelled":
        here.answer("ORM^O01", PID, "ORC|CA|H-1")
    elif why == "done":
        order["state"] = "done"
    elif why == "no station":
        order["requested_test"] = here.ris.add("gnuhealth.imaging.test", code="MR", name="MR")
    elif moved:
        other = SOON + timedelta(days=moved)
        order["date"] |= {"year": other.year, "month": other.month, "day": other.day}
    assert exporter(here, tmp_path).export() == 0
    assert entries(tmp_path) == {}


def test_what_goes_away_goes_from_the_worklist_too(here: Scene, tmp_path: Path) -> None:
    here.order(TODAY)
    to_disk = exporter(here, tmp_path)
    to_disk.export()
    (tmp_path / "WORKLIST" / "1-CT1.new").write_bytes(b"cut off")
    here.ris.of(ORDER)[0]["state"] = "done"
    assert to_disk.export() == 0
    assert [one.name for one in (tmp_path / "WORKLIST").iterdir()] == ["lockfile"]


def test_what_did_not_change_is_not_written_again(here: Scene, tmp_path: Path) -> None:
    here.order(TODAY)
    to_disk = exporter(here, tmp_path)
    to_disk.export()
    file = tmp_path / "WORKLIST" / "1-CT1.wl"
    before = file.stat().st_ino
    to_disk.export()
    assert file.stat().st_ino == before
    here.ris.of(PARTY, ref="P-1")[0]["lastname"] = "Neu"
    to_disk.export()
    assert dcmread(file).PatientName == "Neu^Ana Lúcia"


def test_a_number_that_two_patients_have_is_on_no_worklist(here: Scene, tmp_path: Path) -> None:
    """People make orders in the RIS too; images of both would go into one study."""
    here.order(TODAY)
    here.order(TODAY, ("H-1", "H-2"), pid=PID.replace("P-1", "P-2"))
    one, other = here.ris.of(ORDER)
    other["request"] = "H-1"
    to_disk = exporter(here, tmp_path)
    assert (to_disk.export(), to_disk.shared) == (0, ["H-1"])
    other["patient"] = one["patient"]
    assert (to_disk.export(), to_disk.shared) == (2, [])
    assert sorted(entries(tmp_path)) == ["1-CT1.wl", "1-CT2.wl"]


def test_a_number_that_is_given_again_is_another_study(here: Scene, tmp_path: Path) -> None:
    here.order(TODAY)
    exporter(here, tmp_path).export()
    before = entries(tmp_path)["1-CT1.wl"].StudyInstanceUID
    here.ris.of(ORDER)[0]["create_date"] = {"second": 1}
    exporter(here, tmp_path).export()
    assert entries(tmp_path)["1-CT1.wl"].StudyInstanceUID != before


def test_a_list_of_another_title_is_served_no_more(here: Scene, tmp_path: Path) -> None:
    (tmp_path / "FORMER").mkdir()
    (tmp_path / "FORMER" / "1-CT1.wl").touch()
    exporter(here, tmp_path).export()
    assert [one.name for one in tmp_path.iterdir()] == ["WORKLIST"]


def test_while_the_ris_is_away_the_last_worklist_stays(tmp_path: Path) -> None:
    with scene() as made:
        made.order(TODAY)
        to_disk = exporter(made, tmp_path)
        to_disk.export()
    with pytest.raises(NotNowError):
        to_disk.export()
    assert sorted(entries(tmp_path)) == ["1-CT1.wl", "1-CT2.wl"]


def test_the_verifiers_order_is_for_its_own_station_whenever_it_was(
    here: Scene, tmp_path: Path
) -> None:
    here.order(("H-1", "WARDSHIP-1"))
    (order,) = here.ris.of(ORDER)
    order["date"] |= {"year": 2020}
    exporter(here, tmp_path).export()
    assert sorted(entries(tmp_path)) == ["1-WARDSHIP.wl"]


def test_an_order_whose_number_is_no_accession_number_is_left_out(
    here: Scene, tmp_path: Path
) -> None:
    here.order(TODAY)
    here.ris.of(ORDER)[0]["request"] = "1234567890123456789"
    assert exporter(here, tmp_path).export() == 0


def test_names_that_hold_dicoms_own_marks_stay_names(here: Scene, tmp_path: Path) -> None:
    here.order(TODAY)
    here.ris.of(PARTY, ref="P-1")[0] |= {"lastname": "Mus^ter", "name": "A=B\\C", "ref": "P\\1"}
    exporter(here, tmp_path).export()
    entry = entries(tmp_path)["1-CT1.wl"]
    assert (entry.PatientName, entry.PatientID) == ("Mus ter^A B C", "P 1")
