"""A disk after its power was cut: what was flushed is there, the rest is there by chance."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.lab.writelog import BLOCK, SECTOR, cut, read_log

MAGIC = 0x6A736677736872
FLUSH, FORCED, DISCARD = 1, 2, 4


def write_log(path: Path, *entries: tuple[int, bytes, int]) -> None:
    """A log as QEMU writes it: (sector, content, flags)."""
    text = struct.pack("<QQQI", MAGIC, 1, len(entries), SECTOR).ljust(SECTOR, b"\0")
    for sector, content, flags in entries:
        head = struct.pack("<QQQQ", sector, len(content) // SECTOR, flags, 0)
        text += head.ljust(SECTOR, b"\0") + content
    path.write_bytes(text)


def after_a_cut(directory: Path, *, moment: int, chance: random.Random | None = None) -> bytes:
    """Two blocks, the first written and flushed, then both written anew and not flushed."""
    log, disk = directory / "log", directory / "disk"
    write_log(log, (0, b"a" * BLOCK, 0), (0, b"", FLUSH), (0, b"b" * (2 * BLOCK), 0))
    disk.write_bytes(b"." * (2 * BLOCK))
    cut(disk, log, read_log(log), moment=moment, chance=chance)
    return disk.read_bytes()[::BLOCK]


def test_what_was_flushed_is_there_and_what_was_not_is_gone(tmp_path: Path) -> None:
    assert after_a_cut(tmp_path, moment=1) == b".."
    assert after_a_cut(tmp_path, moment=2) == b"a."
    assert after_a_cut(tmp_path, moment=3) == b"a."


def test_what_was_not_flushed_may_be_there_block_by_block(tmp_path: Path) -> None:
    seen = {
        after_a_cut(tmp_path, moment=3, chance=random.Random(seed))  # noqa: S311 - to be repeated
        for seed in range(40)
    }
    assert seen == {b"a.", b"ab", b"b.", b"bb"}


def test_a_log_that_ends_within_an_entry_ends_before_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, (0, b"a" * BLOCK, 0), (8, b"b" * BLOCK, 0))
    log.write_bytes(log.read_bytes()[:-1])
    assert [(entry.at, entry.size) for entry in read_log(log)] == [(0, BLOCK)]


@pytest.mark.parametrize(
    ("content", "flags"), [(b"", DISCARD), (b"a" * BLOCK, FORCED), (b"a" * BLOCK, FLUSH)]
)
def test_a_log_with_more_than_writes_and_flushes_is_refused(
    content: bytes, flags: int, tmp_path: Path
) -> None:
    write_log(tmp_path / "log", (0, content, flags))
    with pytest.raises(LabError, match="more than writes and flushes"):
        read_log(tmp_path / "log")
