"""Several hops on a real host are one change: one outage, one snapshot, back to the start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.lab import faults
from orchestrator.rollout.model import State
from tests.lab.controlled import wait_for
from tests.lab.pacs import Pacs

ON_THE_WAY, LAST = "1.12.7", "1.13.0"


@pytest.fixture
def hopping(pacs: Pacs) -> Iterator[Pacs]:
    """The hospital as found: to 1.13.0, which is ordered, it has to go by 1.12.7."""
    pacs.settings(release=LAST, orthanc_start_seconds=30)
    with pacs.only_by("orthanc", LAST, ON_THE_WAY):
        yield pacs


def test_two_hops_are_committed_and_put_back_as_one(hopping: Pacs, tmp_path: Path) -> None:
    plan = hopping.plan()
    shown = hopping.wardship("plan").stdout
    assert f"1.10.1 → {ON_THE_WAY} → {LAST}" in shown
    with hopping.sending(tmp_path):
        done = hopping.wardship("run", plan)
        assert done.returncode == 0, done.stdout + done.stderr
        hopping.assert_committed(LAST)
    change = hopping.the_record().change_set.id
    log = hopping.run(["cat", f"/var/lib/wardship/changes/{change}/phases/apply.log"]).decode()
    counted = re.search(rf"{ON_THE_WAY} runs and has all (\d+) that were counted", log)
    assert counted, log
    assert int(counted[1]) >= len(hopping.demo.objects(hopping.host))
    (tmp_path / "later").mkdir()
    with hopping.sending(tmp_path / "later"):
        back = hopping.wardship("restore", change, "--reason", "the radiologists want it back")
        assert back.returncode == 0, back.stdout + back.stderr
    hopping.assert_as_before()


@pytest.mark.full
@pytest.mark.parametrize(
    ("fault", "release", "told"),
    [
        ("plugin-file-missing", ON_THE_WAY, f"on the way, at {ON_THE_WAY}: "),
        ("plugin-file-missing", LAST, "script start for 1.13.0 failed"),
        ("no-postgresql-plugin", LAST, "census-product"),
    ],
)
def test_a_hop_that_is_broken_leads_back_to_the_start(
    fault: str, release: str, told: str, hopping: Pacs, tmp_path: Path
) -> None:
    plan = hopping.plan()
    faults.break_(hopping.run, fault, release=release)
    with hopping.sending(tmp_path):
        done = hopping.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    assert faults.has_happened(hopping.run, fault), "the fault was never there"
    record = hopping.the_record()
    assert record.state is State.RESTORED, record.cause
    assert told in record.cause, record.cause
    hopping.assert_as_before()


@pytest.mark.full
def test_a_host_that_crashes_between_two_hops_is_at_the_start_again(
    hopping: Pacs, tmp_path: Path
) -> None:
    def is_on_the_way() -> bool:
        current = hopping.run(["readlink", "/opt/orthanc/current"]).decode().strip()
        return current == ON_THE_WAY

    with hopping.sending(tmp_path), hopping.start("run", hopping.plan()) as controller:
        try:
            wait_for("the release on the way", is_on_the_way)
            hopping.lab.crash(hopping.host)
            hopping.lab.boot(hopping.host)
            hopping.lab.wait_ssh(hopping.host)
            output, _ = controller.communicate(timeout=600)
        finally:
            controller.kill()
    assert controller.returncode == 40, output
    hopping.assert_as_before()
