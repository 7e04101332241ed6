"""What the host program decides, over every combination of facts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from orchestrator.host.manifest import PHASES
from orchestrator.host.phases import (
    ABSENT,
    AGAIN,
    COMMIT,
    ENDS,
    FAILED,
    INTERRUPTED,
    ONCE,
    RESTORE,
    RUNNING,
    SUCCEEDED,
    Facts,
    Unit,
    at_boot,
    decidable,
    entry,
    judge,
    needs,
    refusal,
    reversible,
)

STATES = (ABSENT, RUNNING, SUCCEEDED, FAILED, INTERRUPTED)
GONE, ALIVE = Unit(alive=False), Unit(alive=True)


@pytest.mark.parametrize(
    ("record", "same_boot", "unit", "state"),
    [
        (None, True, GONE, ABSENT),
        ("started", True, ALIVE, RUNNING),
        ("started", True, GONE, INTERRUPTED),
        ("started", True, Unit(alive=False, result="signal"), INTERRUPTED),
        ("started", True, Unit(alive=False, result="success"), INTERRUPTED),
        ("started", True, Unit(alive=False, result="timeout"), FAILED),
        ("started", False, ALIVE, INTERRUPTED),
        ("started", False, Unit(alive=False, result="timeout"), INTERRUPTED),
        ("succeeded", True, GONE, SUCCEEDED),
        ("failed", True, ALIVE, FAILED),
        ("interrupted", False, GONE, INTERRUPTED),
    ],
)
def test_a_phase_is_judged_by_its_record_and_its_unit(
    record: str | None, same_boot: bool, unit: Unit, state: str
) -> None:
    assert judge(record, same_boot=same_boot, unit=unit, limit=9)[0] == state


def test_a_reached_maximum_run_time_is_named() -> None:
    unit = Unit(alive=False, result="timeout")
    assert "9 s" in judge("started", same_boot=True, unit=unit, limit=9)[1]


def every_fact() -> Iterator[Facts]:
    """Every combination that the rules let arise, and many that they do not."""
    for quiesce, snapshot, apply in product(STATES, repeat=3):
        for restore, decision, finished in product(
            STATES, (None, COMMIT, RESTORE), (None, "committed", "restored", "cleared")
        ):
            for reversal in (False, True) if decision == COMMIT else (False,):
                phases = {
                    "quiesce": quiesce,
                    "snapshot": snapshot,
                    "apply": apply,
                    "restore": restore,
                }
                yield Facts(phases, decision, reversal, finished)


FACTS = list(every_fact())


def test_what_must_run_once_is_only_reported_after_it_began() -> None:
    for facts in FACTS:
        for phase in ONCE:
            assert (entry(facts, phase) == "start") == (facts.state(phase) == ABSENT)


def test_what_runs_is_never_started_a_second_time() -> None:
    for phase in PHASES:
        assert entry(Facts({phase: RUNNING}), phase) == "report"


@pytest.mark.parametrize("state", [FAILED, INTERRUPTED])
@pytest.mark.parametrize("phase", AGAIN)
def test_restore_and_open_may_start_again(phase: str, state: str) -> None:
    assert entry(Facts({phase: state}, RESTORE), phase) == "start"


def test_open_starts_again_after_a_reversal() -> None:
    before = {"apply": SUCCEEDED, "restore": SUCCEEDED, "open": SUCCEEDED}
    committed = Facts(before, COMMIT, finished="committed")
    turned = Facts(before, COMMIT, reversal=True, finished="committed")
    over = Facts(before, COMMIT, reversal=True, finished="restored")
    assert [entry(each, "open") for each in (committed, turned, over)] == [
        "report",
        "start",
        "report",
    ]


def test_nothing_goes_onward_once_a_decision_stands() -> None:
    for facts in FACTS:
        for phase in ONCE if facts.decision else ():
            assert (refusal(facts, phase) or ("", ""))[0] == "decided"


def test_nothing_goes_onward_without_what_comes_before_it() -> None:
    for facts in FACTS:
        for phase, before in (("snapshot", "quiesce"), ("apply", "snapshot")):
            if refusal(facts, phase) is None:
                assert facts.state(before) == SUCCEEDED
                assert facts.decision is None


def test_restore_starts_only_when_it_was_decided() -> None:
    for facts in FACTS:
        allowed = refusal(facts, "restore") is None
        assert allowed == (facts.target == RESTORE and facts.finished != "cleared")


def test_the_door_opens_only_on_what_was_decided_and_done() -> None:
    for facts in FACTS:
        done = "apply" if facts.target == COMMIT else "restore"
        ready = facts.target is not None and facts.state(done) == SUCCEEDED
        assert (refusal(facts, "open") is None) == (ready and facts.finished != "cleared")


def test_only_what_was_applied_can_be_committed_and_nothing_that_a_person_has() -> None:
    for facts in FACTS:
        is_ours = facts.finished != "cleared"
        is_applied = facts.state("apply") == SUCCEEDED
        assert (decidable(facts, COMMIT) is None) == (is_applied and is_ours)
        assert (decidable(facts, RESTORE) is None) == is_ours


def test_another_change_under_way_locks_everything() -> None:
    for phase in PHASES:
        facts = Facts({"apply": SUCCEEDED}, None, unfinished="another")
        assert (refusal(facts, phase) or ("", ""))[0] == "locked"
    assert decidable(Facts(unfinished="another"), RESTORE) is not None


def test_an_older_change_cannot_begin_or_be_put_back() -> None:
    older = Facts({"apply": SUCCEEDED}, COMMIT, finished="committed", is_newest=False)
    assert refusal(Facts(is_newest=False), "quiesce") is not None
    assert reversible(older) is not None


@pytest.mark.parametrize(
    "facts",
    [
        Facts(),
        Facts(decision=RESTORE),
        Facts({"apply": SUCCEEDED}, COMMIT, cleaned=True),
        Facts({"apply": SUCCEEDED}, COMMIT, finished="cleared"),
        Facts({"apply": SUCCEEDED}, COMMIT, unfinished="another"),
    ],
)
def test_only_a_kept_commit_is_reversed(facts: Facts) -> None:
    assert reversible(facts) is not None


def test_what_is_left_at_boot_is_one_of_five_and_undecided_is_always_undone() -> None:
    for facts in FACTS:
        does = at_boot(facts)
        if facts.finished == "cleared" or not facts.has_begun:
            assert does == "nothing"
        elif facts.target is None:
            assert does == "undo"
        elif facts.finished == ENDS[facts.target]:
            assert does == "nothing"
        elif facts.state("restore") == FAILED:
            assert does == "wait"
        elif facts.target == COMMIT:
            assert does == "open"
        else:
            assert does == ("open" if facts.state("restore") == SUCCEEDED else "restore")


def test_an_open_that_failed_needs_hands_until_a_reversal_restores() -> None:
    failed = {"apply": SUCCEEDED, "open": FAILED}
    assert needs(Facts(failed, COMMIT)) == "hands"
    assert needs(Facts(failed, COMMIT, reversal=True)) == "restore"
    assert needs(Facts({**failed, "restore": FAILED}, COMMIT, reversal=True)) == "hands"
