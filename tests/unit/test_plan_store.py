"""A plan file is run as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import PlanError
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.store import find, save
from tests.builders import NOW, a_facility_survey, a_fleet, a_host_survey


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    surveys = {"hospital-a": a_facility_survey(a_host_survey())}
    return make_plan(a_fleet(tmp_path), surveys, now=NOW, depot={"orthanc-1.12.7.tar.gz": "good"})


def test_a_plan_is_found_by_digest_by_its_beginning_and_by_path(tmp_path: Path, plan: Plan) -> None:
    path = save(plan, tmp_path / "state")
    assert path.name == f"{plan.digest[:12]}.json"
    for reference in (plan.digest, plan.digest[:12], plan.digest[:4], str(path)):
        assert find(tmp_path / "state", reference) == plan


def test_a_plan_is_for_its_owner_only(tmp_path: Path, plan: Plan) -> None:
    path = save(plan, tmp_path / "state")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_that_was_edited_is_refused(tmp_path: Path, plan: Plan) -> None:
    path = save(plan, tmp_path / "state")
    path.write_text(path.read_text().replace("10.77.0.11", "10.77.0.99"))
    with pytest.raises(PlanError, match="changed after it was made"):
        find(tmp_path / "state", plan.digest)


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(PlanError, match="not a plan"):
        find(tmp_path, str(tmp_path / "x.json"))


def test_a_beginning_of_two_digests_is_refused(tmp_path: Path, plan: Plan) -> None:
    path = save(plan, tmp_path / "state")
    path.with_name(plan.digest[:6] + "ffffff.json").write_text("{}")
    with pytest.raises(PlanError, match="names 2 plans"):
        find(tmp_path / "state", plan.digest[:6])


def test_a_digest_of_another_plan_with_the_same_beginning_is_not_this_plan(
    tmp_path: Path, plan: Plan
) -> None:
    save(plan, tmp_path / "state")
    other = plan.digest[:12] + ("0" if plan.digest[12] != "0" else "1") * 52
    with pytest.raises(PlanError):
        find(tmp_path / "state", other)


@pytest.mark.parametrize("reference", ["abcdef012345", "no/such.json"])
def test_an_unknown_plan_is_refused_with_what_there_is(
    tmp_path: Path, plan: Plan, reference: str
) -> None:
    save(plan, tmp_path / "state")
    with pytest.raises(PlanError):
        find(tmp_path / "state", reference)


def test_saving_again_leaves_one_file(tmp_path: Path, plan: Plan) -> None:
    save(plan, tmp_path / "state")
    save(plan, tmp_path / "state")
    assert [path.name for path in (tmp_path / "state/plans").iterdir()] == [
        f"{plan.digest[:12]}.json"
    ]
