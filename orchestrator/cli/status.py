"""``wardship status``: where every change set stands, who runs it, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import complete
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.rollout.model import State
from orchestrator.rollout.phases import ENDS

if TYPE_CHECKING:
    from orchestrator.wiring.status import SetStatus


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(
    context: typer.Context,
    change_set: Annotated[
        str | None,
        typer.Argument(
            metavar="[CHANGE_SET]",
            help="All if none is named.",
            autocompletion=complete.change_sets,
        ),
    ] = None,
) -> None:
    """Show every change set: its state, its door, and what to do next."""
    from orchestrator.wiring.status import statuses

    found = statuses(of(context).controller(), change_set)
    console.answer(
        {"change_sets": [one.model_dump(mode="json") for one in found]},
        (line for one in found for line in _of(one)),
    )
    hands = [one.change_set for one in found if one.state is State.NEEDS_HANDS]
    open_ = [one.change_set for one in found if one.state not in ENDS]
    if hands:
        console.closing(f"needs a person: {', '.join(hands)}. next: see its line above")
    elif open_:
        console.closing(f"not finished: {', '.join(open_)}. next: see its line above")
    elif found:
        console.closing("every change has ended. next: wardship plan")
    else:
        console.closing("no change was made yet. next: wardship plan")


def _of(one: SetStatus) -> Iterator[str]:
    yield f"{one.facility} · {one.change_set} · {one.state} since {one.since:%Y-%m-%d %H:%M:%S} UTC"
    if one.cause:
        yield f"  cause: {one.cause}"
    if one.stopped_by:
        yield f"  stopped by: {one.stopped_by}"
    for host in one.hosts:
        says = f" · {host.says}" if host.says else ""
        yield f"  {host.host} · door {host.door}{says}"
        yield from (f"    wrong there now: {what}" for what in host.found)
        yield from (f"    could not be looked at: {what}" for what in host.not_looked_at)
        if host.evidence:
            yield f"    what was left behind is kept there: {host.evidence}"
    if one.is_running:
        yield f"  run by {one.runner}"
    yield f"  next: {one.next}"
