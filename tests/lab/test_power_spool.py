"""The power goes, at thirty moments: every object that a spool acknowledged is there, and whole.

As test_power_loss.py: a machine with a kernel of its own on a disk whose cache is volatile.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab import power, writelog
from tests.lab.recording import SEED, Recording, copy, record
from tests.lab.spool_cycle import OBJECTS, PLACE, install

MOMENTS = 30
ALL_SENT = '"sent": true'


@pytest.fixture(scope="module", params=["ext4", pytest.param("btrfs", marks=pytest.mark.full)])
def recording(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recording]:
    """One machine for each kind of file system that items may lie on."""
    directory = tmp_path_factory.mktemp("spool")
    try:
        made = record(request.param, directory, install=install, until=ALL_SENT)
        assert sum("uid" in mark for _, mark in made.marks) == OBJECTS
        yield made
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize(
    "number",
    [one if one % 3 == 0 else pytest.param(one, marks=pytest.mark.full) for one in range(MOMENTS)],
)
def test_what_was_acknowledged_before_the_power_went_is_there_and_whole(
    number: int, recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moment, chance = recording.moment(number, of=MOMENTS)
    found = lost(recording, moment, tmp_path, chance=chance if number % 2 else None)
    assert found == []
    with capsys.disabled():
        said = [mark for mark in recording.marked(moment) if "uid" in mark]
        print(f"\nseed {SEED}/{recording.root}/{number}: write {moment}, {len(said)} acknowledged")  # noqa: T201


def test_a_disk_that_does_not_flush_when_it_is_told_to_is_found_out(
    recording: Recording, tmp_path: Path
) -> None:
    deaf = replace(
        recording, entries=[replace(entry, flushes=False) for entry in recording.entries]
    )
    assert lost(deaf, len(deaf.entries), tmp_path, chance=None)


@pytest.mark.full
def test_a_spool_without_fsync_is_found_out(tmp_path: Path) -> None:
    forgetful = record("ext4", tmp_path, install=partial(install, fsync=False), until=ALL_SENT)
    moments = [forgetful.moment(number, of=MOMENTS)[0] for number in range(MOMENTS)]
    assert any(lost(forgetful, moment, tmp_path, chance=None) for moment in moments)


def lost(recording: Recording, moment: int, directory: Path, *, chance: Any) -> Sequence[str]:
    """What was acknowledged before the moment and is not there, or is another."""
    disk = directory / "cut.img"
    copy(recording.disk, disk)
    writelog.cut(disk, recording.log, recording.entries, moment=moment, chance=chance)
    promised = {
        mark["uid"]: (mark["ae"], mark["digest"])
        for mark in recording.marked(moment)
        if "uid" in mark
    }
    with power.mounted(disk, root=recording.root, at=directory / "cut") as root:
        there = held(root / PLACE.lstrip("/") / "parked")
    disk.unlink()
    return [uid for uid, what in promised.items() if what not in there]


def held(parked: Path) -> set[tuple[str, str]]:
    """Who sent what is there, and its data set's hash."""
    if not parked.is_dir():
        return set()
    found = set()
    for path in parked.iterdir():
        content = path.read_bytes()
        # PS3.10 section 7.1: preamble, DICM, the length of group 2 in its first element.
        start = 144 + int.from_bytes(content[140:144], "little")
        found.add((path.name.split(".")[2], hashlib.sha256(content[start:]).hexdigest()))
    return found
