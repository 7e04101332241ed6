"""The states' table keeps the laws, whatever is added to it."""

from __future__ import annotations

import pytest

from orchestrator.rollout.model import Event, State
from orchestrator.rollout.phases import (
    ENDS,
    NEXT,
    UNDECIDED,
    UNTOUCHED,
    advance,
    is_abortable,
    restore_from,
)

DECIDED = {State.OPENING}
GOING_BACK = {
    State.REVERSING,
    State.REVERTING,
    State.RESTORING,
    State.CONFIRMING,
    State.REOPENING,
}


def test_every_state_is_an_end_or_has_a_way_for_done_and_failed() -> None:
    for state in State:
        ways = {event for (at, event) in NEXT if at is state}
        assert ways == set() if state in ENDS else {Event.DONE, Event.FAILED} <= ways


def test_every_walk_ends() -> None:
    for first in State:
        seen, todo = set[State](), {first}
        while todo:
            state = todo.pop()
            seen.add(state)
            todo |= {to for (at, _), to in NEXT.items() if at is state} - seen
        assert seen & ENDS


def test_before_quiesce_nothing_but_not_started_follows_a_failure() -> None:
    for state in UNTOUCHED:
        assert advance(state, Event.FAILED) is State.NOT_STARTED
        assert advance(state, Event.ABORTED) is State.NOT_STARTED


def test_undecided_and_failed_is_put_back() -> None:
    for state in UNDECIDED:
        assert advance(state, Event.FAILED) is State.REVERTING
        assert advance(state, Event.ABORTED) is State.REVERTING


def test_once_felt_by_the_clinic_it_is_never_called_not_started() -> None:
    for (state, event), to in NEXT.items():
        felt = state not in UNTOUCHED and event is not Event.WITHDRAWN
        assert to is not State.NOT_STARTED or not felt


def test_committed_is_only_reached_through_an_opening_or_a_refused_reversal() -> None:
    assert {at for (at, _), to in NEXT.items() if to is State.COMMITTED} == {
        State.OPENING,
        State.REVERSING,
    }


def test_what_is_decided_or_going_back_cannot_be_aborted() -> None:
    for state in DECIDED | GOING_BACK | ENDS:
        assert not is_abortable(state)


def test_an_unknown_way_is_loud() -> None:
    with pytest.raises(RuntimeError, match="no way from committed by done"):
        advance(State.COMMITTED, Event.DONE)


def test_a_person_can_put_back_whatever_is_not_over_or_untouched() -> None:
    for reversed_ in (False, True):
        nothing = {state for state in State if restore_from(state, was_reversed=reversed_) is None}
        assert nothing == {State.NOT_STARTED, State.RESTORED, *UNTOUCHED}


def test_a_reversal_that_needs_hands_goes_on_as_a_reversal() -> None:
    assert restore_from(State.NEEDS_HANDS, was_reversed=True) is State.REVERSING
    assert restore_from(State.NEEDS_HANDS, was_reversed=False) is State.REVERTING


def test_a_reversal_without_an_answer_is_never_called_committed() -> None:
    assert advance(State.REVERSING, Event.FAILED) is State.NEEDS_HANDS
    assert advance(State.REVERSING, Event.REFUSED) is State.COMMITTED
