"""Room for copies: bytes and inodes, added up over all that is copied on one file system.

An estimate, to refuse by before anything is felt: what stat(2) says that a directory's blocks take,
each name for itself. Holes take none, and stay holes. Where a file system shares or compresses
blocks stat may say less than a copy takes, and what its own tables take is not looked into: that is
for ``SPARE`` to cover. A copy that runs out of room all the same fails before anything was changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

from .system import System

SPARE = 256 * 1024 * 1024
"""Bytes that must be left on a file system beside its copies."""
SPARE_INODES = 1000
MIB = 1024 * 1024


@dataclass(frozen=True)
class Need:
    """What a copy of ``live`` takes beside it: bytes, and files, links and directories."""

    live: Path
    size: int
    entries: int


def shortages(system: System, needs: Sequence[Need]) -> List[str]:
    """Where copies find too little room.

    By device number. Two subvolumes of one btrfs have two, but there blocks are shared.
    """
    found: List[str] = []
    for together in _by_file_system(system, needs):
        of = " and ".join(str(need.live) for need in together)
        where, size = together[0].live, SPARE + sum(need.size for need in together)
        entries = SPARE_INODES + sum(need.entries for need in together)
        free, inodes = system.free(where), system.inodes_left(where)
        if free < size:
            found.append(f"{free // MIB} MiB free, a copy of {of} needs {size // MIB}")
        if inodes is not None and inodes < entries:
            found.append(f"{inodes} inodes free, a copy of {of} needs {entries}")
    return found


def _by_file_system(system: System, needs: Sequence[Need]) -> List[List[Need]]:
    on: Dict[int, List[Need]] = {}
    for need in needs:
        on.setdefault(system.device(need.live), []).append(need)
    return list(on.values())
