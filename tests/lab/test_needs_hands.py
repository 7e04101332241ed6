"""A restore that is made to fail: a person is needed, told what to do, and cannot clear early."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.lab import faults
from orchestrator.rollout.model import State
from tests.lab.pacs import Pacs


def test_a_restore_that_fails_needs_hands_and_is_cleared_only_when_it_is_well(
    pacs: Pacs, tmp_path: Path
) -> None:
    plan = pacs.plan()
    pacs.break_("wrong-ae")
    pacs.break_("restore-fails")
    with pacs.sending(tmp_path):
        done = pacs.wardship("run", plan)
        assert done.returncode == 50, done.stdout + done.stderr
        record = pacs.the_record()
        change = record.change_set.id
        assert record.state is State.NEEDS_HANDS
        assert "dicom-echo" in record.cause, "the first cause was not kept"

        # Locked, the door shut, the evidence there, and status says what to do.
        assert not pacs.is_open_to_modalities()
        says = pacs.host_says()["changes"][-1]
        assert says["needs"] == "hands"
        assert pacs.run(["ls", says["evidence"]])
        status = pacs.wardship("status").stdout
        assert f"wardship clear {change} --reason TEXT" in status
        assert "door shut" in status
        locked = pacs.wardship("run", plan)
        assert locked.returncode == 30, locked.stdout + locked.stderr
        assert "needs hands" in locked.stderr

        too_early = pacs.wardship("clear", change, "--reason", "I hope so")
        assert too_early.returncode == 50, too_early.stdout + too_early.stderr
        assert pacs.the_record().state is State.NEEDS_HANDS
        assert not pacs.is_open_to_modalities()

        # A person mends the host; wardship tries again and is through.
        faults.lift(pacs.run, "restore-fails")
        again = pacs.wardship("restore", change, "--reason", "the old release is back")
        assert again.returncode == 0, again.stdout + again.stderr
    assert pacs.the_record().state is State.RESTORED
    assert "dicom-echo" in pacs.the_record().cause
    pacs.assert_as_before()


@pytest.mark.full
def test_a_hospital_that_a_person_has_mended_is_cleared_after_it_verifies(
    pacs: Pacs, tmp_path: Path
) -> None:
    plan = pacs.plan()
    pacs.break_("wrong-ae")
    pacs.break_("restore-fails")
    with pacs.sending(tmp_path):
        assert pacs.wardship("run", plan).returncode == 50
        change = pacs.the_record().change_set.id
        faults.lift(pacs.run, "restore-fails")
        faults.lift(pacs.run, "wrong-ae")
        pacs.run(["touch", "/run/wardship/may-start"])
        pacs.run(["systemctl", "restart", "postgresql@15-main", "orthanc"])
        cleared = pacs.wardship("clear", change, "--reason", "started by hand")
        assert cleared.returncode == 0, cleared.stdout + cleared.stderr
    assert pacs.the_record().state is State.RESTORED
    pacs.assert_as_before()
