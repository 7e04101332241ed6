"""A report → one HTML file: no network, no script, light and dark, screen and paper.

Decides only how things look; every word of substance is the report's. Everything that comes from
outside is escaped, and the file forbids itself to load or run anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import jinja2
from pydantic import JsonValue

from orchestrator import resources
from orchestrator.report.model import Activity, HostReport, Report, Stretch

#: A bar is never thinner than this share of its line, in per cent: a step must be seen.
THINNEST = 0.7
#: Lines of evidence and UIDs that are shown; the JSON has all.
MOST = 20

_MOMENTS = {"baseline": "Before", "applied": "New release", "restored": "Put back"}


def to_html(report: Report) -> str:
    """The report as one HTML document."""
    zone = ZoneInfo(report.timezone)
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        duration=duration,
        size=size,
        local=lambda at: at.astimezone(zone).strftime("%H:%M:%S"),
        utc=lambda at: at.astimezone(UTC).strftime("%H:%M:%S"),
        day=lambda at: at.astimezone(zone).strftime("%Y-%m-%d"),
        utc_day=lambda at: at.astimezone(UTC).strftime("%Y-%m-%d"),
        offset=lambda at: _offset(at.astimezone(zone)),
        figure=figure,
    )
    return env.get_template("report.html.j2").render(
        report=report,
        moments=_MOMENTS,
        most=MOST,
        bar=bar,
        strip=strip(report),
        tally=last_tally(report),
    )


def duration(seconds: float) -> str:
    """Seconds as people say them: 0.4 s, 42 s, 15 min, 3 min 07 s, 2 h 05 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole == seconds and whole % 60 == 0 and whole < 3600:
        return f"{whole // 60} min"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(number: int) -> str:
    """Bytes in decimal units."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def figure(value: JsonValue) -> str:
    """A measure in short; what is not a single value only says how much it is."""
    if isinstance(value, list | dict):
        return f"{len(value)} values"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "none" if value is None else str(value)


def bar(stretch: Stretch, activity: Activity) -> tuple[float, float]:
    """Where an activity's bar begins and how long it is, in per cent of its stretch."""
    whole = stretch.seconds or 1.0
    begins = (activity.started_at - stretch.started_at).total_seconds()
    lasts = ((activity.ended_at or stretch.ended_at) - activity.started_at).total_seconds()
    return _visible(begins / whole * 100, lasts / whole * 100)


def strip(report: Report) -> tuple[tuple[float, float], ...]:
    """The outages on a line from the beginning to the report's last moment, in per cent."""
    whole = (report.as_of - report.started_at).total_seconds() or 1.0
    return tuple(
        _visible(
            (outage.started_at - report.started_at).total_seconds() / whole * 100,
            outage.seconds / whole * 100,
        )
        for outage in report.outages
    )


def last_tally(report: Report) -> str:
    """How many of the last checks passed, over all hosts: ``15 of 15``."""
    last = [host.tallies[-1] for host in report.hosts if host.tallies]
    return f"{sum(t.passed for t in last)} of {sum(t.total for t in last)}" if last else "none run"


def summary_line(report: Report) -> str:
    """The change set in one line for a terminal, its cause included."""
    hosts = report.hosts
    what = ", ".join(dict.fromkeys(_hop(host) for host in hosts))
    out = f"clinic out {duration(report.outage_seconds)}" if report.outages else "clinic not out"
    if report.is_out:
        out = f"clinic out for {duration(report.outage_seconds)} so far, door not proved open"
    line = (
        f"{report.facility}: {report.end.state}: {what}; {out}; checks {last_tally(report)} passed"
    )
    return f"{line}. {report.cause.sentence}" if report.cause else line


def host_lines(report: Report) -> tuple[str, ...]:
    """One line a host for a terminal."""
    return tuple(f"{host.host}: {_hop(host)}; {_checked(host)}" for host in report.hosts)


def _hop(host: HostReport) -> str:
    plan = host.planned
    return f"{plan.product} {plan.way}"


def _checked(host: HostReport) -> str:
    told: Sequence[str] = [
        f"{_MOMENTS[tally.moment].lower()} {tally.passed} of {tally.total} passed"
        for tally in host.tallies
    ]
    return "checks: " + ", ".join(told) if told else "no checks were run"


def _visible(left: float, width: float) -> tuple[float, float]:
    shown = min(max(width, THINNEST), 100.0)
    return round(min(max(left, 0.0), 100.0 - shown), 2), round(shown, 2)


def _offset(at: datetime) -> str:
    raw = at.strftime("%z")
    return f"UTC{raw[:3]}:{raw[3:5]}"
