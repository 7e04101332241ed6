"""The undo timer of the host program on a real host: nobody comes, and it ends its change alone."""

from __future__ import annotations

import os
import random
import time

import pytest

from orchestrator.lab.run import until
from tests.lab.controlled import wait_for
from tests.lab.test_host_program import Target, as_found, target

__all__ = ["as_found", "target"]

SEED = int(os.environ.get("WARDSHIP_SEED", "20261123"))
#: How often a host crashes in its own restore.
MOMENTS = [2, pytest.param(5, marks=pytest.mark.full)]
#: How long the controller's checks may take in these changes, in seconds.
CHECKS = 3


def wait_over(target: Target, *, seconds: float = 60) -> str:
    """Wait until the change is over; how it ended."""
    assert until(lambda: bool(about(target)["finished"]), timeout=seconds), about(target)
    return str(about(target)["finished"]["end"])


def about(target: Target) -> dict[str, dict[str, str]]:
    (only,) = target.about()["changes"]
    found: dict[str, dict[str, str]] = only
    return found


def watch_of(target: Target) -> str:
    return f"wardship-{target.change}-undo.service"


def test_what_nobody_decides_is_put_back_and_opened(target: Target) -> None:
    target.prepare(checks=CHECKS)
    target.forward()
    assert wait_over(target) == "restored"
    assert about(target)["decision"]["by"] == "undo timer"
    assert target.decide("commit")["decision"] == "restore"
    said = target.verb("diagnose", "--change", target.change)["found"]
    assert any("went back by itself" in one for one in said), said
    unit = target.text("systemctl", "show", "-p", "ActiveState", "--value", watch_of(target))
    assert unit == "inactive", "it watches over what is over"


@pytest.mark.full
def test_a_commit_that_nobody_opens_is_opened(target: Target) -> None:
    target.prepare(checks=CHECKS)
    target.forward()
    target.decide("commit")
    assert wait_over(target, seconds=120) == "committed"
    assert target.text("curl", "-s", "http://127.0.0.1:8042/") == "2.0"
    target.verb("reverse", *reversal(target))
    assert wait_over_again(target) == "restored"


def reversal(target: Target) -> tuple[str, ...]:
    return ("--change", target.change, "--epoch", str(target.epoch), "--because", "a test")


def wait_over_again(target: Target) -> str:
    """A reversal that nobody carries out is carried out."""
    assert until(lambda: about(target)["finished"]["end"] == "restored", timeout=120)
    return "restored"


@pytest.mark.parametrize("how", ["KILL", pytest.param("TERM", marks=pytest.mark.full)])
def test_a_timer_that_is_killed_comes_back(how: str, target: Target) -> None:
    target.prepare(checks=CHECKS)
    target.forward("quiesce", "snapshot")
    target.run(["systemctl", "kill", f"--signal={how}", watch_of(target)])
    target.forward("apply")
    assert wait_over(target) == "restored"


@pytest.mark.parametrize("moments", MOMENTS)
def test_a_host_that_crashes_anywhere_in_its_own_restore_is_back_as_before(
    target: Target, moments: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before, took = target.truth(), restored_alone(target)
    for number in range(moments):
        after = random.Random(f"{SEED}/{number}").uniform(0, took)  # noqa: S311 - to be repeated
        target.prepare(checks=CHECKS)
        target.forward()
        began = going_back(target)
        time.sleep(max(0.0, after - (time.monotonic() - began)))
        target.crash_and_boot()
        with capsys.disabled():
            print(f"\nseed {SEED}/{number}: {after:.2f} s of {took:.2f} s")  # noqa: T201
        assert wait_over(target) == "restored"
        assert target.about()["door"] == "open"
        assert target.truth() == before
        assert "2.0" not in " ".join(target.starts_of_this_boot())


def going_back(target: Target) -> float:
    """Wait until the host has begun to put itself back, seen on its disk; when."""
    changes = target.lab.paths.root(target.spec.name) / "var/lib/wardship/changes"
    restore = changes / target.change / "phases/restore.json"
    wait_for("its restore", restore.exists, pause=0.005)
    return time.monotonic()


def restored_alone(target: Target) -> float:
    """A change that nobody decides; how long its host took from there to the open door."""
    target.prepare(checks=CHECKS)
    target.forward()
    began = going_back(target)
    assert wait_over(target) == "restored"
    return time.monotonic() - began


def test_what_needs_hands_stays_shut_until_it_is_cleared(target: Target) -> None:
    target.prepare(checks=CHECKS)
    target.forward("quiesce")
    target.decide("restore")
    target.forward("restore")
    given = ("--change", target.change, "--epoch", str(target.epoch))
    target.verb("hands", *given, "--because", "an image is missing")
    assert not until(lambda: target.about()["door"] == "open", timeout=CHECKS * 4)
    target.verb("clear", *given, "--reason", "mended")
    unit = watch_of(target)
    assert until(lambda: target.text("systemctl", "is-active", unit) == "inactive", timeout=20)
