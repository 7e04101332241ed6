"""``wardship run``: run exactly what a plan says, or go on with what was cut off."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import complete
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.cli.ends import end_of
from orchestrator.cli.progress import Progress
from orchestrator.errors import PlanError
from orchestrator.plan.store import find
from orchestrator.rollout.model import Record
from orchestrator.rollout.phases import ENDS

if TYPE_CHECKING:
    from orchestrator.wiring.controller import Controller


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    context: typer.Context,
    plan: Annotated[
        str,
        typer.Argument(
            metavar="PLAN", help="A plan's digest, or its file.", autocompletion=complete.plans
        ),
    ],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was cut off.")] = False,
) -> int:
    """Run a plan: change the hospitals it names, and put back what fails a check."""
    controller = of(context).controller()
    found = find(controller.directory, plan)
    change_sets = controller.resume(found.digest) if resume else controller.admit(found)
    with Progress() as progress, _interrupts(controller, change_sets) as interrupted:

        def watch(records: Sequence[Record]) -> None:
            progress.show(records)
            interrupted.ask_if_due(records, progress)

        records = controller.follow(change_sets, watch)
        for change_set, because in controller.refused.items():
            console.say(f"{change_set}: taken over, this controller was refused: {because}")
    return end_of(controller, records)


class _Interrupted:
    """A Ctrl-C that waits for its question: a phase is never cut off by it."""

    def __init__(self, controller: Controller, change_sets: Sequence[str]) -> None:
        self._controller, self._change_sets = controller, change_sets
        self.is_due = False

    def ask_if_due(self, records: Sequence[Record], progress: Progress) -> None:
        """Ask whether to stop after this phase, and write the request into the journal."""
        if not self.is_due:
            return
        self.is_due = False
        if console.is_terminal:
            question = "stop after this phase? what the clinic has felt is put back"
            with progress.paused():
                is_to_stop = console.ask(question, otherwise="wardship abort CHANGE_SET")
            if not is_to_stop:
                console.say("going on")
                return
        for record in records:
            if record.state in ENDS:
                continue
            try:
                self._controller.journal.request_abort(record.change_set.id)
                console.say(f"{record.change_set.facility}: stops after this phase")
            except PlanError as error:
                console.say(f"{record.change_set.facility}: {error.what}")


@contextmanager
def _interrupts(controller: Controller, change_sets: Sequence[str]) -> Iterator[_Interrupted]:
    waiting = _Interrupted(controller, change_sets)

    def due(_signal: int, _frame: FrameType | None) -> None:
        waiting.is_due = True

    before = signal.signal(signal.SIGINT, due)
    try:
        yield waiting
    finally:
        signal.signal(signal.SIGINT, before)
