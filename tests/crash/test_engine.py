"""The engine: SIGKILL of its process at boundaries of every state, and what its file may suffer."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal
from orchestrator.adapters.locks import EngineLock, Runner
from orchestrator.rollout.model import State
from tests.crash.change_sets import change_set, plan
from tests.crash.test_every_boundary import assert_laws
from tests.fakes.hospital import HospitalProcess
from tests.fakes.ports import FakeClock

CHECKOUT = Path(__file__).parents[2]


def run_child(directory: Path, die_at: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.engine_child", str(directory), str(die_at)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[HospitalProcess]:
    made = HospitalProcess(tmp_path)
    yield made
    made.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    made = SqlJournal(tmp_path / "journal.sqlite")
    made.admit(plan(), runner="test", at=FakeClock().now())
    yield made
    made.close()


@pytest.mark.parametrize("boundary", range(7, 70, 13))
def test_a_killed_engine_is_resumed_by_the_next(
    boundary: int, tmp_path: Path, hospital: HospitalProcess, journal: SqlJournal
) -> None:
    killed = run_child(tmp_path, boundary)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run_child(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert journal.record(change_set().id).state is State.COMMITTED
    assert_laws(hospital.call("look"), State.COMMITTED, f"killed at {boundary}")


@pytest.mark.parametrize("damage", ["deleted", "overwritten"])
def test_the_engines_file_may_be_lost_and_nothing_is(
    damage: str, tmp_path: Path, hospital: HospitalProcess, journal: SqlJournal
) -> None:
    assert run_child(tmp_path, 40).returncode == -signal.SIGKILL
    for file in tmp_path.glob("engine.sqlite*"):
        if damage == "deleted":
            file.unlink()
        else:
            file.write_bytes(b"\0" * 4096)
    resumed = run_child(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert journal.record(change_set().id).state is State.COMMITTED
    assert_laws(hospital.call("look"), State.COMMITTED, damage)


def test_the_engine_is_held_by_one_process_and_let_go_when_it_dies(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from orchestrator.adapters.locks import EngineLock, Runner\n"
        "lock = EngineLock(pathlib.Path(sys.argv[1]) / 'engine.lock')\n"
        "assert lock.acquire(Runner.this()); print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        ours = EngineLock(tmp_path / "engine.lock")
        assert not ours.acquire(Runner.this())
        assert f"process {holder.pid}/" in ours.holder()
        holder.kill()
        holder.wait()
        assert ours.acquire(Runner.this())
        ours.release()
