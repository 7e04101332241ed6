"""A controller process on the engine, for ``test_engine``: argv is DIRECTORY BOUNDARY."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from orchestrator.adapters.engine import Engine
from orchestrator.adapters.journal import SqlJournal
from orchestrator.adapters.locks import Runner
from orchestrator.rollout.phases import ENDS
from orchestrator.rollout.steps import Steps
from tests.crash.change_sets import change_set
from tests.fakes.ports import Deadly, FakeClock, FakeHosts, FakeVerifier


def main(directory: Path, die_at: int) -> None:
    """Run the change set on the engine until it has ended."""
    counter = itertools.count()
    journal = SqlJournal(directory / "journal.sqlite")
    runner = Runner.this()
    steps = Steps(
        hosts=Deadly(FakeHosts(directory / "hospital.sock"), lambda: next(counter), at=die_at),
        verifier=FakeVerifier(directory / "hospital.sock"),
        journal=Deadly(journal, lambda: next(counter), at=die_at),
        clock=FakeClock(),
        runner=str(runner),
        patience=0,
    )
    engine = Engine(directory, step=steps.step, wanted=lambda _: True)
    assert engine.start(runner, parallel=2)
    engine.submit([change_set().id])
    deadline = time.monotonic() + 60
    while journal.record(change_set().id).state not in ENDS or not engine.is_idle():
        assert time.monotonic() < deadline, "the engine did not come to an end"
        assert not engine.failures(), engine.failures()
        time.sleep(0.02)
    engine.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
