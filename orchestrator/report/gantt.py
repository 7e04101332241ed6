"""A change as bars for a terminal of 100 columns: each step, when, how long, and the clinic out.

The bars of a stretch are shares of it, as on the page. Hosts of a set say each how long they took.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from orchestrator.report.html import bar, duration
from orchestrator.report.model import Activity, Report, Stretch

#: Columns of a bar, and of a step's name.
WIDTH, NAME = 26, 12
OUT, WORKING = "█", "░"


def lines(report: Report) -> Iterator[str]:
    """Line by line; nothing where nothing was done yet."""
    zone = ZoneInfo(report.timezone)
    for stretch in report.stretches:
        clinic = "clinic OUT" if stretch.clinic == "out" else "clinic working"
        yield f"  {clinic} {duration(stretch.seconds)}"
        for step in stretch.activities:
            at = step.started_at.astimezone(zone)
            took = duration(step.seconds) if step.seconds is not None else "not ended"
            told = f"{at:%H:%M:%S}  {step.state:<{NAME}} {_drawn(stretch, step)} {took:>12}"
            yield f"    {told}{_by_host(step)}".rstrip()
    if report.stretches:
        kept, used = report.reserve.kept, report.reserve.used
        of_it = "none of it used" if used is None else f"{duration(used)} used"
        yield f"  kept in reserve for putting it back: {duration(kept)}, {of_it}"


def _drawn(stretch: Stretch, step: Activity) -> str:
    left, width = bar(stretch, step)
    begins = min(round(left / 100 * WIDTH), WIDTH - 1)
    lasts = min(max(round(width / 100 * WIDTH), 1), WIDTH - begins)
    return (" " * begins + (OUT if stretch.clinic == "out" else WORKING) * lasts).ljust(WIDTH)


def _by_host(step: Activity) -> str:
    if len(step.host_seconds) < 2:
        return ""
    each = [f"{host} {duration(seconds)}" for host, seconds in step.host_seconds.items()]
    return f"  {', '.join(each)}"
