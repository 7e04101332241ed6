"""The plan: the difference between what is ordered and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.fleet.model import Fleet
from orchestrator.plan.gates import ArtifactState, moved
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.survey.model import HostSurvey
from tests.builders import (
    MANDATE,
    NOW,
    a_facility_survey,
    a_fleet,
    a_host_survey,
    a_volume,
    some_services,
)

DEPOT: Mapping[str, ArtifactState] = {
    "orthanc-1.12.7.tar.gz": "good",
    "orthanc-1.13.0.tar.gz": "good",
}


def plan_for(
    fleet: Fleet,
    host: HostSurvey,
    *,
    depot: Mapping[str, ArtifactState] = DEPOT,
    problems: tuple[str, ...] = (),
    attempts: Mapping[str, int] | None = None,
) -> Plan:
    surveys = {"hospital-a": a_facility_survey(host, problems=problems)}
    return make_plan(fleet, surveys, now=NOW, depot=depot, attempts=attempts)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return a_fleet(tmp_path)


def test_a_host_behind_its_order_is_changed(fleet: Fleet) -> None:
    plan = plan_for(fleet, a_host_survey())
    (change_set,) = plan.change_sets
    change = change_set.anchor
    assert (change.host, change.from_release, change.to_release) == ("pacs-a", "1.10.1", "1.12.7")
    assert change.door_tcp == (4242, 8042)
    assert change.facts == a_host_survey().facts()
    assert plan.refusals == ()
    assert plan.compliant == ()
    assert plan.fleet_digest == fleet.digest


def test_a_host_as_ordered_is_left_alone(fleet: Fleet) -> None:
    plan = plan_for(fleet, a_host_survey(release="1.12.7"))
    assert plan.compliant == ("hospital-a",)
    assert plan.change_sets == ()


def test_a_facility_without_an_order_is_left_alone(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, {"mandate.yml": MANDATE.replace("all", "[hospital-b]")})
    assert plan_for(fleet, a_host_survey()).compliant == ("hospital-a",)


def test_only_facilities_that_were_surveyed_are_in_the_plan(fleet: Fleet) -> None:
    plan = plan_for(fleet, a_host_survey())
    assert {change_set.facility for change_set in plan.change_sets} == {"hospital-a"}


def test_a_refused_facility_does_not_stop_the_others(fleet: Fleet) -> None:
    surveys = {
        "hospital-b": a_facility_survey(a_host_survey("pacs-b"), facility="hospital-b"),
        "hospital-a": a_facility_survey(problems=("pacs-a: no answer",)),
    }
    plan = make_plan(fleet, surveys, now=NOW, depot=DEPOT)
    assert [change_set.facility for change_set in plan.change_sets] == ["hospital-b"]
    assert {refusal.facility for refusal in plan.refusals} == {"hospital-a"}


@pytest.mark.parametrize(
    ("found", "gate", "because"),
    [
        ({"release": "1.9.0"}, "upgrade-path", "the catalog has no way from 1.9.0 to 1.12.7"),
        ({"release": "1.13.0"}, "downgrade", "1.13.0 is installed, 1.12.7 is older"),
        ({"release": ""}, "release", "which release is installed is not known"),
        ({"running": None}, "running", "the product does not say which release runs"),
        ({"running": "1.12.7"}, "running", "1.10.1 is installed, but 1.12.7 runs"),
        ({"release": "1.12.7", "running": "1.10.1"}, "running",
         "1.12.7 is installed, but 1.10.1 runs"),
        ({"release": "1.12.7", "running": None}, "running",
         "the product does not say which release runs"),
        ({"volumes": (a_volume(is_subvolume=False),)}, "volume",
         "volume live (/data/live) is no subvolume: it cannot be snapshotted"),
        ({"volumes": (a_volume(filesystem="ext4", is_subvolume=False),)}, "volume",
         "volume live (/data/live) is ext4: it cannot be snapshotted"),
        ({"volumes": ()}, "volume", "volume live (/data/live) was not found"),
        ({"volumes": (a_volume(free_mib=511),)}, "free-space",
         "/data/live has 511 MiB free, 512 MiB are needed"),
        ({"services": some_services(orthanc="failed")}, "service",
         "orthanc.service is failed, a change begins with a hospital that works"),
        ({"services": ()}, "service", "orthanc.service was not looked at"),
        ({"locked_by": "hospital-a-00000000"}, "lock",
         "change hospital-a-00000000 is not finished on this host"),
        ({"release": "1.12.7", "locked_by": "hospital-a-00000000"}, "lock",
         "change hospital-a-00000000 is not finished on this host"),
    ],
)  # fmt: skip
def test_a_gate_refuses_with_its_reason(
    fleet: Fleet, found: dict[str, object], gate: str, because: str
) -> None:
    plan = plan_for(fleet, a_host_survey(**found))  # type: ignore[arg-type]
    assert plan.change_sets == ()
    assert (gate, because) in [(refusal.gate, refusal.because) for refusal in plan.refusals]
    assert all(refusal.hint for refusal in plan.refusals)


@pytest.mark.parametrize(
    ("python", "because"),
    [
        ("3.8.10", "the host has Python 3.8.10, the host program needs 3.9"),
        ("", "the host's Python is not known"),
    ],
)
def test_a_host_without_a_python_for_the_host_program_is_refused(
    fleet: Fleet, python: str, because: str
) -> None:
    plan = plan_for(fleet, a_host_survey().model_copy(update={"python": python}))
    assert [refusal.because for refusal in plan.refusals] == [because]


def test_a_host_with_another_product_is_refused(fleet: Fleet) -> None:
    plan = plan_for(fleet, a_host_survey().model_copy(update={"product": "dcm4chee"}))
    assert [refusal.gate for refusal in plan.refusals] == ["product"]


@pytest.mark.parametrize(
    ("state", "because"),
    [
        ("missing", "orthanc-1.12.7.tar.gz is not in the depot"),
        ("differs", "orthanc-1.12.7.tar.gz in the depot is not what the catalog says"
         " (size or SHA-256)"),
        (None, "whether orthanc-1.12.7.tar.gz is in the depot is not known"),
    ],
)  # fmt: skip
def test_an_artifact_that_is_not_proved_is_refused(
    fleet: Fleet, state: ArtifactState | None, because: str
) -> None:
    depot: dict[str, ArtifactState] = {"orthanc-1.12.7.tar.gz": state} if state else {}
    plan = plan_for(fleet, a_host_survey(), depot=depot)
    assert [(refusal.gate, refusal.because) for refusal in plan.refusals] == [("artifact", because)]


def test_an_irreversible_release_is_refused_and_named(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path, {"mandate.yml": MANDATE.replace("1.12.7", "1.13.0")})
    plan = plan_for(fleet, a_host_survey(release="1.12.7"))
    assert [refusal.gate for refusal in plan.refusals] == ["irreversible"]


def test_every_refusal_is_told_at_once(fleet: Fleet) -> None:
    host = a_host_survey(
        release="1.9.0", running=None, services=some_services(orthanc="failed"),
        volumes=(a_volume(is_subvolume=False, free_mib=1),), locked_by="hospital-a-00000000",
    )  # fmt: skip
    plan = plan_for(fleet, host, depot={}, problems=("pacs-a: the door was not looked at",))
    assert [refusal.gate for refusal in plan.refusals] == [
        "survey", "upgrade-path", "running", "volume", "free-space", "service", "lock", "artifact",
    ]  # fmt: skip


def test_a_host_that_was_not_surveyed_is_refused(fleet: Fleet) -> None:
    plan = make_plan(fleet, {"hospital-a": a_facility_survey()}, now=NOW, depot=DEPOT)
    (refusal,) = plan.refusals
    assert (refusal.host, refusal.gate) == ("pacs-a", "survey")


def test_the_same_input_gives_the_same_plan(fleet: Fleet) -> None:
    one = plan_for(fleet, a_host_survey())
    counted = a_host_survey(counts={"studies": 41}, volumes=(a_volume(free_mib=1024),))
    surveys = {"hospital-a": a_facility_survey(counted)}
    later = make_plan(fleet, surveys, now=NOW + timedelta(hours=1), depot=DEPOT)
    assert [cs.id for cs in one.change_sets] == [cs.id for cs in later.change_sets]
    assert one.digest == later.digest == later.computed_digest()


@pytest.mark.parametrize("found", [{"config_hash": "d" * 64}, {"release": "1.13.0~rc1"}])
def test_the_digest_moves_with_the_facts(tmp_path: Path, found: dict[str, str]) -> None:
    fleet = a_fleet(tmp_path)
    moved_on = a_host_survey(**found)  # type: ignore[arg-type]
    one, other = plan_for(fleet, a_host_survey()), plan_for(fleet, moved_on)
    assert one.digest != other.digest
    assert not other.change_sets or one.change_sets[0].id != other.change_sets[0].id


def test_another_attempt_is_another_change_set(fleet: Fleet) -> None:
    first = plan_for(fleet, a_host_survey()).change_sets[0].id
    second = plan_for(fleet, a_host_survey(), attempts={"hospital-a": 1}).change_sets[0].id
    assert first != second
    assert first.startswith("hospital-a-")
    assert len(first) == len("hospital-a-") + 8


def test_another_mandate_is_another_change_set(tmp_path: Path) -> None:
    renamed = {"mandate.yml": MANDATE.replace("archives to", "archives at")}
    one = plan_for(a_fleet(tmp_path / "1"), a_host_survey())
    other = plan_for(a_fleet(tmp_path / "2", renamed), a_host_survey())
    assert one.change_sets[0].id != other.change_sets[0].id


def test_no_secret_is_in_a_plan(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PASSWORD", "hunter2")
    text = plan_for(fleet, a_host_survey()).model_dump_json()
    assert "hunter2" not in text
    assert "WEB_PASSWORD" in text


def test_what_moved_since_the_plan_is_named(fleet: Fleet) -> None:
    planned = plan_for(fleet, a_host_survey()).change_sets[0].anchor
    now = a_host_survey(release="1.12.7", config_hash="d" * 64)
    assert moved(planned, now) == (
        "release was 1.10.1, is 1.12.7",
        "configuration was cccccccccccc, is dddddddddddd",
    )


def test_counters_do_not_move_a_plan(fleet: Fleet) -> None:
    planned = plan_for(fleet, a_host_survey()).change_sets[0].anchor
    now = a_host_survey(counts={"studies": 99}, volumes=(a_volume(free_mib=1),))
    assert moved(planned, now) == ()
