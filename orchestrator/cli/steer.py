"""``wardship abort | restore | clear | report``: what a person decides about a change set."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import complete
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.cli.ends import end_of
from orchestrator.cli.progress import Progress
from orchestrator.errors import PlanError
from orchestrator.report import gantt
from orchestrator.report.html import summary_line
from orchestrator.rollout.model import State
from orchestrator.rollout.phases import UNTOUCHED

ChangeSetName = Annotated[
    str,
    typer.Argument(
        metavar="CHANGE_SET", help="As status shows it.", autocompletion=complete.change_sets
    ),
]
Takeover = Annotated[bool, typer.Option(help="Also from a controller that hangs.")]
Reason = Annotated[str, typer.Option("--reason", help="Kept in the journal.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(abort)
    app.command()(restore)
    app.command(name="rollback", hidden=True)(restore)
    app.command()(clear)
    app.command()(report)


def abort(context: typer.Context, change_set: ChangeSetName) -> None:
    """Ask a change to stop after its phase; what is under way is put back."""
    controller = of(context).controller()
    state = controller.journal.request_abort(change_set)
    ends = "not started" if state in UNTOUCHED else "restored"
    console.answer(
        {"change_set": change_set, "requested_in": state.value, "is_to_end": ends},
        [f"{change_set} was {state}; it is to end {ends}, unless that is decided by then"],
    )
    console.closing("the request is written down. next: wardship status")


def restore(
    context: typer.Context,
    change_set: ChangeSetName,
    reason: Reason = "asked for by a person",
    takeover: Annotated[
        bool, typer.Option("--takeover", help="Also from a controller that hangs.")
    ] = False,
) -> int:
    """Put a change back: one under way, one that needs hands, or a committed one."""
    controller = of(context).controller()
    with Progress() as progress:
        record = controller.restore(
            change_set, because=reason, takeover=takeover, watch=progress.show
        )
        progress.show([record])
    code = end_of(controller, [record])
    if record.state is State.RESTORED:
        return 0
    return code or PlanError.exit_code  # a commit stands: it was not put back


def clear(context: typer.Context, change_set: ChangeSetName, reason: Reason = "") -> int:
    """Give a hospital back that a person has mended; checks it first."""
    controller = of(context).controller()
    with console.status("checking the product"):
        record = controller.clear(change_set, reason=reason or console.need("--reason"))
    end_of(controller, [record])
    return 0


def report(context: typer.Context, change_set: ChangeSetName) -> None:
    """Write a change's report, HTML and JSON, and say where it is."""
    controller = of(context).controller()
    made, page = controller.write_report(change_set)
    console.answer(made, [summary_line(made), *gantt.lines(made)])
    console.closing(f"nothing was changed. the report: {page}")
