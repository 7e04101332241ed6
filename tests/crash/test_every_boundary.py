"""SIGKILL of the controller at every boundary: each call of a port and each write of the journal.

The controller is a real child process; the hospital is another, outlives it and counts.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal
from orchestrator.rollout.model import State
from orchestrator.rollout.phases import ENDS
from orchestrator.rollout.steps import Steps
from tests.crash.change_sets import change_set, plan
from tests.fakes.hospital import HospitalProcess
from tests.fakes.ports import Deadly, FakeClock, FakeHosts, FakeVerifier

SCENARIOS: dict[str, tuple[dict[str, str], State]] = {
    "all is well": ({}, State.COMMITTED),
    "checks fail": ({"checks": "failed"}, State.RESTORED),
    "checks stay unknown": ({"applied": "unknown"}, State.RESTORED),
    "apply fails": ({"apply": "failed"}, State.RESTORED),
    "the host died in apply": ({"apply": "interrupted"}, State.RESTORED),
    "snapshot fails": ({"snapshot": "failed"}, State.RESTORED),
    "quiesce fails": ({"quiesce": "failed"}, State.RESTORED),
    "the hospital is ill before": ({"baseline": "failed"}, State.NOT_STARTED),
    "staging fails": ({"stage": "no space"}, State.NOT_STARTED),
    "restore fails": ({"apply": "failed", "restore": "failed"}, State.NEEDS_HANDS),
    "what was restored is not whole": (
        {"apply": "failed", "restored": "failed"},
        State.NEEDS_HANDS,
    ),
}


def controller(directory: Path, *, die_at: int = -1) -> int | None:
    """Run the change set in a child until it ends; gives its wait status, None after SIGKILL."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _drive(directory, die_at)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else status


def _drive(directory: Path, die_at: int) -> None:
    counter = itertools.count()
    journal = SqlJournal(directory / "journal.sqlite")
    steps = Steps(
        hosts=Deadly(FakeHosts(directory / "hospital.sock"), lambda: next(counter), at=die_at),
        verifier=Deadly(
            FakeVerifier(directory / "hospital.sock"), lambda: next(counter), at=die_at
        ),
        journal=Deadly(journal, lambda: next(counter), at=die_at),
        clock=FakeClock(),
        runner=f"pid {os.getpid()}",
        patience=0,
    )
    while steps.step(change_set().id) not in ENDS:
        pass


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for left in tmp_path.glob("*/hospital.sock"):
        left.unlink()


#: Every how many boundaries it is killed: at each in the full set, else at others in each scenario.
STRIDES = [pytest.param(1, marks=pytest.mark.full), 4]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_killed_controller_ends_as_an_unkilled_one(
    scenario: str, stride: int, directory: Path
) -> None:
    faults, end = SCENARIOS[scenario]
    for boundary in itertools.count(list(SCENARIOS).index(scenario) % stride, stride):
        here = directory / str(boundary)
        here.mkdir()
        hospital = HospitalProcess(here, **faults)
        try:
            journal = SqlJournal(here / "journal.sqlite")
            journal.admit(plan(), runner="test", at=FakeClock().now())
            killed = controller(here, die_at=boundary) is None
            if killed:
                assert controller(here) == 0, "the resumed controller did not end well"
            record = journal.record(change_set().id)
            seen = hospital.call("look")
            where = f"killed at boundary {boundary}"
            assert record.state is end, f"{where}: {record.state}: {record.cause}"
            assert_laws(seen, end, where)
            journal.close()
        finally:
            hospital.close()
        if not killed:
            assert boundary >= 8, "no boundary was reached: this test proved nothing"
            return


@pytest.mark.parametrize("stride", STRIDES)
def test_a_killed_reversal_ends_restored_and_carries_nothing_twice(
    stride: int, directory: Path
) -> None:
    for boundary in itertools.count(0, stride):
        here = directory / str(boundary)
        here.mkdir()
        hospital = HospitalProcess(here)
        try:
            journal = SqlJournal(here / "journal.sqlite")
            journal.admit(plan(), runner="test", at=FakeClock().now())
            assert controller(here) == 0
            assert journal.record(change_set().id).state is State.COMMITTED
            at = FakeClock().now()
            journal.take(change_set().id, State.REVERSING, because="asked", at=at, runner="test")
            killed = controller(here, die_at=boundary) is None
            if killed:
                assert controller(here) == 0, "the resumed controller did not end well"
            record, seen = journal.record(change_set().id), hospital.call("look")
            where = f"killed at boundary {boundary}"
            assert record.state is State.RESTORED, f"{where}: {record.state}: {record.cause}"
            assert_laws(seen, State.RESTORED, where)
            assert seen["done"]["reverse"] == 1, where
            journal.close()
        finally:
            hospital.close()
        if not killed:
            assert boundary >= 8, "no boundary was reached: this test proved nothing"
            return


def assert_laws(seen: dict[str, object], end: State, where: str) -> None:
    """Nothing mutates twice, nothing is lost, and the door is as the end says."""
    done = seen["done"]
    assert isinstance(done, dict)
    for once in ("quiesce", "snapshot", "apply", "decide"):
        assert done.get(once, 0) <= 1, f"{where}: {once} ran {done[once]} times"
    if end is State.COMMITTED:
        assert (seen["release"], seen["door"], seen["running"]) == ("2", "open", True), where
    if end in {State.RESTORED, State.NOT_STARTED}:
        assert (seen["release"], seen["door"], seen["running"]) == ("1", "open", True), where
    if end is State.NOT_STARTED:
        assert done == {}, where
    if end is State.NEEDS_HANDS:
        assert seen["door"] == "shut", where
    else:
        assert seen["images"] == ["a", "b"], where
