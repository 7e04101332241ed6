"""The verdict: passed only when every expected check was run and passed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.verify.judge import judge
from orchestrator.verify.model import CheckReport, CheckResult, Moment, Status

EXPECTED = ("dicom-echo", "census-index", "own")


def report(
    *results: tuple[str, Status], moment: Moment = "applied", host: str = "h"
) -> CheckReport:
    return CheckReport(
        change_set="c",
        host=host,
        moment=moment,
        taken_at=datetime(2026, 1, 1, tzinfo=UTC),
        results=tuple(
            CheckResult(check=check, status=status, because=f"{check} says so")
            for check, status in results
        ),
    )


def all_but(check: str, status: Status) -> CheckReport:
    return report(*((c, status if c == check else "passed") for c in EXPECTED))


def test_all_passed_is_passed() -> None:
    assert judge(EXPECTED, all_but("", "failed")).status == "passed"


@pytest.mark.parametrize("check", EXPECTED)
@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_one_that_did_not_pass_decides(check: str, status: Status) -> None:
    verdict = judge(EXPECTED, all_but(check, status))
    assert verdict.status == status
    assert verdict.because == (f"{check}: {check} says so",)


@pytest.mark.parametrize("check", EXPECTED)
def test_a_missing_result_is_unknown(check: str) -> None:
    given = report(*((c, "passed") for c in EXPECTED if c != check))
    verdict = judge(EXPECTED, given)
    assert verdict.status == "unknown"
    assert verdict.because == (f"{check}: there is no result",)


def test_nothing_expected_is_unknown() -> None:
    assert judge((), report(("own", "passed"))).status == "unknown"


def test_a_failure_outweighs_the_unknown_and_is_told_first() -> None:
    given = report(("dicom-echo", "unknown"), ("census-index", "passed"), ("own", "failed"))
    verdict = judge(EXPECTED, given)
    assert verdict.status == "failed"
    assert verdict.because == ("own: own says so", "dicom-echo: dicom-echo says so")


def test_of_two_results_for_a_check_the_worse_counts() -> None:
    given = report(*((c, "passed") for c in EXPECTED), ("own", "failed"))
    assert judge(EXPECTED, given).status == "failed"


def test_a_failure_that_nobody_waited_for_still_counts() -> None:
    given = report(*((c, "passed") for c in EXPECTED), ("extra", "failed"))
    assert judge(EXPECTED, given).status == "failed"


def test_a_pass_that_nobody_waited_for_replaces_nothing() -> None:
    given = report(("dicom-echo", "passed"), ("census-index", "passed"), ("extra", "passed"))
    assert judge(EXPECTED, given).status == "unknown"


@pytest.mark.parametrize(
    "stranger", [report(moment="baseline", host="other"), report(moment="restored")]
)
def test_a_baseline_of_something_else_is_no_baseline(stranger: CheckReport) -> None:
    assert judge(EXPECTED, all_but("", "failed"), stranger).status == "unknown"


def test_its_own_baseline_is_accepted() -> None:
    own = report(moment="baseline")
    assert judge(EXPECTED, all_but("", "failed"), own).status == "passed"


@pytest.mark.parametrize(
    ("check", "status"), [("retrieve-time", "passed"), ("dicom-echo", "failed")]
)
def test_after_a_restore_only_integrity_keeps_the_door_shut(check: str, status: str) -> None:
    slow = CheckResult(check=check, status="failed", because="as told")
    report = CheckReport(
        change_set="a", host="b", moment="restored", taken_at=datetime.now(UTC), results=(slow,)
    )
    assert judge([check], report).status == status
    applied = report.model_copy(update={"moment": "applied"})
    assert judge([check], applied).status == "failed"


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_what_is_no_integrity_ails_what_was_put_back(status: Status) -> None:
    given = report(*((c, "passed") for c in EXPECTED), ("disk-free", status), moment="restored")
    verdict = judge((*EXPECTED, "disk-free"), given)
    assert verdict.status == "passed"
    assert verdict.ails == ("disk-free: disk-free says so",)


def test_a_roles_own_check_may_be_of_service_only() -> None:
    own = CheckResult(check="own", status="failed", because="as told", integrity=False)
    given = report(moment="restored").model_copy(update={"results": (own,)})
    verdict = judge(("own",), given)
    assert (verdict.status, verdict.ails) == ("passed", ("own: as told",))
    applied = given.model_copy(update={"moment": "applied"})
    assert judge(("own",), applied).status == "failed"
    shuts = given.model_copy(update={"results": (own.model_copy(update={"integrity": True}),)})
    assert judge(("own",), shuts).status == "failed"


def test_a_check_without_a_result_ails_what_was_put_back() -> None:
    given = report(*((c, "passed") for c in EXPECTED), moment="restored")
    verdict = judge((*EXPECTED, "disk-free"), given)
    assert verdict.ails == ("disk-free: there is no result",)


def test_checks_with_the_same_reason_are_told_in_one_sentence() -> None:
    checks = ("dicom-echo", "census-index", "retrieve-time", "own", "other")
    cut = tuple(CheckResult.unknown(check, because="the line is cut") for check in checks)
    given = report().model_copy(update={"results": cut})
    (sentence,) = judge(checks, given).because
    assert sentence == "dicom-echo, census-index, retrieve-time and 2 more: the line is cut"
