"""The engine: DBOS runs the change sets' workflows, a few at a time, and resumes them.

The workflow of a change set is one step again and again until an end. What a step does, and where
the change set stands, is the journal's: DBOS only schedules and resumes, so its file may be deleted
at any time and nothing is lost. One engine a fleet, under a lock.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from dbos import DBOS, SetWorkflowID, WorkflowStatus

from orchestrator.adapters.locks import EngineLock, Runner
from orchestrator.errors import WardshipError
from orchestrator.rollout.model import State
from orchestrator.rollout.phases import ENDS
from orchestrator.rollout.ports import Superseded

#: Ends of a workflow that are not ends of a change set: another controller has it; its run is gone.
SUPERSEDED = "superseded"
LEFT = "left"

_QUEUE = "changes"
_APP_VERSION = "1"
_LIVE = ["PENDING", "ENQUEUED"]
_ENDS = frozenset({*(state.value for state in ENDS), SUPERSEDED, LEFT})

Step = Callable[[str], State]


class _Installed:
    """What the workflows of this process call; DBOS wants module-level functions."""

    step: Step | None = None
    wanted: Callable[[str], bool] | None = None
    #: Change sets that another controller took over, and how this one was refused.
    refused: ClassVar[dict[str, str]] = {}
    #: Change sets of which a step could not be written down, and why: kept here, because the
    #: engine's own file lies on the same disk.
    unwritten: ClassVar[dict[str, str]] = {}


@DBOS.step(name="step")
def _step(change_set: str) -> str:
    assert _Installed.step is not None
    assert _Installed.wanted is not None
    if not _Installed.wanted(change_set):
        return LEFT
    try:
        return _Installed.step(change_set).value
    except Superseded as error:
        _Installed.refused[change_set] = str(error)
        return SUPERSEDED
    except Exception as error:
        _Installed.unwritten[change_set] = str(error).partition("\n")[0]
        return LEFT


@DBOS.workflow(name="change", max_recovery_attempts=1_000_000)
def _change(change_set: str) -> str:
    while (state := _step(change_set)) not in _ENDS:
        pass
    return state


class Engine:
    """DBOS, launched in this process. ``wanted`` says whether a change set is to be run now."""

    def __init__(self, directory: Path, *, step: Step, wanted: Callable[[str], bool]) -> None:
        self.lock = EngineLock(directory / "engine.lock")
        self._file = directory / "engine.sqlite"
        self._step = step
        self._wanted = wanted
        self._guard = threading.Lock()

    def start(self, runner: Runner, *, parallel: int) -> bool:
        """Become the fleet's engine; False where another process is.

        Raises:
            WardshipError: change sets of another wardship version wait in the engine's file.
        """
        if not self.lock.acquire(runner):
            return False
        _prepare(self._file)
        _Installed.step, _Installed.wanted = self._step, self._wanted
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(
            config={
                "name": "wardship",
                "system_database_url": f"sqlite:///{self._file}",
                "application_version": _APP_VERSION,
                "executor_id": "controller",
                "log_level": "CRITICAL",
            }
        )
        DBOS.launch()
        _refuse_foreign()
        DBOS.register_queue(_QUEUE, worker_concurrency=parallel, polling_interval_sec=0.1)
        return True

    def submit(self, change_sets: Iterable[str]) -> None:
        """Run these, unless a workflow of theirs is under way already."""
        with self._guard:
            live = {_change_set_of(status.workflow_id) for status in self._live()}
            for change_set in change_sets:
                if change_set not in live:
                    workflow = f"{change_set}~{uuid4().hex[:8]}"
                    with SetWorkflowID(workflow):
                        DBOS.enqueue_workflow(_QUEUE, _change, change_set)

    def is_idle(self) -> bool:
        """Whether no workflow is under way."""
        return not self._live()

    def failures(self) -> dict[str, str]:
        """Change sets that could not be gone on with, and the error."""
        return dict(_Installed.unwritten)

    def refused(self) -> dict[str, str]:
        """Change sets that another controller took over, and how this one was refused."""
        return dict(_Installed.refused)

    def stop(self) -> None:
        """Let go. Steps that still run are not waited for; the journal knows where they were."""
        DBOS.destroy()
        self.lock.release()

    @staticmethod
    def _live() -> list[WorkflowStatus]:
        return list(DBOS.list_workflows(status=_LIVE, load_input=False, load_output=False))


def _change_set_of(workflow: str) -> str:
    return workflow.rpartition("~")[0]


def _prepare(file: Path) -> None:
    """The file is 0600 and in WAL mode before DBOS opens it; one that is broken is begun anew."""
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        with sqlite3.connect(file) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError:
        file.rename(file.with_suffix(".broken"))
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with sqlite3.connect(file) as db:
            db.execute("PRAGMA journal_mode = WAL")


def _refuse_foreign() -> None:
    waiting = DBOS.list_workflows(status=_LIVE, load_input=False, load_output=False)
    foreign = {str(one.app_version) for one in waiting} - {_APP_VERSION, "None"}
    if foreign:
        raise WardshipError(
            f"changes of another wardship wait here (engine version {', '.join(sorted(foreign))})",
            hint="finish them with the wardship that began them; nothing was changed",
        )
