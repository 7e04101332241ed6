"""Who is asked when, of hosts that change together, and whom an answer keeps from being asked."""

from __future__ import annotations

from typing import cast

import pytest

from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.rollout.asking import PATIENCE, PATIENCE_BACK, Asking
from orchestrator.rollout.model import Event, HostPhase, PhaseReport
from orchestrator.rollout.ports import Hosts
from tests.crash.change_sets import change_set
from tests.fakes.ports import FakeClock

DONE = PhaseReport(state="succeeded", seconds=1.0, ended_ago=0.0)
SILENT = PhaseReport(state="unreachable", because="cut")
REFUSED = PhaseReport(state="refused", because="a person took the change over")
FAILED = PhaseReport(state="failed", because="no room")


def a_pair() -> ChangeSet:
    one = change_set()
    ris = one.anchor.model_copy(update={"host": "ris-a"})
    return one.model_copy(update={"hosts": (one.anchor, ris)})


class Two:
    """Two hosts, with an answer each; one that is silent answers after ``silence`` seconds."""

    def __init__(self, clock: FakeClock, *, silence: float = 0.0, **answers: PhaseReport) -> None:
        self.clock, self.silence, self.answers = clock, silence, answers
        self.asked = list[str]()

    def phase(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, *, epoch: int
    ) -> PhaseReport:
        return self._answer(host)

    def reverse(
        self, change_set: ChangeSet, host: HostChange, *, epoch: int, because: str
    ) -> PhaseReport:
        return self._answer(host)

    def _answer(self, host: HostChange) -> PhaseReport:
        if self.asked[-1:] != [host.host]:
            self.asked.append(host.host)
        answer = self.answers.get(host.host.partition("-")[0], DONE)
        return DONE if answer is SILENT and self.clock.seconds > self.silence > 0 else answer


def asking(two: Two, *, patience: float = PATIENCE_BACK) -> Asking:
    return Asking(cast(Hosts, two), two.clock, patience)


def back(two: Two) -> tuple[Event, str]:
    pair = a_pair()
    outcome = asking(two).on_every(pair, "restore", epoch=1, hosts=reversed(pair.hosts), tries=3)
    return outcome.event, outcome.because


def test_onward_the_first_that_fails_ends_it() -> None:
    two = Two(FakeClock(), pacs=FAILED)
    outcome = asking(two, patience=PATIENCE).on_every(a_pair(), "apply", epoch=1)
    assert (outcome.event, outcome.because) == (Event.FAILED, "pacs-a: apply failed: no room")
    assert two.asked == ["pacs-a"]


def test_on_the_way_back_nobody_waits_for_who_is_silent() -> None:
    two = Two(FakeClock(), silence=2 * PATIENCE, ris=SILENT)
    assert back(two) == (Event.DONE, "")
    assert two.asked == ["ris-a", "pacs-a", "ris-a"]


def test_who_stays_silent_is_told_after_all_the_patience() -> None:
    two = Two(FakeClock(), ris=SILENT)
    assert back(two) == (Event.FAILED, "ris-a: restore unreachable: cut")
    assert two.clock.seconds >= PATIENCE_BACK
    assert two.asked == ["ris-a", "pacs-a", "ris-a"]


def test_a_failed_restore_keeps_nobody_else_from_his() -> None:
    two = Two(FakeClock(), ris=FAILED)
    assert back(two) == (Event.FAILED, "ris-a: restore failed: no room")
    assert two.asked == ["ris-a", "pacs-a"]


def test_where_a_person_has_one_host_the_others_do_not_go_without_it() -> None:
    two = Two(FakeClock(), ris=REFUSED)
    assert back(two)[0] is Event.FAILED
    assert two.asked == ["ris-a"]


@pytest.mark.parametrize(
    ("answers", "event", "asked"),
    [
        ({}, Event.DONE, ["ris-a", "pacs-a"]),
        ({"ris": REFUSED}, Event.REFUSED, ["ris-a"]),
        ({"pacs": REFUSED}, Event.REFUSED, ["ris-a", "pacs-a"]),
        ({"ris": SILENT}, Event.REFUSED, ["ris-a"]),
        ({"pacs": SILENT}, Event.FAILED, ["ris-a", "pacs-a"]),
    ],
)
def test_a_reversal_is_the_anchors_to_make_and_it_is_asked_last(
    answers: dict[str, PhaseReport], event: Event, asked: list[str]
) -> None:
    two = Two(FakeClock())
    two.answers |= answers
    assert asking(two).reverse(a_pair(), epoch=1, because="asked for").event is event
    assert two.asked == asked
