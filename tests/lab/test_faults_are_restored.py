"""A release that is broken, on a real host: restored, with the right check named, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.lab import faults
from orchestrator.rollout.model import State
from tests.lab.pacs import Pacs

#: The fault, and the checks of which one must be named as the cause; None where none was reached.
BROKEN = {
    "no-postgresql-plugin": {"census-product", "orthanc-index"},
    "no-dicomweb": {"dicomweb-qido"},
    "wrong-ae": {"dicom-echo"},
    "tls-off": {"tls-only", "tls-certificate"},
    "tls-other-name": {"tls-certificate"},
    "tls-expired": {"tls-certificate"},
    "bad-json": None,
    "file-deleted": {"archive-files", "census-index"},
    "byte-flipped": {"archive-files"},
}


#: As another of them, and so not in every run.
LONG = {"tls-expired"}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, marks=[pytest.mark.full] if one in LONG else []) for one in BROKEN],
)
def test_a_broken_release_is_put_back(fault: str, pacs: Pacs, tmp_path: Path) -> None:
    plan = pacs.plan()
    pacs.break_(fault)
    with pacs.sending(tmp_path):
        done = pacs.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    assert faults.has_happened(pacs.run, fault), "the fault was never there: this proves nothing"
    record = pacs.the_record()
    assert record.state is State.RESTORED, record.cause
    pacs.assert_as_before()
    named = BROKEN[fault]
    if named is None:
        assert "apply" in record.cause, record.cause
        assert pacs.failed_checks() == []
    else:
        assert named & set(pacs.failed_checks()), (record.cause, pacs.failed_checks())
        assert any(check in record.cause for check in named), record.cause
        assert pacs.report()["cause"]["check"] in named
    assert pacs.failed_checks("restored") == []
    assert "door open" in pacs.wardship("status").stdout


def test_a_good_release_is_committed_and_put_back_on_demand(pacs: Pacs, tmp_path: Path) -> None:
    with pacs.sending(tmp_path):
        done = pacs.wardship("run", pacs.plan())
        assert done.returncode == 0, done.stdout + done.stderr
        pacs.assert_committed()
    change = pacs.the_record().change_set.id
    # What the modality sent since the commit must survive going back, too.
    with pacs.sending(tmp_path):
        back = pacs.wardship("restore", change, "--reason", "the radiologists want it back")
        assert back.returncode == 0, back.stdout + back.stderr
        assert pacs.the_record().state is State.RESTORED
    pacs.assert_as_before()


def test_the_same_plan_is_not_run_twice(pacs: Pacs) -> None:
    plan = pacs.plan()
    assert pacs.wardship("run", plan).returncode == 0
    again = pacs.wardship("run", plan)
    assert again.returncode == 30
    assert "was run before and ended committed" in again.stderr


def test_a_hospital_that_moved_since_the_plan_is_left_alone(pacs: Pacs) -> None:
    plan = pacs.plan()
    pacs.run(["sed", "-i", 's/"Name": "[^"]*"/"Name": "Renamed"/', "/etc/orthanc/orthanc.json"])
    done = pacs.wardship("run", plan)
    assert done.returncode == 30, done.stdout + done.stderr
    record = pacs.the_record()
    assert record.state is State.NOT_STARTED
    assert "configuration was" in record.cause
    assert pacs.host_says()["changes"][-1]["phases"] == []
    pacs.assert_as_before()
