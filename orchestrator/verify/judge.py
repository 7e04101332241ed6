"""What results mean. Pure; the only place that turns results into a verdict.

*Passed* only if every expected check was run and passed, and no other check failed. A failure
outweighs what is unknown. Refuses to judge by another host's or change set's baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.verify.model import CheckReport, CheckResult, Moment, Verdict
from orchestrator.verify.suites import BY_ID


def judge(
    expected: Sequence[str], report: CheckReport, baseline: CheckReport | None = None
) -> Verdict:
    """The verdict over one run on one host. Reasons: failures first, in order of the catalogue."""
    if not expected:
        return Verdict(status="unknown", because=("no check is expected: nothing was looked at",))
    given = [*_expected(expected, report), *_unexpected(expected, report)]
    results = [result for result in given if _counts(result, report.moment)]
    ails = tuple(
        _told(result)
        for result in given
        if not _counts(result, report.moment) and result.status != "passed"
    )
    results += _strangers(report, baseline)
    failed = _folded([result for result in results if result.status == "failed"])
    unknown = _folded([result for result in results if result.status == "unknown"])
    if failed:
        return Verdict(status="failed", because=(*failed, *unknown), ails=ails)
    if unknown:
        return Verdict(status="unknown", because=unknown, ails=ails)
    return Verdict(status="passed", ails=ails)


def _counts(result: CheckResult, moment: Moment) -> bool:
    """After a restore only integrity keeps the door shut; what else was found ails."""
    spec = BY_ID.get(result.check)
    return moment != "restored" or (spec.integrity if spec else result.integrity)


def _expected(expected: Sequence[str], report: CheckReport) -> list[CheckResult]:
    """One result a check: the worst that was given for it, unknown where none was."""
    found = []
    for check in expected:
        given = [result for result in report.results if result.check == check]
        worst = sorted(given, key=lambda result: RANK[result.status])[:1]
        found += worst or [CheckResult.unknown(check, because="there is no result")]
    return found


#: How many checks with the same reason are named.
NAMED = 3
RANK = {"failed": 0, "unknown": 1, "passed": 2}


def _unexpected(expected: Sequence[str], report: CheckReport) -> list[CheckResult]:
    """Nobody waited for these, but a failure that was seen is not unseen."""
    return [
        result
        for result in report.results
        if result.check not in expected and result.status == "failed"
    ]


def _strangers(report: CheckReport, baseline: CheckReport | None) -> list[CheckResult]:
    if baseline is None or report.moment == "baseline":
        return []
    same = (baseline.change_set, baseline.host, baseline.moment) == (
        report.change_set,
        report.host,
        "baseline",
    )
    if same:
        return []
    because = f"it is the {baseline.moment} of {baseline.change_set} on {baseline.host}"
    return [CheckResult.unknown("baseline", because=because)]


def _folded(results: Sequence[CheckResult]) -> tuple[str, ...]:
    """A sentence a reason: where a line is cut, all checks have the same."""
    checks: dict[str, list[str]] = {}
    for result in results:
        checks.setdefault(result.because or result.status, []).append(result.check)
    return tuple(f"{_some(names)}: {because}" for because, names in checks.items())


def _some(checks: Sequence[str]) -> str:
    more = len(checks) - NAMED
    return ", ".join(checks[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _told(result: CheckResult) -> str:
    return f"{result.check}: {result.because or result.status}"
