"""The host crashes in snapshot, apply and restore, and boots again.

Restored before the product starts: it does so by itself, before any controller has come back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.rollout.model import State
from tests.lab.controlled import wait_for
from tests.lab.pacs import Pacs
from tests.lab.ward import some

#: The phase that the crash falls into, and what makes the change come to it.
CRASHES = {"snapshot": None, "apply": None, "restore": "wrong-ae"}


@pytest.mark.parametrize("phase", some(CRASHES, set()))
def test_a_host_that_boots_undecided_is_restored_before_its_product_starts(
    phase: str, pacs: Pacs, tmp_path: Path
) -> None:
    plan = pacs.plan()
    if fault := CRASHES[phase]:
        pacs.break_(fault)
    with pacs.sending(tmp_path):
        with pacs.start("run", plan) as controller:
            crash_in(pacs, phase)
            pacs.demo.lab.boot(pacs.host)
            pacs.demo.lab.wait_ssh(pacs.host)
            code = controller.wait(240)
            output = controller.stdout.read() if controller.stdout else ""
        assert code == 40, output
    assert pacs.the_record().state is State.RESTORED, pacs.the_record().cause
    pacs.assert_as_before()
    assert_restored_first(pacs)


def test_a_host_without_a_controller_serves_its_clinic_again_after_a_crash(
    pacs: Pacs, tmp_path: Path
) -> None:
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        with pacs.start("run", plan) as controller:
            crash_in(pacs, "apply", first=controller.kill)
        pacs.demo.lab.boot(pacs.host)
        pacs.demo.lab.wait_ssh(pacs.host)
        wait_for("the door to open", pacs.is_open_to_modalities, seconds=90)
        pacs.assert_as_before()
        assert_restored_first(pacs)
    resumed = pacs.wardship("run", plan, "--resume")
    assert resumed.returncode == 40, resumed.stdout + resumed.stderr
    assert pacs.the_record().state is State.RESTORED
    pacs.assert_as_before()


def crash_in(pacs: Pacs, phase: str, *, first: Callable[[], None] = lambda: None) -> None:
    """Pull the plug while the phase is under way: seen on the host's own disk, from outside."""
    found: Path = wait_for(
        f"{phase} on the host's disk", lambda: pacs.phase_file(phase), pause=0.002
    )
    first()
    pacs.demo.lab.crash(pacs.host)
    assert '"succeeded"' not in found.read_text(), f"{phase} was through before the crash"


def assert_restored_first(pacs: Pacs) -> None:
    """In this boot, the product started only when the old state was back."""
    started = pacs.run(
        ["systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "--value", "orthanc"]
    )
    said = pacs.run(["journalctl", "-b", "--no-pager", "-o", "cat", "-u", "orthanc"]).decode()
    assert int(started) > 0
    assert "1.12.7" not in said, "the new release was started after the crash"
    changes = pacs.host_says()["changes"]
    assert changes[-1]["decision"]["decision"] == "restore"
