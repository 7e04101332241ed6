"""Several hops in one apply: each is started, proved, stopped; any failure leads to the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import ballast, begin, decide, prepare
from orchestrator.host.census import named
from orchestrator.host.host import Host
from orchestrator.host.manifest import parse
from orchestrator.host.outcome import FailedError, RefusedError
from tests.fakes.linux_host import LinuxHost, by_hops, install_product, manifest, stage

CHANGE = "hospital-a-1"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LinuxHost:
    monkeypatch.setattr(ballast, "SIZE", 4096)
    made = LinuxHost(tmp_path)
    install_product(made)
    stage(made)
    prepare.prepare(Host(made), json.dumps(by_hops(manifest())), at=1)
    return made


def phase(machine: LinuxHost, name: str) -> dict[str, Any]:
    return begin.phase(Host(machine), CHANGE, name, at=1, wait=None)


def through(machine: LinuxHost, *names: str) -> None:
    for name in names:
        found = phase(machine, name)
        assert found["state"] == "succeeded", (name, found)


def restored(machine: LinuxHost) -> None:
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a check")
    through(machine, "restore", "open")
    assert machine.snapshot_of_truth() == machine.truth_before
    assert set(machine.running.values()) == {"1.0"}


def test_each_release_on_the_way_runs_is_proved_and_stops(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot")
    machine.ran.clear()
    machine.stepped.clear()
    through(machine, "apply")
    hop, last = "settings of a hop", "settings of 2.0"
    assert machine.stepped == [
        ("migrate", "1", hop),
        ("start", "1", hop),
        ("census", CHANGE, hop),
        ("stop", "1", hop),
        ("migrate", CHANGE, last),
        ("start", CHANGE, last),
    ]
    assert machine.ran == [
        "migrate 2.0 in apply",
        "start 2.0 in apply",
        "census 2.0 in census",
        "stop 2.0 in apply",
        "migrate 3.0 in apply",
        "start 3.0 in apply",
    ]
    assert set(machine.running.values()) == {"3.0"}
    restored(machine)


@pytest.mark.parametrize("fails", ["migrate", "start", "census", "stop"])
def test_a_hop_that_fails_is_named_and_leads_to_the_start(machine: LinuxHost, fails: str) -> None:
    through(machine, "quiesce", "snapshot")
    machine.failing.add(f"{fails} in {'census' if fails == 'census' else 'apply'}")
    found = phase(machine, "apply")
    assert found["state"] == "failed"
    assert found["because"].startswith("on the way, at 2.0: ")
    assert "migrate 3.0 in apply" not in machine.ran
    machine.failing.clear()
    restored(machine)


def test_what_a_hop_has_lost_ends_it(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot")
    record = machine.at(f"/var/lib/wardship/changes/{CHANGE}/census-before.json")
    record.write_text(json.dumps({"records": {"patients": {"1": "a", "2": "b"}}}))
    machine.census = json.dumps({"records": {"patients": {"1": "another"}}})
    found = phase(machine, "apply")
    told = "on the way, at 2.0: 1 of what was counted before is gone, as patients 2"
    assert found["because"] == told
    restored(machine)


def test_what_does_not_stop_is_not_gone_on_with(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot")
    machine.unstoppable.add("pacs.service")
    found = phase(machine, "apply")
    assert "on the way, at 2.0: not proved stopped: pacs.service is active" in found["because"]
    machine.unstoppable.clear()
    restored(machine)


def test_what_is_missing_of_a_hop_is_told_before_anything_is_felt(machine: LinuxHost) -> None:
    directory = machine.at(f"/var/lib/wardship/changes/{CHANGE}/hops/1")
    (directory / "scripts/migrate").unlink()
    (directory / "files/pacs").rename(directory / "x")
    machine.at("/opt/pacs/2.0").rename(machine.at("/opt/pacs/x"))
    problems = begin.ready(Host(machine), CHANGE)["problems"]
    assert "script migrate of 2.0 is missing" in problems
    assert "files/pacs of 2.0 is not staged" in problems
    assert "release 2.0 is not in /opt/pacs" in problems


def test_a_census_is_objects_and_records() -> None:
    instance = {"uid": "1.2.3", "file": "x", "size": 1, "md5": ""}
    study = {"uid": "1", "series": [{"uid": "1.2", "modality": "OT", "instances": [instance]}]}
    assert named({"studies": [study], "records": {"orders": {"7": "x"}}}) == {"1.2.3", "orders 7"}


@pytest.mark.parametrize(
    "census",
    [
        {},
        [],
        {"patients": 3},
        {"studies": {}},
        {"studies": 2},
        {"studies": [{"uid": "1"}]},
        {"records": {"patients": "xy"}},
        {"records": ["patients"]},
    ],
)
def test_what_is_no_census_proves_nothing(census: Any, machine: LinuxHost) -> None:
    with pytest.raises(FailedError, match="another shape"):
        named(census)
    through(machine, "quiesce", "snapshot")
    machine.census = json.dumps(census)
    assert "another shape" in phase(machine, "apply")["because"]


def test_a_database_beside_others_is_closed_between_hops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ballast, "SIZE", 4096)
    machine = LinuxHost(tmp_path)
    install_product(machine)
    stage(machine)
    document = by_hops(manifest(provider="postgres"))
    prepare.prepare(Host(machine), json.dumps(document), at=1)
    through(machine, "quiesce", "snapshot")
    machine.postgresql.clients["pacs"] = ["a report as root from this host"]
    through(machine, "apply")
    log = machine.at(f"/var/lib/wardship/changes/{CHANGE}/phases/apply.log").read_text()
    told = "ended in database pacs of PostgreSQL 15/main: a report as root from this host"
    assert log.index("script stop for 2.0") < log.index(told) < log.index("script migrate for 3.0")
    assert machine.postgresql.databases["pacs"].limit == "40", "the last release is let in"
    restored(machine)


@pytest.mark.parametrize("hops", [["1.0"], ["3.0"], ["2.0", "2.0"], ["../x"]])
def test_hops_are_a_way(hops: list[str]) -> None:
    with pytest.raises(RefusedError, match="hop"):
        parse({**by_hops(manifest()), "hops": hops})
