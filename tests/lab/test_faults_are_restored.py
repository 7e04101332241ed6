"""A release that is broken, on a real host: restored, with the right check named, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.lab import faults
from orchestrator.rollout.model import State
from tests.lab.pacs import Pacs
from tests.lab.ward import some

#: The fault, and the checks of which one must be named as the cause; none where it does not start.
BROKEN: dict[str, set[str]] = {
    "bad-json": set(),
    "plugin-file-missing": set(),
    "schema-7": set(),
    "db-password": set(),
    "no-postgresql-plugin": {"census-product", "orthanc-index"},
    "no-dicomweb": {"dicomweb-qido"},
    "wrong-ae": {"dicom-echo"},
    "tls-off": {"tls-only", "tls-certificate"},
    "tls-other-name": {"tls-certificate"},
    "tls-expired": {"tls-certificate"},
    "file-deleted": {"archive-files", "census-index"},
    "byte-flipped": {"archive-files"},
    "recycles": {"census-index"},
    "loopback-only": {"orthanc-remote"},
    "default-account": {"orthanc-accounts"},
    "not-at-boot": {"service-at-boot"},
    "not-durable": {"orthanc-durable"},
    "names-garbled": {"retrieve-names"},
}
OFTEN = {"no-postgresql-plugin"}


@pytest.mark.parametrize("fault", some(BROKEN, OFTEN))
def test_a_broken_release_is_put_back(fault: str, ready: Pacs, tmp_path: Path) -> None:
    plan = ready.plan()
    ready.break_(fault)
    with ready.sending(tmp_path):
        done = ready.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    assert faults.has_happened(ready.run, fault), "the fault was never there: this proves nothing"
    record = ready.the_record()
    assert record.state is State.RESTORED, record.cause
    ready.assert_as_before()
    assert ready.run(["systemctl", "is-enabled", "orthanc"]).strip() == b"enabled"
    named = BROKEN[fault]
    if named:
        assert named & set(ready.failed_checks()), (record.cause, ready.failed_checks())
        assert any(check in record.cause for check in named), record.cause
        assert ready.report()["cause"]["check"] in named
    else:
        assert "apply" in record.cause, record.cause
        assert ready.failed_checks() == []
    assert ready.failed_checks("restored") == []
    assert "door open" in ready.wardship("status").stdout
    ready.is_as_found = True


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


@pytest.mark.full
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
