"""Databases beside others: copied, proved, put back, told; never another product's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import aftercare, ballast, begin, decide, prepare
from orchestrator.host.change import load
from orchestrator.host.databases import DatabasePlace
from orchestrator.host.host import Host
from orchestrator.host.manifest import parse
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.work import database_places
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


def place(machine: LinuxHost) -> DatabasePlace:
    (found,) = database_places(load(Host(machine), CHANGE))
    return found


def test_the_copy_has_the_settings_and_lets_nobody_in(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot")
    copy = machine.postgresql.databases[place(machine).copy]
    assert (copy.content, copy.settings, copy.lets_in) == ("1", "work_mem=5MB", False)
    assert copy.granted
    assert machine.postgresql.databases["pacs"].limit == "0", "somebody could write meanwhile"
    through(machine, "apply")
    assert machine.postgresql.databases["pacs"].limit == "40"
    assert place(machine).aside not in machine.postgresql.databases


def test_what_failed_is_kept_under_its_name_until_cleanup(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "restore")
    through(machine, "restore", "open")
    there = machine.postgresql.databases
    assert (there["pacs"].content, there["pacs"].lets_in, there["pacs"].limit) == ("1", True, "40")
    failed = there[place(machine).failed]
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


def test_a_copy_without_what_is_granted_stops_the_change(machine: LinuxHost) -> None:
    machine.postgresql.ungranted = True
    through(machine, "quiesce")
    found = phase(machine, "snapshot")
    assert "the copy of database pacs of PostgreSQL 15/main has other grants" in found["because"]


def test_a_copy_that_outlives_its_client_is_ended_before_anything(machine: LinuxHost) -> None:
    through(machine, "quiesce")
    machine.postgresql.copying = True
    assert phase(machine, "snapshot")["state"] == "failed"
    choose(machine, "restore")
    through(machine, "restore", "open")
    assert not machine.postgresql.copying
    assert machine.postgresql.databases["pacs"].limit == "40"


def test_what_a_release_prepared_keeps_nothing_from_going_back(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    machine.postgresql.prepared["pacs"] = ["in doubt"]
    choose(machine, "restore")
    through(machine, "restore")
    assert machine.postgresql.databases["pacs"].content == "1"


def test_no_reversal_stops_what_works_without_a_copy(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "commit")
    through(machine, "open")
    copy = machine.postgresql.databases.pop(place(machine).copy)
    with pytest.raises(RefusedError, match="is gone"):
        decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    machine.postgresql.runs = False
    with pytest.raises(RefusedError, match="connection to server failed"):
        decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    machine.postgresql.runs = True
    machine.postgresql.databases[place(machine).copy] = copy
    decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    through(machine, "restore", "open")


def test_who_writes_at_a_reversal_is_put_out_before_it_is_counted(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "commit")
    through(machine, "open")
    decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    machine.postgresql.clients["pacs"] = ["an interface as hl7 from 10.0.0.7"]
    machine.failing.add("stop in restore")
    through(machine, "restore")
    log = load(Host(machine), CHANGE).paths.log("restore").read_text()
    ended = log.index("ended in database pacs of PostgreSQL 15/main: an interface as hl7")
    assert ended < log.index("script stop for")


def test_cleanup_goes_on_without_a_cluster(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    choose(machine, "restore")
    through(machine, "restore", "open")
    machine.postgresql.runs = False
    with pytest.raises(FailedError, match="connection to server failed"):
        aftercare.cleanup(Host(machine), CHANGE, at=1)
    assert not load(Host(machine), CHANGE).paths.evidence.exists()
    machine.postgresql.runs = True
    aftercare.cleanup(Host(machine), CHANGE, at=1)
    assert sorted(machine.postgresql.databases) == ["laboratory", "pacs"]


def test_what_failed_goes_where_it_leaves_no_room(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    machine.room = 100 << 20
    choose(machine, "restore")
    through(machine, "restore", "open")
    assert place(machine).failed not in machine.postgresql.databases
    assert "failed" not in place(machine).noted()


def test_a_copy_that_is_gone_needs_hands(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    del machine.postgresql.databases[place(machine).copy]
    choose(machine, "restore")
    machine.ran.clear()
    found = phase(machine, "restore")
    assert found["state"] == "failed"
    assert machine.ran == [], "something was stopped for it"
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


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        (("2", "0", "0", "0", "0"), "tablespaces of its own"),
        (("0", "1", "0", "0", "0"), "subscriptions"),
        (("0", "0", "1", "0", "0"), "replication slots"),
        (("0", "0", "0", "1", "0"), "prepared transactions"),
        (("0", "0", "0", "0", "1"), "security labels"),
    ],
)
def test_what_a_copy_would_not_have_is_a_refusal(
    machine: LinuxHost, counted: tuple[str, ...], told: str
) -> None:
    machine.postgresql.counted = counted
    assert [f"the database pacs has {told}, which a copy would not have"] == begin.ready(
        Host(machine), CHANGE
    )["problems"]


def test_who_keeps_a_template_from_being_copied_is_a_refusal(machine: LinuxHost) -> None:
    machine.postgresql.workers["pacs"] = ["pg_cron launcher"]
    (told,) = begin.ready(Host(machine), CHANGE)["problems"]
    assert "is used by a pg_cron launcher" in told


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
        ([{**RECORDS, "database": "template1"}], "postgres", "PostgreSQL's own database"),
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


def test_a_lock_on_what_was_never_closed_keeps_no_clinic_shut(machine: LinuxHost) -> None:
    machine.postgresql.locked = True
    assert "lock timeout" in phase(machine, "quiesce")["because"]
    choose(machine, "restore")
    through(machine, "restore", "open")
    assert machine.postgresql.databases["pacs"].limit == "40"


def test_what_failed_and_cannot_be_dropped_keeps_no_clinic_shut(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot", "apply")
    machine.room = 100 << 20
    machine.postgresql.undroppable = True
    choose(machine, "restore")
    through(machine, "restore", "open")
    log = load(Host(machine), CHANGE).paths.log("restore").read_text()
    assert f"{place(machine).failed} stays, though there is little room: " in log


def test_a_person_clears_nothing_while_a_database_lets_nobody_in(machine: LinuxHost) -> None:
    through(machine, "quiesce", "snapshot")
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a check")
    aftercare.hands(Host(machine), CHANGE, at=1, because="a person has to look")
    machine.postgresql.runs = False
    with pytest.raises(FailedError):
        aftercare.clear(Host(machine), CHANGE, at=1, reason="mended")
    machine.postgresql.runs = True
    aftercare.clear(Host(machine), CHANGE, at=1, reason="mended")
    assert machine.postgresql.databases["pacs"].limit == "40"
