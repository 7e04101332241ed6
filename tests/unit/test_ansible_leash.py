"""What a program started goes with it when the controller dies or time is up, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters import leash

#: Leaves an orphan in a session of its own, which writes down its pid; then waits, or ends at once.
PROGRAM = (
    '(setsid sh -c "echo \\$\\$ >$0.new; mv $0.new $0; exec sleep 60" &);'
    ' [ "$1" = ends ] || sleep 60'
)
#: A controller that holds the leash.
CONTROLLER = """
import os, subprocess, sys
subprocess.run([sys.executable, "-I", sys.argv[1], str(os.getpid()), *sys.argv[2:]])
"""


def argv(pids: Path, *, seconds: float, how: str = "waits") -> list[str]:
    return [str(seconds), "sh", "-c", PROGRAM, str(pids), how]


def orphan(pids: Path) -> int:
    until(pids.exists)
    return int(pids.read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(claim: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_controller_takes_everything_along(tmp_path: Path, sign: signal.Signals) -> None:
    command = [sys.executable, "-c", CONTROLLER, leash.__file__]
    controller = subprocess.Popen([*command, *argv(tmp_path / "pid", seconds=60)])
    pid = orphan(tmp_path / "pid")
    controller.send_signal(sign)
    controller.wait()
    until(lambda: not is_alive(pid))


def held(pids: Path, *, seconds: float, how: str = "waits") -> int:
    command = [sys.executable, "-I", leash.__file__, str(os.getpid())]
    return subprocess.run(
        [*command, *argv(pids, seconds=seconds, how=how)], check=False, timeout=30
    ).returncode


def test_when_time_is_up_nothing_is_left(tmp_path: Path) -> None:
    assert held(tmp_path / "pid", seconds=1) == leash.TIME_IS_UP
    assert not is_alive(orphan(tmp_path / "pid"))


def test_a_program_that_ends_keeps_what_it_left_running(tmp_path: Path) -> None:
    assert held(tmp_path / "pid", seconds=30, how="ends") == 0
    pid = orphan(tmp_path / "pid")
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_the_programs_own_code_is_given_back() -> None:
    command = [sys.executable, "-I", leash.__file__, str(os.getpid()), "30"]
    assert subprocess.run([*command, "sh", "-c", "exit 4"], check=False).returncode == 4


def test_without_its_parent_nothing_is_started(tmp_path: Path) -> None:
    command = [sys.executable, "-I", leash.__file__, "1", "30", "touch", str(tmp_path / "ran")]
    assert subprocess.run(command, check=False).returncode == leash.PARENT_IS_GONE
    assert not (tmp_path / "ran").exists()
