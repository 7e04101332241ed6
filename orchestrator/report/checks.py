"""Check reports → one line a check over all moments, grouped by what the checks guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.report.model import CheckGroup, CheckLine, CheckSeen, HostReport, Tally
from orchestrator.report.privacy import measures_without_patients, without_patients
from orchestrator.verify.model import CheckReport, CheckResult, Moment
from orchestrator.verify.suites import BY_ID

MOMENTS: tuple[Moment, ...] = ("baseline", "applied", "restored")
#: What the suites guard, in words for a radiology head.
TITLES = {
    "service": "The product runs, on the right release",
    "dicom": "Modalities and the archive understand each other",
    "tls": "Images travel where nobody else can read them",
    "dicomweb": "Web viewers see what workstations see",
    "census": "Nothing that was stored is lost or changed",
    "retrieve": "Images open as before",
    "records": "Every patient and order is there and says what it said",
}
OWN = "What the product's own role looks at"


def tallies(reports: Mapping[Moment, CheckReport]) -> tuple[Tally, ...]:
    """How many checks of each run came to what, in order of time."""
    return tuple(_tally(reports[moment]) for moment in MOMENTS if moment in reports)


def groups(reports: Mapping[Moment, CheckReport]) -> tuple[CheckGroup, ...]:
    """Groups with something that did not pass first, else in the order that they were run."""
    protects = _protects(reports)
    found: dict[str, list[CheckLine]] = {}
    for check, what in protects.items():
        found.setdefault(_title(check), []).append(_line(check, what, reports))
    made = [CheckGroup(title=title, lines=tuple(_worst_first(ls))) for title, ls in found.items()]
    return tuple(sorted(made, key=lambda group: group.is_clean))


def warnings(hosts: Sequence[HostReport]) -> tuple[str, ...]:
    """What checks of the last run warned of though they passed."""
    return tuple(
        f"{host.host}: {line.check} passed with a {seen.because.rstrip('.')}."
        for host in hosts
        for group in host.groups
        for line in group.lines
        for seen in line.seen
        if seen.moment == host.moments[-1]
        and seen.status == "passed"
        and seen.because.startswith("warning:")
    )


def _worst_first(lines: list[CheckLine]) -> list[CheckLine]:
    return sorted(lines, key=lambda line: line.is_clean)


def _protects(reports: Mapping[Moment, CheckReport]) -> dict[str, str]:
    """Every check that was run, with what it protects: an unknown result may not say it itself."""
    found: dict[str, str] = {}
    for moment in MOMENTS:
        for result in reports[moment].results if moment in reports else ():
            found[result.check] = found.get(result.check) or result.protects
    return {c: what or (BY_ID[c].protects if c in BY_ID else "") for c, what in found.items()}


def _title(check: str) -> str:
    if check not in BY_ID:
        return OWN
    return TITLES.get(BY_ID[check].suite, BY_ID[check].suite)


def _line(check: str, protects: str, reports: Mapping[Moment, CheckReport]) -> CheckLine:
    seen = [
        _seen(moment, result)
        for moment in MOMENTS
        if moment in reports and (result := reports[moment].result(check)) is not None
    ]
    return CheckLine(check=check, protects=protects, seen=tuple(seen))


def _seen(moment: Moment, result: CheckResult) -> CheckSeen:
    return CheckSeen(
        moment=moment,
        status=result.status,
        because=without_patients(result.because),
        seconds=result.seconds,
        measures=measures_without_patients(result.measures),
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
