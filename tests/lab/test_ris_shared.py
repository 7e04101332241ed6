"""A RIS whose PostgreSQL serves a laboratory too: one database is put back, the other goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.lab import laboratory
from orchestrator.lab.model import SHARED_RIS_HOST
from orchestrator.lab.ris import psql
from orchestrator.rollout.model import State
from tests.lab.controlled import PROGRAM, lab_name, wait_for
from tests.lab.ris import Ris, make_ris
from tests.lab.test_ris import wait_for_migration

#: What PostgreSQL keeps of a database beside its content, as odd as it may be.
SET = """
create role reports;
alter database gnuhealth connection limit 40;
alter database gnuhealth set work_mem to '5MB';
alter role reports in database gnuhealth set search_path to '', "Odd, name", public;
alter role reports in database gnuhealth set ward.title to 'Ward''s \\ Köln';
comment on database gnuhealth is 'Köln''s RIS';
revoke all on database gnuhealth from public;
grant connect, temporary on database gnuhealth to reports with grant option;
"""
KEPT = """
select datconnlimit, datacl::text, pg_get_userbyid(datdba), shobj_description(oid, 'pg_database')
from pg_database where datname = 'gnuhealth';
select pg_get_userbyid(setrole), setconfig::text from pg_db_role_setting
where setdatabase = (select oid from pg_database where datname = 'gnuhealth') order by 1;
"""


@pytest.fixture(scope="module")
def hospital() -> Iterator[Ris]:
    """A lab of its own, with that RIS alone."""
    ris = make_ris(lab_name("shared"), SHARED_RIS_HOST)
    try:
        yield ris
    finally:
        ris.lab.down()


@pytest.fixture
def ris(hospital: Ris) -> Ris:
    """The RIS as found, its database with what people set on it, and the laboratory at work."""
    hospital.reset()
    psql(hospital.run, SET)
    return hospital


@contextmanager
def laboratory_works(ris: Ris, *, crashes: bool = False) -> Iterator[None]:
    """All the while the laboratory writes, is never turned away, and loses nothing.

    ``crashes``: the host does, which turns it away; what was acknowledged is there all the same.
    """
    before = len(laboratory.kept(ris.run))
    yield
    now = len(laboratory.kept(ris.run))
    wait_for("the laboratory goes on", lambda: len(laboratory.kept(ris.run)) > now)
    assert now > before + 50, "the laboratory hardly wrote: this proves nothing"
    assert laboratory.lost(ris.run) == set()
    assert crashes or laboratory.refused(ris.run) == 0


def databases(ris: Ris) -> dict[str, str]:
    """Every database of the cluster, and whether it lets somebody in."""
    words = ["psql", "-XqAt", "-F,", "-c", "select datname, datallowconn from pg_database"]
    rows = ris.run(["runuser", "-u", "postgres", "--", *words]).decode().split()
    return dict(row.split(",") for row in rows)


def kept(ris: Ris) -> dict[str, str]:
    """What changes keep there, by its last word."""
    found = databases(ris).items()
    return {name.rpartition("_")[2]: how for name, how in found if "_wardship_" in name}


def test_a_migration_that_is_killed_is_put_back_beside_others(ris: Ris) -> None:
    before, was_set = ris.read(), psql(ris.run, KEPT)
    plan = ris.plan()
    with laboratory_works(ris), ris.start("run", plan) as controller:
        try:
            wait_for_migration(ris, controller)
            ris.run(["pkill", "-KILL", "-f", "trytond-admin"])
            output, _ = controller.communicate(timeout=ris.patience)
        finally:
            controller.kill()
    assert controller.returncode == 40, output
    assert ris.the_record().state is State.RESTORED
    ris.assert_as_before(before)
    assert kept(ris) == {"failed": "f"}
    assert psql(ris.run, KEPT) == was_set


@pytest.mark.full
def test_it_commits_goes_back_on_demand_and_leaves_nothing(ris: Ris) -> None:
    before, was_set = ris.read(), psql(ris.run, KEPT)
    with laboratory_works(ris):
        done = ris.wardship("run", ris.plan())
        assert done.returncode == 0, done.stdout + done.stderr
        ris.assert_serves("5.0.6")
        assert kept(ris) == {"copy": "f"}
        assert psql(ris.run, KEPT) == was_set
        change = ris.the_record().change_set.id
        back = ris.wardship("restore", change, "--reason", "the radiologists want it back")
        assert back.returncode == 0, back.stdout + back.stderr
    ris.assert_as_before(before)
    assert kept(ris) == {"failed": "f"}
    epoch = str(ris.host_says()["epoch"])
    ris.run([PROGRAM, "cleanup", "--change", change, "--epoch", epoch])
    assert kept(ris) == {}


@pytest.mark.full
def test_a_host_that_crashes_in_the_migration_serves_the_old_release(ris: Ris) -> None:
    before = ris.read()
    with laboratory_works(ris, crashes=True), ris.start("run", ris.plan()) as controller:
        try:
            wait_for_migration(ris, controller)
            ris.lab.crash(ris.host)
            ris.lab.boot(ris.host)
            ris.lab.wait_ssh(ris.host)
            output, _ = controller.communicate(timeout=ris.patience)
        finally:
            controller.kill()
    assert controller.returncode == 40, output
    ris.assert_as_before(before)


@pytest.mark.full
def test_the_wrong_database_is_found_and_put_back(ris: Ris) -> None:
    before = ris.read()
    plan = ris.plan()
    ris.break_("wrong-database")
    with laboratory_works(ris):
        done = ris.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    ris.assert_as_before(before)


@pytest.mark.full
def test_who_is_connected_to_it_is_a_refusal(ris: Ris) -> None:
    plan = ris.plan()
    sleep = "runuser -u postgres -- psql -Xq -d gnuhealth -c 'select pg_sleep(600)'"
    ris.run(["systemd-run", "--unit=report", "sh", "-c", sleep])
    done = ris.wardship("run", plan)
    assert done.returncode == 30, done.stdout + done.stderr
    assert "psql as postgres from this host" in done.stdout + done.stderr
    ris.assert_serves("4.4.1")
    assert kept(ris) == {}
