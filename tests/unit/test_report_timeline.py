"""What was done when, and how long the clinic was out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.report.cause import first_cause
from orchestrator.report.timeline import (
    activities,
    last_word,
    outage_seconds,
    outages,
    reserve,
    stretches,
)
from orchestrator.rollout.model import Event, Record, State
from tests.builders_report import Story, applied, committed, needs_hands, prepared, restored
from tests.builders_report_documents import BEGAN


@pytest.mark.parametrize(("record", "seconds"), [(committed, 17.2), (restored, 29.6)])
def test_the_clinic_is_out_from_shutting_the_door_to_the_proof_that_it_is_open(
    record: object, seconds: float
) -> None:
    assert callable(record)
    assert outage_seconds(record()[0]) == pytest.approx(seconds)


def test_a_change_that_never_shut_the_door_has_no_outage() -> None:
    record = Story().fails(State.STAGING, 9, "no space").record(State.NOT_STARTED)
    assert outages(record, as_of=record.since) == ()


def test_a_change_that_was_stopped_at_the_door_never_shut_it() -> None:
    story = prepared().fails(State.QUIESCING, 0.1, "stopped by request", Event.WITHDRAWN)
    record = story.record(State.NOT_STARTED)
    assert outages(record, as_of=record.since) == ()
    cause = first_cause(record, {})
    assert cause is not None
    assert cause.sentence.endswith("because stopped by request.")


def test_without_proof_of_an_open_door_the_outage_goes_on() -> None:
    record, _ = needs_hands()
    later = record.since + timedelta(hours=1)
    (outage,) = outages(record, as_of=later)
    assert outage.ended_at is None
    assert outage_seconds(record, as_of=later) == pytest.approx(outage_seconds(record) + 3600)


def test_a_door_that_could_not_be_proved_open_does_not_end_the_outage() -> None:
    story = applied().does(State.VERIFYING, 4).does(State.COMMITTING, 1)
    record = story.fails(State.OPENING, 5, "connection refused").record(State.NEEDS_HANDS)
    assert outages(record, as_of=record.since)[0].ended_at is None


def test_a_person_who_gives_a_host_back_ends_the_outage() -> None:
    story = applied().fails(State.VERIFYING, 4, "x").does(State.REVERTING, 1)
    story.fails(State.RESTORING, 9, "y")
    story.is_sent(State.NEEDS_HANDS, State.RESTORED, "mended", later=300)
    record = story.record(State.RESTORED)
    assert outage_seconds(record) == pytest.approx(11.2 + 4 + 1 + 9 + 300)
    assert not any(outage.ended_at is None for outage in outages(record, as_of=record.since))


def _put_back_later() -> Record:
    story = applied().does(State.VERIFYING, 4).does(State.COMMITTING, 1).does(State.OPENING, 1)
    story.is_sent(State.COMMITTED, State.REVERSING, "slow in the reading room", later=86_400)
    story.does(State.REVERSING, 1).does(State.RESTORING, 7).does(State.CONFIRMING, 5)
    return story.does(State.REOPENING, 1).record(State.RESTORED)


def test_a_committed_change_that_is_put_back_later_has_two_outages() -> None:
    record = _put_back_later()
    assert [o.seconds for o in outages(record, as_of=record.since)] == pytest.approx([17.2, 13])


def test_the_days_between_commit_and_restore_belong_to_no_stretch() -> None:
    record = _put_back_later()
    found = stretches(record, as_of=record.since)
    assert [s.clinic for s in found] == ["working", "out", "working", "out"]
    assert sum(s.seconds for s in found) < 120


def test_days_between_two_requests_belong_to_no_stretch() -> None:
    story = applied().does(State.VERIFYING, 4).does(State.COMMITTING, 1).does(State.OPENING, 1)
    for _ in range(2):
        story.is_sent(State.COMMITTED, State.REVERSING, "slow", later=86_400)
        story.fails(State.REVERSING, 1, "a younger change is there")
    record = story.record(State.COMMITTED)
    assert sum(s.seconds for s in stretches(record, as_of=record.since)) < 120


def test_an_outage_that_goes_on_is_a_stretch_of_its_own() -> None:
    record, _ = needs_hands()
    assert [s.clinic for s in stretches(record, as_of=record.since)] == ["working", "out"]


def test_a_step_that_was_begun_again_is_one_with_two_attempts() -> None:
    record, _ = needs_hands()
    (reverting,) = [a for a in activities(record.entries) if a.state == State.REVERTING]
    assert reverting.attempts == 2
    assert reverting.seconds == pytest.approx(24.4)


def test_a_step_without_an_end_is_shown_without_one() -> None:
    record = applied().is_cut_off(State.VERIFYING, 3).record(State.VERIFYING)
    last = activities(record.entries)[-1]
    assert (last.state, last.ended_at, last.seconds) == (State.VERIFYING, None, None)


def test_a_step_that_a_person_cut_short_still_belongs_to_its_outage() -> None:
    story = applied().is_cut_off(State.VERIFYING, 30)
    story.is_sent(State.VERIFYING, State.REVERTING, "the controller is gone")
    story.does(State.REVERTING, 1).does(State.RESTORING, 7).does(State.CONFIRMING, 5)
    record = story.does(State.REOPENING, 1).record(State.RESTORED)
    assert [s.clinic for s in stretches(record, as_of=record.since)] == ["working", "out"]


def test_an_empty_journal_is_no_error() -> None:
    record = Story().record(State.STAGING)
    assert outage_seconds(record) == 0
    assert stretches(record, as_of=BEGAN) == ()


def test_the_reserve_is_what_hosts_keep_for_putting_back_and_what_was_used_of_it() -> None:
    record, _ = restored()
    took = {one.state: one.seconds or 0 for one in activities(record.entries)}
    limits = record.change_set.hosts[0].limits
    found = reserve(record)
    assert found.kept == limits.restore + limits.open
    assert found.used == pytest.approx(took[State.RESTORING] + took[State.REOPENING])


def test_a_committed_change_used_none_of_its_reserve() -> None:
    record, _ = committed()
    assert reserve(record).used is None


def test_a_step_knows_its_hosts_longest_limit() -> None:
    record, _ = committed()
    shown = {
        step.state: step.limit
        for stretch in stretches(record, as_of=last_word(record))
        for step in stretch.activities
    }
    limits = record.change_set.hosts[0].limits
    assert shown[State.APPLYING] == limits.apply
    assert shown[State.VERIFYING] is None
