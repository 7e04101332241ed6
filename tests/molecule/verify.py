"""What a scenario's verifier looks at: production's checks by production's runner, judged.

A product's scenario is verified with the product's suites and its role's own checks, as the
baseline of a change is. Of any other role the clinic must feel nothing (the suite ``service``), and
the scenario's own checks must pass. A role with a precheck must have looked, and refuse nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator import resources
from orchestrator.plan.model import HostChange
from orchestrator.verify.judge import judge
from orchestrator.verify.model import CheckReport, Moment
from tests.lab.controlled import CHECKOUT
from tests.molecule.site import Site

SCENARIOS = CHECKOUT / "molecule"
#: The suites that need nothing of a change on the host.
FELT = ("service",)
EPOCH = 1


def looked_at(site: Site, role: str) -> list[str]:
    """Everything that speaks against what ``role`` made of the host; nothing, if it is right."""
    host = site.change_set.anchor
    if role == host.role:
        against = list(site.hosts().stage(site.change_set, epoch=EPOCH))
        against += run_checks(site, host, "baseline", roles=resources.roles())[1]
    else:
        other = host.model_copy(update={"role": role, "suites": FELT})
        against = run_checks(site, other, "baseline", roles=SCENARIOS)[1]
    return [*against, *refused(site, role)]


def refused(site: Site, role: str) -> list[str]:
    """What production's precheck says, where the role takes part in it."""
    if not (resources.roles() / role / "tasks" / "precheck.yml").exists():
        return []
    change_set = site.parked if role == "dicom_spool" else site.change_set
    host = change_set.anchor
    if role not in (host.role, f"snapshot_{host.snapshot}", "dicom_spool"):
        return [f"precheck: the plan for {host.host} does not ask the role {role}"]
    return [f"precheck: {one.because}" for one in site.hosts().preflight(change_set)]


def run_checks(
    site: Site,
    host: HostChange,
    moment: Moment,
    *,
    roles: Path,
    baseline: CheckReport | None = None,
    census_before: str | None = None,
) -> tuple[CheckReport, list[str]]:
    """One run of the checks, and why it is not good."""
    verifier = site.verifier(roles)
    expected = verifier.expected(host, moment)
    report = verifier.check(
        site.change_set, host, moment, baseline=baseline, census_before=census_before
    )
    return report, verdict(expected, report, baseline)


def verdict(
    expected: Sequence[str], report: CheckReport, baseline: CheckReport | None
) -> list[str]:
    """Why a run of checks is not good: production's own judgement, and every result as it is."""
    judged = judge(expected, report, baseline)
    told = {result.check: result for result in report.results}
    against = [] if judged.status == "passed" else list(judged.because) or [judged.status]
    # A slow answer after a restore opens a hospital, and still is none that a scenario may give.
    against += [
        f"{check}: {told[check].because or told[check].status}"
        for check in expected
        if check in told and told[check].status != "passed"
    ]
    return list(dict.fromkeys(against))
