"""``wardship diff``: what differs between two plans. Nothing is changed."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import complete
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.errors import FleetError
from orchestrator.plan.compare import compare, lines
from orchestrator.plan.store import SHORT, find

Reference = Annotated[
    str,
    typer.Argument(
        metavar="PLAN", help="A plan's digest, or its file.", autocompletion=complete.plans
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diff)


def diff(context: typer.Context, old: Reference, new: Reference) -> None:
    """Show what the second plan does otherwise than the first."""
    directory = of(context).directory
    if not (directory / "fleet.yml").exists():
        raise FleetError(
            f"{directory}: no fleet.yml in it",
            hint="name the fleet's directory: wardship --fleet DIR diff PLAN PLAN",
        )
    state = directory / ".wardship"
    found = compare(find(state, old), find(state, new))
    console.answer(found, lines(found))
    console.closing(f"nothing was changed. next: wardship run {found.new[:SHORT]}")
