"""How a run ended: a line and a report for each change set, the closing line, the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.console import console
from orchestrator.errors import PlanError, RestoreError, RolloutError, WardshipError
from orchestrator.fleet.model import Model
from orchestrator.report.html import summary_line
from orchestrator.rollout.model import Record, State
from orchestrator.rollout.phases import ENDS, was_opened_unwell

if TYPE_CHECKING:
    from orchestrator.wiring.controller import Controller

#: The worst counts.
CODES = {
    State.COMMITTED: 0,
    State.NOT_STARTED: PlanError.exit_code,
    State.RESTORED: RolloutError.exit_code,
    State.NEEDS_HANDS: RestoreError.exit_code,
}


class Ended(Model):
    """One change set's end."""

    change_set: str
    facility: str
    state: State
    cause: str
    outage_seconds: float | None = None
    report: str | None = None


class RunEnded(Model):
    """All of them."""

    change_sets: tuple[Ended, ...]


def end_of(controller: Controller, records: Sequence[Record]) -> int:
    """Tell how these ended; gives the exit code."""
    told, lines = [], []
    for record in records:
        ended = Ended(
            change_set=record.change_set.id,
            facility=record.change_set.facility,
            state=record.state,
            cause=record.cause,
        )
        try:
            report, page = controller.write_report(record.change_set.id)
        except (OSError, ValueError, WardshipError) as error:
            # The end must be told, whatever becomes of its report.
            lines.append(f"{ended.facility}: {ended.state}: {ended.cause}; no report: {error}")
        else:
            remarks = [f"  {remark}" for remark in report.remarks]
            lines += [summary_line(report), *remarks, f"  report: {page}"]
            ended = ended.model_copy(
                update={"outage_seconds": report.outage_seconds, "report": str(page)}
            )
        told.append(ended)
    console.answer(RunEnded(change_sets=tuple(told)), lines)
    console.closing(_closing(records))
    # Where it ends is not known here: the worst is assumed.
    return max((CODES.get(record.state, RestoreError.exit_code) for record in records), default=0)


def _doors(records: Sequence[Record]) -> str:
    """What is known of the doors of those that need hands."""
    hands = [r for r in records if r.state is State.NEEDS_HANDS and not was_opened_unwell(r)]
    untold = [r.change_set.id for r in hands if r.entries and r.entries[-1].evidence.get("untold")]
    shut = [r.change_set.id for r in hands if r.change_set.id not in untold]
    told = [f"the door of {', '.join(shut)} stays shut"] if shut else []
    told += [f"see there whether the door of {', '.join(untold)} is shut"] if untold else []
    return "; ".join(told) or "every door is open"


def _closing(records: Sequence[Record]) -> str:
    counts = {state: sum(r.state is state for r in records) for state in CODES}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    hands = [r.change_set.id for r in records if r.state is State.NEEDS_HANDS]
    if hands:
        return f"{summary}. next: wardship status; {_doors(records)}"
    gone = [r for r in records if r.state not in ENDS]
    if gone:
        return f"{summary or 'taken over'}: another controller has the rest. next: wardship status"
    back = [r.change_set.facility for r in records if r.state is not State.COMMITTED]
    if back:
        return f"{summary}. next: mend the cause, then: wardship plan {' '.join(sorted(set(back)))}"
    return f"{summary}. next: wardship status; to put one back: wardship restore CHANGE_SET"
