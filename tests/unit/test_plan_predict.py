"""Hosts are asked what would become another: one run a facility, each host with its own change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from orchestrator.adapters.ansible import AnsibleRunner, Difference, HostOutcome
from orchestrator.fleet.model import Fleet
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.wiring.preview import predict
from tests.builders import NOW, a_facility_survey, a_fleet, a_host_survey, facility_yaml

#: A hospital with two archives.
TWO = {
    "facilities/hospital-a.yml": facility_yaml("a", number=11)
    + facility_yaml("c", number=13).split("hosts:\n")[1]
}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return a_fleet(tmp_path, TWO)


@pytest.fixture
def plan(fleet: Fleet) -> Plan:
    hosts = (a_host_survey("pacs-a"), a_host_survey("pacs-c"))
    return make_plan(
        fleet,
        {
            "hospital-a": a_facility_survey(*hosts),
            "hospital-b": a_facility_survey(a_host_survey("pacs-b"), facility="hospital-b"),
        },
        now=NOW,
        depot={"orthanc-1.12.7.tar.gz": "good"},
    )


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What Ansible was asked; the host pacs-c does not answer."""
    monkeypatch.setenv("WEB_PASSWORD", "web-secret")
    asked: list[dict[str, object]] = []

    def run(
        _self: AnsibleRunner, verb: str, *, inventory: Path, hosts: Sequence[str],
        extra_vars: Mapping[str, object], check: bool = False, hide: Sequence[str] = (),
    ) -> dict[str, HostOutcome]:  # fmt: skip
        told = {
            host: yaml.safe_load((inventory / f"host_vars/{host}.yml").read_text())
            for host in hosts
        }
        asked.append({"verb": verb, "check": check, "told": told, "hide": list(hide)})
        shown = (Difference(path="/etc/orthanc/orthanc.json", text="+A = 1"),)
        return {
            host: HostOutcome(host=host, status="unreachable", because="no route")
            if host == "pacs-c"
            else HostOutcome(host=host, status="done", differences=shown)
            for host in hosts
        }

    monkeypatch.setattr(AnsibleRunner, "run", run)
    return asked


def test_a_facility_is_asked_once_and_in_check_mode(
    fleet: Fleet, plan: Plan, runs: list[dict[str, object]]
) -> None:
    predict(fleet, plan)
    assert sorted((run["verb"], run["check"], len(run["told"])) for run in runs) == [  # type: ignore[arg-type]
        ("stage", True, 1),
        ("stage", True, 2),
    ]


def test_each_host_is_told_its_own_change_and_no_secret_is_told_back(
    fleet: Fleet, plan: Plan, runs: list[dict[str, object]]
) -> None:
    predict(fleet, plan)
    told = {host: values for run in runs for host, values in run["told"].items()}  # type: ignore[attr-defined]
    assert {host: values["wardship_change_set"] for host, values in told.items()} == {
        one.anchor.host: one.id for one in plan.change_sets
    }
    assert all(run["hide"] == ["web-secret"] for run in runs)


def test_a_host_that_was_silent_has_a_failure_and_its_neighbours_an_answer(
    fleet: Fleet, plan: Plan, runs: list[dict[str, object]]
) -> None:
    found = predict(fleet, plan)
    assert found["pacs-c"].failure == "unreachable: no route"
    assert not found["pacs-c"].differences
    assert [each.path for each in found["pacs-a"].differences] == ["/etc/orthanc/orthanc.json"]
