"""A controller whose disk fills up at a boundary, for ``test_full_disk``.

argv is DIRECTORY BOUNDARY. It runs the change set as ``wardship run`` does; a negative boundary is
never reached.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orchestrator.adapters.journal import SqlJournal
from orchestrator.adapters.locks import Runner
from orchestrator.errors import WardshipError
from orchestrator.rollout.steps import Steps
from orchestrator.wiring.controller import Controller
from tests.crash.change_sets import change_set
from tests.fakes.ports import Deadly, FakeClock, FakeHosts, FakeVerifier


class Filling(Deadly):
    """Fills the disk where ``Deadly`` kills."""

    directory: Path

    def _die(self) -> None:
        if self._count() == self._at:
            fill(self.directory)


def fill(directory: Path) -> None:
    """Leave not a byte."""
    descriptor = os.open(directory / "filling", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, b"\0" * 4096)
    except OSError:
        os.close(descriptor)


class OnFakes(Controller):
    """The controller over the fake hospital."""

    def __init__(self, directory: Path, boundary: int) -> None:
        self.fleet: Any = SimpleNamespace(settings=SimpleNamespace(parallel=2))
        self.directory = directory
        self.journal = SqlJournal(directory / "journal.sqlite")
        self.runner = Runner.this()
        self.refused: dict[str, str] = {}
        self._boundary = boundary

    def steps(self) -> Steps:
        """The steps over the fakes."""
        counter = itertools.count()
        hosts = Filling(
            FakeHosts(self.directory.parent / "hospital.sock"),
            lambda: next(counter),
            at=self._boundary,
        )
        hosts.directory = self.directory
        return Steps(
            hosts=hosts,
            verifier=FakeVerifier(self.directory.parent / "hospital.sock"),
            journal=self.journal,
            clock=FakeClock(),
            runner=str(self.runner),
            patience=0,
        )


def main(directory: Path, boundary: int) -> None:
    """Run or go on; the exit code is the command's."""
    try:
        controller = OnFakes(directory, boundary)
        controller.journal.run_by([change_set().id], runner=str(controller.runner))
        controller.follow([change_set().id], lambda _: None)
    except WardshipError as error:
        print(f"{error.what}\n{error.hint}", flush=True)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
