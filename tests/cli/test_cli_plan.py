"""``wardship survey`` and ``wardship plan``: look, show, keep; nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal
from orchestrator.plan.store import find
from orchestrator.survey.model import FacilitySurvey
from tests.builders import a_facility_survey, a_host_survey, some_services
from tests.cli.conftest import Wardship

Found = dict[str, FacilitySurvey]


@pytest.fixture
def healthy(found: Found) -> Found:
    found["hospital-a"] = a_facility_survey(a_host_survey())
    found["hospital-b"] = a_facility_survey(a_host_survey("pacs-b"), facility="hospital-b")
    return found


def test_a_survey_shows_what_is_there(wardship: Wardship, healthy: Found) -> None:
    said = wardship("survey", "hospital-a")
    assert said.code == 0
    assert said.out.splitlines() == [
        "hospital-a · looked at 2026-11-22 06:00:00 UTC",
        "  pacs-a · orthanc 1.10.1 · Debian GNU/Linux 12 (bookworm)",
        "    live /data/live · btrfs subvolume · 2.0 of 3.0 GiB free",
        "    postgresql@15-main.service active, orthanc.service active",
        "    40 studies, 300 instances",
        "nothing was changed. next: wardship plan",
    ]


def test_a_survey_that_is_not_whole_is_20(wardship: Wardship, healthy: Found) -> None:
    healthy["hospital-b"] = a_facility_survey(facility="hospital-b", problems=("pacs-b: timeout",))
    said = wardship("survey")
    assert said.code == 20
    assert "  problem: pacs-b: timeout" in said.out.splitlines()
    assert "1 of 2 facilities could not be looked at whole: hospital-b" in said.err


def test_a_survey_in_json_is_one_document_even_when_it_fails(
    wardship: Wardship, healthy: Found
) -> None:
    healthy["hospital-b"] = a_facility_survey(facility="hospital-b", problems=("pacs-b: timeout",))
    said = wardship("survey", "--json")
    assert said.code == 20
    assert json.loads(said.out)["hospital-b"]["problems"] == ["pacs-b: timeout"]


def test_a_plan_is_shown_kept_and_named(
    wardship: Wardship, healthy: Found, directory: Path
) -> None:
    said = wardship("plan")
    assert said.code == 0
    (kept,) = (directory / ".wardship/plans").glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert said.last == (
        f"plan for 2 facilities kept; nothing was changed. next: wardship run {kept.stem}"
    )
    hosts = "2 hosts: hospital-a/pacs-a, hospital-b/pacs-b"
    assert f"orthanc 1.10.1 → 1.12.7 · {hosts}" in said.out.splitlines()
    assert len(find(directory / ".wardship", kept.stem).change_sets) == 2


def test_a_plan_in_json_is_the_plan(wardship: Wardship, healthy: Found, directory: Path) -> None:
    answer = json.loads(wardship("plan", "hospital-a", "--json").out)
    plan = find(directory / ".wardship", answer["digest"])
    assert json.loads(plan.model_dump_json()) == answer


def test_a_refused_facility_is_30_and_the_others_are_kept(
    wardship: Wardship, healthy: Found, directory: Path
) -> None:
    broken = a_host_survey("pacs-b", services=some_services(orthanc="failed"))
    healthy["hospital-b"] = a_facility_survey(broken, facility="hospital-b")
    said = wardship("plan")
    assert said.code == 30
    (kept,) = (directory / ".wardship/plans").glob("*.json")
    assert f"wardship run {kept.stem}" in said.err
    assert "refused: hospital-b" in said.err
    assert "pacs-b: orthanc.service is failed" in said.out


def test_where_everything_is_refused_nothing_is_kept(
    wardship: Wardship, found: Found, directory: Path
) -> None:
    found["hospital-a"] = a_facility_survey(problems=("pacs-a: timeout",))
    said = wardship("plan", "hospital-a")
    assert said.code == 30
    assert "nothing is planned and nothing was changed" in said.err
    assert not (directory / ".wardship/plans").exists()


def test_nothing_to_do_is_said_and_is_no_error(
    wardship: Wardship, found: Found, directory: Path
) -> None:
    found["hospital-a"] = a_facility_survey(a_host_survey(release="1.12.7"))
    said = wardship("plan", "hospital-a")
    assert said.code == 0
    assert said.last.startswith("everything is as ordered")
    assert not (directory / ".wardship/plans").exists()


def test_a_damaged_artifact_refuses(wardship: Wardship, healthy: Found, directory: Path) -> None:
    (directory / "depot/orthanc-1.12.7.tar.gz").write_text("1.12.X")
    said = wardship("plan")
    assert said.code == 30
    assert "is not what the catalog says (size or SHA-256)" in said.out


def test_an_unknown_facility_is_named(wardship: Wardship, healthy: Found) -> None:
    said = wardship("plan", "hospital-z")
    assert said.code == 10
    assert "no facility hospital-z" in said.err


def test_after_an_attempt_the_same_plan_has_new_change_sets(
    wardship: Wardship, healthy: Found, monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    first = json.loads(wardship("plan", "hospital-a", "--json").out)
    (directory / ".wardship/journal.sqlite").touch()
    monkeypatch.setattr(SqlJournal, "attempts", lambda _: {"hospital-a": 1})
    second = json.loads(wardship("plan", "hospital-a", "--json").out)
    assert first["change_sets"][0]["id"] != second["change_sets"][0]["id"]
