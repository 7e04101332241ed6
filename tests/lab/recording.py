"""What a machine wrote until its plug was pulled, and the disk as it was at any moment before."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import LabError
from orchestrator.lab import power, writelog
from orchestrator.lab.image import base_image
from orchestrator.lab.kernel import kernel
from orchestrator.lab.run import run
from orchestrator.lab.tools import ensure, ensure_tools
from orchestrator.lab.vm import TOOLS, Machine

SEED = int(os.environ.get("WARDSHIP_SEED", "20261125"))
CACHE = Path(os.environ.get("WARDSHIP_CACHE", Path.home() / ".cache/wardship"))
#: An emulated boot and its work, in seconds: two minutes on a quiet machine.
PATIENCE = 900.0


@dataclass(frozen=True)
class Recording:
    """What a machine wrote before its plug was pulled."""

    root: str
    disk: Path
    log: Path
    entries: list[writelog.Entry]
    marks: list[tuple[int, dict[str, Any]]]

    def marked(self, moment: int) -> list[dict[str, Any]]:
        """What was promised before that moment."""
        return [mark for at, mark in self.marks if at <= moment]

    def moment(self, number: int, *, of: int) -> tuple[int, random.Random]:
        """The seeded moment within this part of the work, and its chance."""
        chance = random.Random(f"{SEED}/{self.root}/{number}")  # noqa: S311 - to be repeated
        begin, end = self.marks[0][0], self.marks[-1][0]
        stretch = (end - begin) / of
        return begin + int(stretch * (number + chance.random())), chance


def record(root: str, directory: Path, *, install: Callable[[Path], None], until: str) -> Recording:
    """Let a machine work until its console says ``until``, or that it broke; pull its plug."""
    ensure_tools(print)
    ensure(TOOLS, print)
    disk = directory / "disk.img"
    power.make_disk(disk, root=root, image=base_image(CACHE, print), scratch=directory / "root")
    with power.mounted(disk, root=root, at=directory / "root") as tree:
        install(tree)
    start = directory / "start.img"
    copy(disk, start)
    machine = Machine(kernel(cache=CACHE, say=print), disk, root, directory)
    machine.boot()
    try:
        machine.wait_for(
            lambda said: until in said or '"broken"' in said, what=until, seconds=PATIENCE
        )
    except LabError as error:
        error.add_note(error.hint)  # its last words
        raise
    finally:
        machine.pull_plug()
    disk.unlink()
    entries = writelog.read_log(machine.log)
    marks = power.marks(machine.log, entries)
    assert not [mark for _, mark in marks if "broken" in mark], marks[-1]
    return Recording(root, start, machine.log, entries, marks)


def copy(disk: Path, to: Path) -> None:
    """A sparse copy, shared where the file system can."""
    run(["cp", "--reflink=auto", "--sparse=always", str(disk), str(to)])
