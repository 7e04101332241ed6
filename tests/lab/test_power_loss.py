"""The power goes, at twenty moments: what the host program promised is on the disk.

A machine with a kernel of its own goes from change to change on a disk whose cache is volatile, and
every write is logged. Its plug is pulled; from the log comes what the disk held at any moment: all
that was flushed, and of the rest nothing, or one half by chance (docs/adr/0013).
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab import power, writelog
from orchestrator.lab.image import base_image
from orchestrator.lab.kernel import kernel
from orchestrator.lab.run import run
from orchestrator.lab.tools import ensure, ensure_tools
from orchestrator.lab.vm import TOOLS, Machine
from tests.lab.power_checks import Promised, assert_ended_well, booted, ends
from tests.lab.power_cycle import install

SEED = int(os.environ.get("WARDSHIP_SEED", "20261125"))
MOMENTS = 20
CACHE = Path(os.environ.get("WARDSHIP_CACHE", Path.home() / ".cache/wardship"))
#: An emulated boot and two changes, in seconds: two minutes on a quiet machine.
PATIENCE = 900.0


@dataclass(frozen=True)
class Recording:
    """What a machine wrote before its plug was pulled."""

    root: str
    disk: Path
    log: Path
    entries: list[writelog.Entry]
    marks: list[tuple[int, dict[str, Any]]]

    def promised(self, moment: int) -> Promised:
        """What was promised before that moment."""
        return Promised([mark for at, mark in self.marks if at <= moment])

    def moment(self, number: int) -> tuple[int, random.Random]:
        """The seeded moment within the given twentieth of the work, and its chance."""
        chance = random.Random(f"{SEED}/{self.root}/{number}")  # noqa: S311 - to be repeated
        begin, end = self.marks[0][0], self.marks[-1][0]
        stretch = (end - begin) / MOMENTS
        return begin + int(stretch * (number + chance.random())), chance


def record(root: str, directory: Path, *, fsync: bool = True) -> Recording:
    """Let a machine work through two changes, and pull its plug."""
    ensure_tools(print)
    ensure(TOOLS, print)
    disk = directory / "disk.img"
    power.make_disk(disk, root=root, image=base_image(CACHE, print), scratch=directory / "root")
    with power.mounted(disk, root=root, at=directory / "root") as tree:
        install(tree, fsync=fsync)
    start = directory / "start.img"
    copy(disk, start)
    machine = Machine(kernel(cache=CACHE, say=print), disk, root, directory)
    machine.boot()
    try:
        machine.wait_for(
            lambda said: '"cycle": 2' in said or '"broken"' in said,
            what="two changes",
            seconds=PATIENCE,
        )
    finally:
        machine.pull_plug()
    disk.unlink()
    entries = writelog.read_log(machine.log)
    marks = power.marks(machine.log, entries)
    assert not [mark for _, mark in marks if "broken" in mark], marks[-1]
    return Recording(root, start, machine.log, entries, marks)


def is_through(said: str) -> bool:
    """Two changes are over, or one of them was refused."""
    return '"cycle": 2' in said or '"broken"' in said


def copy(disk: Path, to: Path) -> None:
    """A sparse copy, shared where the file system can."""
    run(["cp", "--reflink=auto", "--sparse=always", str(disk), str(to)])


@pytest.fixture(scope="module", params=["btrfs", pytest.param("ext4", marks=pytest.mark.full)])
def recording(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recording]:
    """One machine for each kind of root; its data is on btrfs in any case."""
    directory = tmp_path_factory.mktemp("power")
    try:
        yield record(request.param, directory)
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("number", range(MOMENTS))
def test_what_was_promised_before_the_power_went_is_there_and_the_next_boot_ends_the_change(
    number: int, recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment, chance = recording.moment(number)
    survives = chance if number % 2 else None
    disk = tmp_path / "disk.img"
    copy(recording.disk, disk)
    writelog.cut(disk, recording.log, recording.entries, moment=moment, chance=survives)
    promised = recording.promised(moment)
    with power.mounted(disk, root=recording.root, at=tmp_path / "root") as root:
        assert promised.broken(root) == []
        expected = ends(root)
        with booted(root, tmp_path / "console.txt") as host:
            end = assert_ended_well(host, promised, expected)
    disk.unlink()
    with capsys.disabled():
        last = [mark for at, mark in recording.marks if at <= moment][-1]
        unflushed = "half" if survives else "none"
        print(  # noqa: T201
            f"\nseed {SEED}/{recording.root}/{number}: write {moment}, {unflushed} of what was not "
            f"flushed, after {last}: {end}"
        )


def test_a_disk_that_does_not_flush_when_it_is_told_to_is_found_out(
    recording: Recording, tmp_path: Path
) -> None:
    deaf = replace(
        recording, entries=[replace(entry, flushes=False) for entry in recording.entries]
    )
    found = broken(deaf, len(deaf.entries), tmp_path)
    assert any("epoch" in each for each in found), found
    assert any("snapshot" in each for each in found), found
    assert any("decision" in each or "decided" in each for each in found), found


@pytest.mark.full
def test_a_host_program_without_fsync_is_found_out(tmp_path: Path) -> None:
    forgetful = record("btrfs", tmp_path, fsync=False)
    found = [
        each
        for number in range(MOMENTS)
        for each in broken(forgetful, forgetful.moment(number)[0], tmp_path)
    ]
    assert found, "no promise was broken: this test would not see a forgotten fsync"


def broken(recording: Recording, moment: int, directory: Path) -> list[str]:
    """What was promised and is not there, where nothing survives that was not flushed."""
    disk = directory / "cut.img"
    copy(recording.disk, disk)
    writelog.cut(disk, recording.log, recording.entries, moment=moment, chance=None)
    with power.mounted(disk, root=recording.root, at=directory / "cut") as root:
        found = recording.promised(moment).broken(root)
    disk.unlink()
    return found
