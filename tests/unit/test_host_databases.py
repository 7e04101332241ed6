"""Databases beside others: copied, proved, put back, told; never another product's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import aftercare, ballast, begin, decide, prepare
from orchestrator.host.change import load
from orchestrator.host.databases import Base
from orchestrator.host.host import Host
from orchestrator.host.manifest import parse
from orchestrator.host.outcome import RefusedError
from tests.fakes.linux_host import CLUSTER, RECORDS, LinuxHost, install_product, manifest, stage
from tests.fakes.postgresql import Kept

CHANGE = "hospital-a-1"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LinuxHost:
    monkeypatch.setattr(ballast, "SIZE", 4096)
    made = LinuxHost(tmp_path)
    install_product(made)
    stage(made)
    prepare.prepare(Host(made), json.dumps(manifest(provider="postgres")), at=1)
    return made


def phase(machine: LinuxHost, name: str) -> dict[str, Any]:
    return begin.phase(Host(machine), CHANGE, name, at=1, wait=None)


def through(machine: LinuxHost, *names: str) -> None:
    for name in names:
        found = phase(machine, name)
        assert found["state"] == "succeeded", (name, found)


def choose(machine: LinuxHost, proposal: str) -> None:
    decide.decide(Host(machine), CHANGE, at=1, propose=proposal, by="test", because="a check")


def base(machine: LinuxHost) -> Base:
    return Base(machine, CHANGE, load(Host(machine), CHANGE).manifest.databases[0])


def test_the_copy_has_the_settings_and_lets_nobody_in(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot")
    copy = machine.postgresql.databases[base(machine).copy]
    assert (copy.content, copy.settings, copy.lets_in) == ("1", "work_mem=5MB", False)
    assert base(machine).aside not in machine.postgresql.databases


def test_what_failed_is_kept_under_its_name_until_cleanup(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "restore")
    through(machine, "restore", "open")
    there = machine.postgresql.databases
    assert there["pacs"].content == "1"
    assert there["pacs"].lets_in
    failed = there[base(machine).failed]
    assert (failed.content, failed.lets_in) == ("2", False)
    aftercare.cleanup(Host(machine), CHANGE, at=1)
    assert sorted(there) == ["laboratory", "pacs"]
    assert there["laboratory"].content == "of others"


def test_a_commit_keeps_the_copy_for_a_reversal(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "commit")
    through(machine, "open")
    assert machine.postgresql.databases["pacs"].content == "2"
    decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    through(machine, "restore", "open")
    assert machine.postgresql.databases["pacs"].content == "1"


def test_who_is_connected_ends_the_change_before_a_copy(machine: LinuxHost) -> None:
    machine.postgresql.clients["pacs"] = ["a report as root from this host"]
    found = phase(machine, "quiesce")
    assert found["state"] == "failed"
    assert "a report as root from this host" in found["because"]


def test_who_is_in_another_database_is_nobodys_business(machine: LinuxHost) -> None:
    machine.postgresql.clients["laboratory"] = ["their own service"]
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "restore")
    through(machine, "restore")
    assert machine.postgresql.clients["laboratory"] == ["their own service"]


def test_who_came_to_the_failed_database_is_put_out(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    machine.postgresql.clients["pacs"] = ["the new release"]
    choose(machine, "restore")
    through(machine, "restore")
    assert "pacs" not in machine.postgresql.clients


def damaged(copy: Kept) -> None:
    copy.content = "a row less"


def test_a_copy_that_is_another_stops_the_change(machine: LinuxHost) -> None:
    machine.postgresql.spoil = damaged
    through(machine, "quiesce")
    found = phase(machine, "snapshot")
    assert found["state"] == "failed"
    assert "is not what is live" in found["because"]
    choose(machine, "restore")
    through(machine, "restore", "open")
    assert sorted(machine.postgresql.databases) == ["laboratory", "pacs"], "a half copy is left"


def test_a_database_that_the_release_dropped_is_put_back(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    del machine.postgresql.databases["pacs"]
    choose(machine, "restore")
    through(machine, "restore")
    assert machine.postgresql.databases["pacs"].content == "1"


def test_a_copy_that_is_gone_needs_hands(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    del machine.postgresql.databases[base(machine).copy]
    choose(machine, "restore")
    found = phase(machine, "restore")
    assert found["state"] == "failed"
    assert "is gone: database pacs of PostgreSQL 15/main cannot be put back" in found["because"]


def test_a_cluster_that_does_not_run_is_started_for_a_restore(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    machine.postgresql.runs = False
    choose(machine, "restore")
    through(machine, "restore")
    assert machine.postgresql.runs


def test_what_speaks_against_a_copy_is_told_before_anything_is_felt(machine: LinuxHost) -> None:
    machine.postgresql.databases.pop("pacs")
    found = begin.ready(Host(machine), CHANGE)
    assert "there is no database pacs of PostgreSQL 15/main" in found["problems"]
    machine.postgresql.runs = False
    found = begin.ready(Host(machine), CHANGE)
    assert any("connection to server failed" in one for one in found["problems"])


def test_a_copy_without_room_is_told_with_all_that_is_copied(machine: LinuxHost) -> None:
    machine.room = 200 << 20
    (told,) = [one for one in begin.ready(Host(machine), CHANGE)["problems"] if "MiB free" in one]
    assert "/pgdata" in told
    assert "/data/live" in told


@pytest.mark.parametrize(
    ("databases", "provider", "told"),
    [
        ([], "postgres", "no database is named"),
        ([RECORDS], "copy", "the provider is copy"),
        ([RECORDS, RECORDS], "postgres", "records is named twice"),
        ([{**RECORDS, "name": "live"}], "postgres", "live is named twice"),
        ([RECORDS, {**RECORDS, "name": "b"}], "postgres", "database pacs is named twice"),
        ([{**RECORDS, "database": 'x"; drop'}], "postgres", "database of a database is"),
        ([{**RECORDS, "database": "x" * 32}], "postgres", "database of a database is"),
        ([{**RECORDS, "service": "postgresql.service"}], "postgres", "service of a database is"),
        ([{"name": "records"}], "postgres", "a database has ['name']"),
        (["records"], "postgres", "a database has"),
    ],
)
def test_a_manifest_is_held_to_it(databases: list[Any], provider: str, told: str) -> None:
    document = {**manifest(provider="postgres"), "provider": provider, "databases": databases}
    with pytest.raises(RefusedError) as refused:
        parse(document)
    assert told in refused.value.because


def test_a_cluster_that_is_to_be_stopped_serves_no_others() -> None:
    document = manifest(provider="postgres")
    document["services"].insert(0, CLUSTER)
    with pytest.raises(RefusedError, match="is to be stopped, and serves pacs"):
        parse(document)
