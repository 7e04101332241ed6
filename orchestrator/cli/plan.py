"""``wardship plan``: survey, make the plan, show it, keep it. No hospital is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import typer

from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.cli.survey import Facilities, look
from orchestrator.errors import PlanError
from orchestrator.fleet.model import Fleet
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.preview import preview
from orchestrator.plan.preview_lines import lines
from orchestrator.plan.store import SHORT, save


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(context: typer.Context, facilities: Facilities = None) -> None:
    """Show what would be changed, and keep exactly that for wardship run."""
    from orchestrator.report.plan_html import to_html

    fleet = of(context).fleet()
    if not fleet.mandate.orders:
        raise PlanError(
            "nothing is ordered: mandate.yml holds no orders; nothing was changed",
            hint="order a release there, then: wardship plan; wardship survey shows what runs",
        )
    made = _make(fleet, facilities or [])
    shown = preview(made)
    console.answer(made, lines(shown))
    if made.change_sets:
        kept = save(made, fleet.state, page=to_html(made, shown))
        console.say(f"to print, or to look at: {kept.with_suffix('.html')}")
    _end(made)


def _make(fleet: Fleet, facilities: list[str]) -> Plan:
    from orchestrator.adapters.backups import look_at_backups
    from orchestrator.adapters.certificates import look_at_certificates
    from orchestrator.adapters.depot import look_at_ordered, unpacked_sizes
    from orchestrator.wiring.preview import measured, predict
    from orchestrator.wiring.survey import earlier_attempts

    surveys = look(fleet, facilities)
    make = partial(
        make_plan,
        fleet,
        surveys,
        now=datetime.now(UTC),
        depot=look_at_ordered(fleet, surveys, console.say),
        attempts=earlier_attempts(fleet),
        unpacked=unpacked_sizes(fleet, surveys),
        measured=measured(fleet),
        backups=look_at_backups(fleet, list(surveys)),
        certificates=look_at_certificates(fleet, surveys),
    )
    # Only what the plan would change is asked what it would become.
    made = make()
    if made.change_sets:
        predictions = predict(fleet, made, console.say)
        del made  # a whole country's plan is not kept beside the one that replaces it
        made = make(predictions=predictions)
    return made


def _end(made: Plan) -> None:
    refused = sorted({refusal.facility for refusal in made.refusals})
    changes = len({change_set.facility for change_set in made.change_sets})
    run = f"wardship run {made.digest[:SHORT]}"
    if refused and not changes:
        raise PlanError(
            f"refused: {', '.join(refused)}; nothing is planned and nothing was changed",
            hint="mend what is told above, then: wardship plan",
        )
    if refused:
        raise PlanError(
            f"refused: {', '.join(refused)}; {changes} others are planned; nothing was changed",
            hint=f"mend what is told above and plan again, or, for the others: {run}",
        )
    if not changes:
        console.closing("everything is as ordered; nothing was changed and nothing is to be done.")
        return
    where = "1 facility" if changes == 1 else f"{changes} facilities"
    console.closing(f"plan for {where} kept; nothing was changed. next: {run}")
