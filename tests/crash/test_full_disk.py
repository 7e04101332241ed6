"""The disk under the journal fills up: the run ends aloud, and goes on when there is room again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal
from orchestrator.errors import PlanError
from orchestrator.lab.run import run
from orchestrator.rollout.model import State
from tests.crash.change_sets import change_set, plan
from tests.crash.full_disk_child import OnFakes, fill
from tests.crash.test_every_boundary import assert_laws
from tests.fakes.hospital import HospitalProcess
from tests.fakes.ports import FakeClock

CHECKOUT = Path(__file__).parents[2]
#: Boundaries of the hosts' port: how the run ends whose disk fills up there.
FULL = {"while nothing is felt": (3, 30), "in quiesce": (9, 50), "after the decision": (15, 50)}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, with the journal on it."""
    here = tmp_path / "disk"
    here.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=64M", "wardship-test", str(here)])
    try:
        journal = SqlJournal(here / "journal.sqlite")
        journal.admit(plan(), runner="test", at=FakeClock().now())
        journal.close()
        yield here
    finally:
        run(["umount", str(here)])


@pytest.fixture
def hospital(directory: Path) -> Iterator[HospitalProcess]:
    made = HospitalProcess(directory.parent)
    yield made
    made.close()


def controller(directory: Path, boundary: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.full_disk_child", str(directory), str(boundary)],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("moment", FULL)
def test_a_run_whose_disk_fills_up_ends_aloud_and_is_gone_on_with(
    moment: str, directory: Path, hospital: HospitalProcess
) -> None:
    boundary, code = FULL[moment]
    ended = controller(directory, boundary)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert f"the disk of {directory} is full" in ended.stdout
    assert ("its door may be shut" in ended.stdout) == (hospital.call("look")["door"] == "shut")
    assert f"wardship run {plan().digest[:12]} --resume" in ended.stdout
    (directory / "filling").unlink()
    resumed = controller(directory)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    journal = SqlJournal(directory / "journal.sqlite")
    assert journal.record(change_set().id).state is State.COMMITTED
    journal.close()
    assert_laws(hospital.call("look"), State.COMMITTED, moment)


def test_nothing_is_begun_on_a_disk_that_is_full_already(
    directory: Path, hospital: HospitalProcess
) -> None:
    fill(directory)
    ended = controller(directory)
    assert ended.returncode == PlanError.exit_code, ended.stdout + ended.stderr
    assert hospital.call("look")["done"] == {}
    (directory / "filling").unlink()
    assert controller(directory).returncode == 0


def test_a_run_with_too_little_room_to_write_it_down_is_not_begun(directory: Path) -> None:
    (directory / "much").write_bytes(b"\0" * (40 << 20))
    controlling = OnFakes(directory, -1)
    with pytest.raises(PlanError, match="nothing was begun"):
        controlling.follow([change_set().id], lambda _: None)
    controlling.journal.close()
