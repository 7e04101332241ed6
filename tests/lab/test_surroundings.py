"""Faults of what surrounds a release, on real hosts: lifted in time, the hospital is put back; not
lifted, a person is needed, who is told what is wrong, and gives it back when it is mended.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.lab import faults
from orchestrator.rollout.model import State
from tests.lab.pacs import Pacs
from tests.lab.ward import some

#: The fault, in the words that an engineer is told.
NAMED = {
    "connections-taken": "PostgreSQL takes no more connections (97 of 97, ",
    "table-lock": "a lock on table resources is held by pid ",
    "disk-full": "the volume of /data/live is full (",
    "storage-read-only": "the storage /data/live/orthanc is read-only",
    "volume-read-only": "the storage /data is read-only",
    "slow-link": "the line from its host carries ",
}
#: A line on which an image takes more than a second.
RATE = "512kbit"
#: What is slow is not broken: nobody is kept out for it.
DOOR_STAYS_OPEN = {"slow-link"}


@pytest.mark.parametrize("fault", some(NAMED, set()))
def test_what_is_lifted_in_time_is_put_back(fault: str, ready: Pacs, tmp_path: Path) -> None:
    plan = ready.plan()
    faults.break_(ready.run, fault, rate=RATE)
    with ready.sending(tmp_path):
        done = ready.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    assert faults.has_happened(ready.run, fault), "the fault was never there: this proves nothing"
    record = ready.the_record()
    assert record.state is State.RESTORED
    assert NAMED[fault] in record.cause
    assert NAMED[fault] in ready.report()["cause"]["sentence"]
    assert ready.failed_checks("restored") == []
    ready.assert_as_before()
    ready.is_as_found = True


@pytest.mark.parametrize("fault", some(NAMED, {"disk-full"}))
def test_what_stays_needs_hands_and_is_named(fault: str, ready: Pacs, tmp_path: Path) -> None:
    plan = ready.plan()
    faults.break_(ready.run, fault, stays=True, rate=RATE)
    with ready.sending(tmp_path):
        done = ready.wardship("run", plan)
        assert done.returncode == 50, done.stdout + done.stderr
        assert faults.has_happened(ready.run, fault), "the fault was never there"
        record = ready.the_record()
        change = record.change_set.id
        assert record.state is State.NEEDS_HANDS
        assert NAMED[fault] in str(ready.report()["stopped_by"]["sentence"])
        status = ready.wardship("status").stdout
        assert NAMED[fault] in status.partition("stopped by: ")[2]
        assert ready.is_open_to_modalities() is (fault in DOOR_STAYS_OPEN)
        assert f"door {'open' if fault in DOOR_STAYS_OPEN else 'shut'}" in status
        assert ready.wardship("run", plan).returncode == 30
        if fault not in DOOR_STAYS_OPEN:
            early = ready.wardship("clear", change, "--reason", "I hope so")
            assert early.returncode == 50, early.stdout + early.stderr
            assert not ready.is_open_to_modalities()

        faults.lift(ready.run, fault)
        again = ready.wardship("restore", change, "--reason", "mended")
        assert again.returncode == 0, again.stdout + again.stderr
    assert ready.the_record().state is State.RESTORED
    ready.assert_as_before()
    ready.is_as_found = True
