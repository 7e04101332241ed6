"""A PACS and a RIS of one hospital: they go to their new releases together, and back together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab.department import PACS_HOST, Department
from orchestrator.lab.hospital import Lab
from orchestrator.rollout.model import State
from tests.lab import bridge, images
from tests.lab.controlled import CACHE, LABS, Controlled, lab_name, wait_for
from tests.lab.pacs import Pacs
from tests.lab.ris import Ris
from tests.lab.test_ris import wait_for_migration
from tests.lab.ward import some

#: What goes wrong where, and the host that the cause has to name.
BROKEN = {
    "pacs no-postgresql-plugin": "pacs-a",
    "pacs wrong-ae": "pacs-a",
    "ris wrong-database": "ris-a",
    "ris worklist-dead": "ris-a",
    "ris bridge-refused": "ris-a",
}


class Both:
    """The department under test, with the two as they are looked at alone."""

    def __init__(self, department: Department) -> None:
        self.department = department
        self.pacs = Pacs(department.demo, PACS_HOST.name)
        self.ris = Ris(department.radiology)
        for one in (self.pacs, self.ris):
            one.fleet = department.fleet_directory
            one.state = one.fleet / ".wardship"
            one.patience = self.ris.patience

    def reset(self) -> None:
        """As found: 1.10.1 and 4.4.1, no journal."""
        self.department.reset()
        shutil.rmtree(self.pacs.state, ignore_errors=True)

    def assert_as_before(self, read: list[Any]) -> None:
        """Both serve what they served before; a second set of eyes reads every record."""
        self.pacs.assert_as_before()
        self.ris.assert_as_before(read)


@pytest.fixture(scope="module")
def hospital() -> Iterator[Both]:
    """A lab of its own, with both in it."""
    lab = Lab(lab_name("department"), state=LABS, cache=CACHE, say=print)
    lab.down()
    try:
        department = Department(lab, say=print)
        department.up()
        yield Both(department)
    finally:
        lab.down()


@pytest.fixture
def both(hospital: Both) -> Both:
    """Both as found."""
    hospital.reset()
    return hospital


def test_both_go_to_their_new_releases_together_and_back(both: Both, tmp_path: Path) -> None:
    before = both.ris.read()
    requested = next(one["request"] for one in before[2] if one["request"])
    study = images.study_number(both.ris, requested)
    images.send(both.pacs, study)
    assert images.fetched(both.ris, study) == [requested]
    planned = json.loads(both.pacs.wardship("plan", "--json").stdout)
    (one_set,) = planned["change_sets"]
    assert [host["host"] for host in one_set["hosts"]] == ["pacs-a", "ris-a"]
    with both.pacs.sending(tmp_path):
        done = both.pacs.wardship("run", planned["digest"][:12])
        assert done.returncode == 0, done.stdout + done.stderr
    record = both.pacs.the_record()
    both.pacs.assert_committed()
    both.ris.assert_serves("5.0.6")
    assert bridge.order(both.ris, "H-1", "CTHD") == "AA"
    bridge.wait_for_worklist(both.ris, "CT1", ["H-1"])
    images.pass_over(both.pacs, both.ris)
    new = bridge.studies(both.ris, "CT1")["H-1"]
    assert new == images.study_number(both.ris, "H-1")
    images.send(both.pacs, new)
    assert images.fetched(both.ris, new) == ["H-1"]
    (tmp_path / "later").mkdir()
    with both.pacs.sending(tmp_path / "later"):
        accepted = f"/var/lib/wardship/changes/{record.change_set.id}/written-accepted"
        both.ris.run(["touch", accepted])
        back = both.pacs.wardship("restore", record.change_set.id, "--reason", "they ask for it")
        assert back.returncode == 0, back.stdout + back.stderr
    both.assert_as_before(before)
    assert images.at_orders(both.ris, study) == [requested]


@pytest.mark.parametrize("fault", some(BROKEN, set()))
def test_what_breaks_one_puts_both_back(fault: str, both: Both, tmp_path: Path) -> None:
    before = both.ris.read()
    plan = both.pacs.plan()
    where, _, what = fault.partition(" ")
    (both.pacs if where == "pacs" else both.ris).break_(what)
    with both.pacs.sending(tmp_path):
        done = both.pacs.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    record = both.pacs.the_record()
    assert record.state is State.RESTORED, record.cause
    assert BROKEN[fault] in record.cause, record.cause
    both.assert_as_before(before)


@pytest.mark.full
def test_a_migration_that_is_killed_puts_the_pacs_back_too(both: Both, tmp_path: Path) -> None:
    before = both.ris.read()
    plan = both.pacs.plan()
    with both.pacs.sending(tmp_path), both.pacs.start("run", plan) as controller:
        try:
            wait_for_migration(both.ris, controller)
            both.ris.run(["pkill", "-KILL", "-f", "trytond-admin"])
            output, _ = controller.communicate(timeout=both.ris.patience)
        finally:
            controller.kill()
    assert controller.returncode == 40, output
    both.assert_as_before(before)


@pytest.mark.full
def test_a_controller_that_is_gone_for_good_leaves_both_as_they_were(
    both: Both, tmp_path: Path
) -> None:
    before = both.ris.read()
    plan = both.pacs.plan()
    with both.pacs.sending(tmp_path):
        with both.pacs.start("run", plan) as controller:
            wait_for_migration(both.ris, controller)
            controller.kill()
        wait_for("both are over", lambda: all(map(is_over, (both.pacs, both.ris))), seconds=2400)
    both.assert_as_before(before)


def is_over(one: Controlled) -> bool:
    return all(change["needs"] == "nothing" for change in one.host_says()["changes"])
