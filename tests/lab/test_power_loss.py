"""The power goes, at twenty moments: what the host program promised is on the disk.

A machine with a kernel of its own goes from change to change on a disk whose cache is volatile, and
every write is logged. Its plug is pulled; from the log comes what the disk held at any moment: all
that was flushed, and of the rest nothing, or one half by chance (docs/adr/0013).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from orchestrator.lab import power, writelog
from tests.lab.power_checks import Promised, assert_ended_well, booted, ends
from tests.lab.power_cycle import install
from tests.lab.recording import SEED, Recording, copy, record

MOMENTS = 20
TWO_CHANGES = '"cycle": 2'


@pytest.fixture(scope="module", params=["btrfs", pytest.param("ext4", marks=pytest.mark.full)])
def recording(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recording]:
    """One machine for each kind of root; its data is on btrfs in any case."""
    directory = tmp_path_factory.mktemp("power")
    try:
        yield record(request.param, directory, install=install, until=TWO_CHANGES)
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize(
    "number",
    [one if one % 6 == 3 else pytest.param(one, marks=pytest.mark.full) for one in range(MOMENTS)],
)
def test_what_was_promised_before_the_power_went_is_there_and_the_next_boot_ends_the_change(
    number: int, recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment, chance = recording.moment(number, of=MOMENTS)
    survives = chance if number % 2 else None
    disk = tmp_path / "disk.img"
    copy(recording.disk, disk)
    writelog.cut(disk, recording.log, recording.entries, moment=moment, chance=survives)
    promised = Promised(recording.marked(moment))
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
    forgetful = record("btrfs", tmp_path, install=partial(install, fsync=False), until=TWO_CHANGES)
    found = [
        each
        for number in range(MOMENTS)
        for each in broken(forgetful, forgetful.moment(number, of=MOMENTS)[0], tmp_path)
    ]
    assert found, "no promise was broken: this test would not see a forgotten fsync"


def broken(recording: Recording, moment: int, directory: Path) -> list[str]:
    """What was promised and is not there, where nothing survives that was not flushed."""
    disk = directory / "cut.img"
    copy(recording.disk, disk)
    writelog.cut(disk, recording.log, recording.entries, moment=moment, chance=None)
    with power.mounted(disk, root=recording.root, at=directory / "cut") as root:
        found = Promised(recording.marked(moment)).broken(root)
    disk.unlink()
    return found
