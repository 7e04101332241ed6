"""Check reports → one line a check over all moments, grouped by what the check protects."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report.model import CheckGroup, CheckLine, CheckSeen, Tally
from orchestrator.report.privacy import json_without_patients, without_patients
from orchestrator.verify.model import CheckReport, CheckResult, Moment

MOMENTS: tuple[Moment, ...] = ("baseline", "applied", "restored")
UNSAID = "What these protect was not recorded"


def tallies(reports: Mapping[Moment, CheckReport]) -> tuple[Tally, ...]:
    """How many checks of each run came to what, in order of time."""
    return tuple(_tally(reports[moment]) for moment in MOMENTS if moment in reports)


def groups(reports: Mapping[Moment, CheckReport]) -> tuple[CheckGroup, ...]:
    """Groups with something that did not pass first, else in the order that they were run."""
    protects = _protects(reports)
    found: dict[str, list[CheckLine]] = {}
    for check in protects:
        found.setdefault(protects[check] or UNSAID, []).append(_line(check, reports))
    made = [CheckGroup(protects=what, lines=tuple(_worst_first(ls))) for what, ls in found.items()]
    return tuple(sorted(made, key=lambda group: group.is_clean))


def _worst_first(lines: list[CheckLine]) -> list[CheckLine]:
    return sorted(lines, key=lambda line: line.is_clean)


def _protects(reports: Mapping[Moment, CheckReport]) -> dict[str, str]:
    """Every check that was run, with what it protects: an unknown result may not say it itself."""
    found: dict[str, str] = {}
    for moment in MOMENTS:
        for result in reports[moment].results if moment in reports else ():
            found[result.check] = found.get(result.check) or result.protects
    return found


def _line(check: str, reports: Mapping[Moment, CheckReport]) -> CheckLine:
    seen = [
        _seen(moment, result)
        for moment in MOMENTS
        if moment in reports and (result := reports[moment].result(check)) is not None
    ]
    return CheckLine(check=check, seen=tuple(seen))


def _seen(moment: Moment, result: CheckResult) -> CheckSeen:
    return CheckSeen(
        moment=moment,
        status=result.status,
        because=without_patients(result.because),
        seconds=result.seconds,
        measures={key: json_without_patients(value) for key, value in result.measures.items()},
        evidence=tuple(without_patients(line) for line in result.evidence),
    )


def _tally(report: CheckReport) -> Tally:
    words = [result.status for result in report.results]
    return Tally(
        moment=report.moment,
        taken_at=report.taken_at,
        total=len(words),
        passed=words.count("passed"),
        failed=words.count("failed"),
        unknown=words.count("unknown"),
    )
