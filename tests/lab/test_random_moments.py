"""A change cut off at a random moment: the controller killed, the host's plug pulled, or both.

One hospital goes from change to change, a third of them with a broken release, while a modality
sends. ``WARDSHIP_SEED`` sets the seed; each moment prints its own.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from orchestrator.rollout.model import State
from tests.lab.ward import Ward, lasted, wait_end, waited_for

SEED = int(os.environ.get("WARDSHIP_SEED", "20261123"))
MOMENTS = 50
FAULT = "wrong-ae"
#: A change that is put back takes longer than one that commits, by about this.
LONGER = 1.5


@pytest.fixture(scope="module")
def seconds(ward: Ward) -> float:
    """How long a change takes that is not cut off."""
    ward.make_ready()
    took = lasted(ward.pacs, ward.pacs.plan())
    ward.assert_ended(ward.pacs.the_record())
    return took


@pytest.mark.full
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_change_cut_off_at_any_moment_comes_to_an_end_and_loses_nothing(
    moment: int, ward: Ward, seconds: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(f"{SEED}/{moment}")  # noqa: S311 - to be repeated
    is_broken = rng.random() < 1 / 3
    who = rng.choice(("controller", "host", "controller and host"))
    after = rng.uniform(0, seconds * (LONGER if is_broken else 1))
    pacs = ward.pacs
    ward.make_ready()
    plan = pacs.plan()
    if is_broken:
        ward.arm(FAULT)
    with pacs.sending(tmp_path):
        with waited_for(pacs.start("run", plan)) as controller:
            _wait(controller, after)
            before = ward.record_of(plan)
            if "controller" in who:
                controller.send_signal(signal.SIGKILL)
                controller.wait(30)
            if "host" in who:
                ward.crash()
            if "controller" not in who:
                wait_end(controller)
        ended = ward.resume(plan)
    end = ward.assert_ended(ended)
    with capsys.disabled():
        stood = before.state if before else State.NOT_STARTED
        broken = f", with {FAULT}" if is_broken else ""
        print(f"\nseed {SEED}/{moment}: {who} at {after:.1f} s ({stood}){broken}: {end}")  # noqa: T201
    assert end is not State.COMMITTED or not is_broken, "a broken release was committed"


def _wait(controller: subprocess.Popen[str], seconds: float) -> None:
    """Until the moment, or until the controller is through before it."""
    try:
        controller.wait(seconds)
    except subprocess.TimeoutExpired:
        return
