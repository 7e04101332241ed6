"""What a disk with a volatile cache holds after its power is cut.

QEMU's ``blklogwrites`` notes every write and every flush of a guest's disk in the format of Linux'
dm-log-writes. What was written before the last flush is there; of what came later each block may
be there or not. The log is the guest's own order, so a cut can be made at any moment afterwards.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from orchestrator.errors import LabError

SECTOR = 512
#: What a disk writes whole, or not at all.
BLOCK = 4096
_MAGIC = 0x6A736677736872
_SUPERBLOCK = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
_FLUSH = 1


@dataclass(frozen=True)
class Entry:
    """A write, where ``size`` is not 0, or a flush. Numbers are bytes; ``at`` is on the disk."""

    at: int
    size: int
    flushes: bool
    lies_at: int


def read_log(log: Path) -> list[Entry]:
    """Everything that the guest did to its disk, in order; the last may have been cut off.

    Raises:
        LabError: this is no such log, or it has what nothing here repeats: discards, forced writes.
    """
    size = log.stat().st_size
    entries: list[Entry] = []
    with log.open("rb") as stream:
        head = stream.read(SECTOR)
        if len(head) < SECTOR or _SUPERBLOCK.unpack_from(head)[:2] != (_MAGIC, 1):
            raise LabError(f"{log} is no log of writes", hint="did QEMU start? Look at its output")
        at = SECTOR
        while at + SECTOR <= size:
            stream.seek(at)
            sector, sectors, flags, _ = _ENTRY.unpack(stream.read(_ENTRY.size))
            at += SECTOR
            length = sectors * SECTOR
            if flags & ~_FLUSH or (length and flags):
                raise LabError(
                    f"{log} has more than writes and flushes (flags {flags})",
                    hint="start the guest without discard and without forced unit access",
                )
            if (not length and not flags) or at + length > size:
                break
            entries.append(Entry(sector * SECTOR, length, flushes=bool(flags), lies_at=at))
            at += length
    return entries


def payload(log: Path, entry: Entry) -> bytes:
    """What an entry wrote."""
    with log.open("rb") as stream:
        stream.seek(entry.lies_at)
        return stream.read(entry.size)


def cut(
    disk: Path, log: Path, entries: Sequence[Entry], *, moment: int, chance: Random | None
) -> None:
    """Make of ``disk``, as it was at the start, what it holds when the power goes at ``moment``.

    ``moment`` is a number of entries. Each block that was not flushed yet is there with one chance
    in two, and none of them when ``chance`` is None.
    """
    flushed = max(
        (number for number, entry in enumerate(entries[:moment], start=1) if entry.flushes),
        default=0,
    )
    with log.open("rb") as source, disk.open("r+b") as target:
        for number, entry in enumerate(entries[:moment], start=1):
            for offset, size in _blocks(entry, whole=number <= flushed):
                if number > flushed and (chance is None or chance.random() < 0.5):
                    continue
                source.seek(entry.lies_at + offset)
                target.seek(entry.at + offset)
                target.write(source.read(size))


def _blocks(entry: Entry, *, whole: bool) -> Iterator[tuple[int, int]]:
    step = max(entry.size, 1) if whole else BLOCK
    for offset in range(0, entry.size, step):
        yield offset, min(step, entry.size - offset)
