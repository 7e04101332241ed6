"""``wardship`` that is cut off at a boundary of its journal: argv is WHERE STATE POINT HOW WORDS….

*begun*: a step was written down and nothing of it done. *done*: it was done and its end is not
written down. HOW is ``kill`` (SIGKILL of itself) or ``wait``: it makes the file WHERE and goes on
when that is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

from orchestrator.adapters.journal import SqlJournal
from orchestrator.rollout.model import Outcome, State


def main(where: Path, state: State, point: str, how: str, words: list[str]) -> None:
    """Run the command with a journal that stops it once."""
    passed: list[str] = []

    def stop_at(now: State, here: str) -> None:
        if (now, here) != (state, point) or passed:
            return
        passed.append(here)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        where.touch()
        while where.exists():
            time.sleep(0.02)

    class Journal(SqlJournal):
        def begin(self, change_set: str, state: State, *, epoch: int, at: datetime) -> None:
            super().begin(change_set, state, epoch=epoch, at=at)
            stop_at(state, "begun")

        def end(
            self,
            change_set: str,
            state: State,
            outcome: Outcome,
            to: State,
            *,
            epoch: int,
            at: datetime,
            seconds: float,
        ) -> None:
            stop_at(state, "done")
            super().end(change_set, state, outcome, to, epoch=epoch, at=at, seconds=seconds)

    from orchestrator.cli import app
    from orchestrator.wiring import controller

    setattr(controller, "SqlJournal", Journal)  # noqa: B010 - typed as one that is never set
    app.main(words)


if __name__ == "__main__":
    main(Path(sys.argv[1]), State(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
