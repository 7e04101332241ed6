"""What is seen of volumes that are to be copied, and every reason against a copy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import role_module

snapshot_copy: Any = role_module("snapshot_copy", "snapshot_copy")
BLOCK, MIB = 4096, 1 << 20
#: As room.py of the host program has it.
SPARE = 1000


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two volumes of 3 MiB and two entries each, on one file system that shares no blocks."""
    for name in ("live", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "much").write_bytes(os.urandom(3 * MIB))
        (tmp_path / name / "link").symlink_to("much")
    monkeypatch.setattr(snapshot_copy, "shares_blocks", lambda _: False)
    monkeypatch.setattr(snapshot_copy, "mounts", lambda: [("/", "ext4", "rw")])
    volumes = {name: str(tmp_path / name) for name in ("live", "other")}
    return {"volumes": volumes, "min_free_mib": 1}


def leave(
    monkeypatch: pytest.MonkeyPatch, *, mib: int = 1 << 20, inodes: int | None = None
) -> None:
    """So much room on every file system; without ``inodes`` they are not counted."""
    blocks, files = mib * MIB // BLOCK, 0 if inodes is None else 1 << 20
    room = (BLOCK, BLOCK, blocks, blocks, blocks, files, inodes or 0, inodes or 0, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(room))


def refusals(given: dict[str, Any], *names: str) -> list[str]:
    volumes = {name: given["volumes"][name] for name in names or given["volumes"]}
    told: list[str] = snapshot_copy.looked({**given, "volumes": volumes})[1]
    return told


def test_volumes_of_one_file_system_have_its_room_together(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, mib=6)
    assert refusals(given, "live") == refusals(given, "other") == []
    both = " and ".join(given["volumes"].values())
    assert refusals(given) == [f"6 MiB free, a copy of {both} needs 7"]


def test_blocks_that_are_shared_take_no_room(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, mib=2)
    assert refusals(given, "live") != []
    monkeypatch.setattr(snapshot_copy, "shares_blocks", lambda _: True)
    assert refusals(given) == []


def test_too_few_inodes_are_refused(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, inodes=SPARE + 6)
    assert refusals(given) == []
    leave(monkeypatch, inodes=SPARE + 5)
    both = " and ".join(given["volumes"].values())
    assert refusals(given) == [f"1005 inodes free, a copy of {both} needs 1006"]


def test_a_file_system_that_does_not_count_inodes_lacks_none(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch)
    assert refusals(given) == []
