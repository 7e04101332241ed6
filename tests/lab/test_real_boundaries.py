"""The controller is killed, or the host's plug pulled, at every boundary of every state.

A boundary is where a step has begun and done nothing, and where it is done and not written down.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.rollout.model import State
from tests.lab.controlled import CHECKOUT, wait_for
from tests.lab.pacs import Pacs
from tests.lab.ward import Ward, wait_end, waited_for

S = State
FORWARD = (
    S.STAGING, S.PREFLIGHT, S.BASELINE, S.QUIESCING, S.SNAPSHOTTING, S.APPLYING, S.VERIFYING,
    S.COMMITTING, S.OPENING,
)  # fmt: skip
BACK = (S.REVERTING, S.RESTORING, S.CONFIRMING, S.REOPENING)
POINTS = ("begun", "done")
FAULT = "wrong-ae"

pytestmark = pytest.mark.full


def end_after_crash(state: State, point: str) -> frozenset[State]:
    """How a change may end whose host goes down there. Before quiesce nothing had to be undone."""
    if state in {S.STAGING, S.PREFLIGHT, S.BASELINE} or (state, point) == (S.QUIESCING, "begun"):
        return frozenset({S.NOT_STARTED, S.COMMITTED})
    if (state, point) == (S.COMMITTING, "done") or state is S.OPENING:
        return frozenset({S.COMMITTED})
    return frozenset({S.RESTORED})


#: What is put back leaves the hospital as found: these first, so that it is seldom reset.
ORDER = sorted(
    ((state, point) for state in (*FORWARD, *BACK) for point in POINTS),
    key=lambda one: S.COMMITTED in end_after_crash(*one),
)


@pytest.mark.parametrize(("state", "point"), ORDER)
def test_a_host_that_crashes_at_a_boundary_comes_to_its_end(
    state: State, point: str, ward: Ward, tmp_path: Path
) -> None:
    plan = begin(ward, state)
    with ward.pacs.sending(tmp_path):
        for controller in stopped(ward.pacs, tmp_path, state, point, "wait", "run", plan):
            ward.crash()
            (tmp_path / "reached").unlink()
            output = wait_end(controller)
            assert controller.returncode in {0, 30, 40}, output
    assert ward.assert_ended(ward.record_of(plan)) in end_after_crash(state, point)


@pytest.mark.parametrize(("state", "point"), ORDER)
def test_a_controller_killed_at_a_boundary_is_resumed(
    state: State, point: str, ward: Ward, tmp_path: Path
) -> None:
    plan = begin(ward, state)
    with ward.pacs.sending(tmp_path):
        for controller in stopped(ward.pacs, tmp_path, state, point, "kill", "run", plan):
            assert controller.wait(300) == -signal.SIGKILL, wait_end(controller)
        ended = ward.resume(plan)
    assert ward.assert_ended(ended) is (S.RESTORED if state in BACK else S.COMMITTED)


@pytest.mark.parametrize("how", ["kill", "wait"])
@pytest.mark.parametrize("point", POINTS)
def test_a_reversal_cut_off_as_it_is_ordered_is_gone_on_with(
    point: str, how: str, ward: Ward, tmp_path: Path
) -> None:
    plan = begin(ward, S.REVERSING)
    pacs = ward.pacs
    assert pacs.wardship("run", plan).returncode == 0
    words = ("restore", pacs.the_record().change_set.id)
    with pacs.sending(tmp_path):
        for controller in stopped(pacs, tmp_path, S.REVERSING, point, how, *words):
            if how == "wait":
                ward.crash()
                (tmp_path / "reached").unlink()
                assert controller.wait(480) == 0, wait_end(controller)
            else:
                assert controller.wait(300) == -signal.SIGKILL, wait_end(controller)
                assert pacs.wardship(*words).returncode == 0
    assert pacs.the_record().state is S.RESTORED
    pacs.assert_as_before()


def begin(ward: Ward, state: State) -> str:
    """A plan, with a broken release where the way back is wanted."""
    ward.make_ready()
    plan = ward.pacs.plan()
    if state in BACK:
        ward.arm(FAULT)
    return plan


def stopped(
    pacs: Pacs, directory: Path, state: State, point: str, how: str, *words: str
) -> Iterator[subprocess.Popen[str]]:
    """A controller that has been stopped at the boundary, or will have been."""
    reached = directory / "reached"
    argv = [
        *pacs.demo.lab.enter_argv(), sys.executable, "-m", "tests.lab.dying_controller",
        str(reached), state.value, point, how, "--fleet", str(pacs.fleet), *words,
    ]  # fmt: skip
    started = subprocess.Popen(
        argv, cwd=CHECKOUT, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    with waited_for(started) as controller:
        if how == "wait":
            wait_for(f"{state}, {point}", lambda: reached.exists() or controller.poll() is not None)
            assert reached.exists(), controller.stdout and controller.stdout.read()
        yield controller
