"""Who answers the hosts of a set, for how long, and what is left when they have ended."""

from __future__ import annotations

import json

import pytest

from orchestrator.host import aftercare, anchor, answering, begin, decide, member, units
from orchestrator.host.change import facts
from orchestrator.host.host import Host
from orchestrator.host.outcome import RefusedError
from orchestrator.host.phases import COMMIT, RESTORE, SUCCEEDED
from orchestrator.host.prepare import prepare
from orchestrator.host.status import status
from tests.fakes.linux_host import stage
from tests.fakes.pair import (
    CHANGE,
    PORT,
    Alone,
    Pair,
    cut,
    document,
    is_as_before,
    is_new_and_open,
    phase,
)


def takes_leave(pair: Pair) -> bool:
    return answering.takes_leave(Host(pair.pacs), PORT)


def test_the_anchor_answers_until_everybody_is_over(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    assert not takes_leave(pair)
    pair.watch(pair.ris)
    assert takes_leave(pair)
    assert not Host(pair.pacs).layout.answering(PORT).exists()


def test_a_member_that_cannot_tell_its_end_asks_on_and_is_answered(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    with cut(pair):
        member.heed(Host(pair.ris), CHANGE, at=1, said=anchor.said(pair.change(pair.pacs)))
        for machine in (pair.pacs, pair.ris):
            assert phase(machine, "open")["state"] == SUCCEEDED
        with pytest.raises(Alone):
            pair.watch(pair.ris, seconds=3600)
    assert not takes_leave(pair)
    pair.watch(pair.ris)
    assert takes_leave(pair)
    (told,) = status(Host(pair.ris))["changes"]
    assert told["waits"] == ""


def test_a_member_that_began_after_the_line_was_cut_is_answered_later(pair: Pair) -> None:
    phase(pair.pacs, "quiesce")
    begin.phase(Host(pair.ris), CHANGE, "quiesce", at=1, wait=0)
    with cut(pair):
        pair.ris.sleep(1)
        pair.watch(pair.pacs)
        assert is_as_before(pair.pacs)
        assert not takes_leave(pair), "a member would stay closed for ever"
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)
    assert takes_leave(pair)


def test_a_member_that_never_began_is_not_waited_for(pair: Pair) -> None:
    phase(pair.pacs, "quiesce")
    pair.watch(pair.pacs)
    assert takes_leave(pair)


def test_a_change_that_never_begins_is_not_answered_for_ever(pair: Pair) -> None:
    assert not takes_leave(pair)
    pair.pacs.clock += answering.UNBEGUN + 1
    assert takes_leave(pair)
    begin.ready(Host(pair.pacs), CHANGE)
    assert not takes_leave(pair), "it was asked for again"


def test_the_next_change_is_answered_beside_one_that_has_not_ended(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    later = {**document("pacs-a"), "change_set": "hospital-a-2", "key": "17" * 32}
    stage(pair.pacs, "hospital-a-2")
    prepare(Host(pair.pacs), json.dumps(later), at=1)
    assert list(pair.pacs.units).count(units.name("anchor", str(PORT))) == 1
    assert begin.ready(Host(pair.ris), CHANGE)["silence"] == ""


def test_a_key_that_stage_made_anew_is_the_one_that_counts(pair: Pair) -> None:
    for machine, name in ((pair.pacs, "pacs-a"), (pair.ris, "ris-a")):
        prepare(Host(machine), json.dumps({**document(name), "key": "17" * 32}), at=1)
    assert begin.ready(Host(pair.ris), CHANGE)["silence"] == ""


def test_a_member_that_a_person_took_over_is_waited_for_until_it_told(pair: Pair) -> None:
    pair.forward()
    aftercare.clear(Host(pair.pacs), CHANGE, at=1, reason="mended")
    assert not takes_leave(pair)
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=200)
    (told,) = status(Host(pair.ris))["changes"]
    assert "a person took the change over there, undecided" in told["waits"]
    with pytest.raises(RefusedError, match="a person took the change over"):
        pair.decide(RESTORE)
    aftercare.clear(Host(pair.ris), CHANGE, at=1, reason="mended")
    pair.watch(pair.ris)
    assert facts(pair.change(pair.ris)).is_over
    assert takes_leave(pair)


def test_what_the_anchor_cannot_put_back_leaves_no_intent(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    pair.watch(pair.ris)
    aftercare.cleanup(Host(pair.pacs), CHANGE, at=1)
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    (told,) = status(Host(pair.ris))["changes"]
    assert "has not confirmed the reversal" in told["waits"]
    with pytest.raises(RefusedError, match="cleaned up"):
        decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.watch(pair.ris)
    assert not pair.change(pair.ris).paths.intent.exists()
    assert is_new_and_open(pair.ris)


def test_nothing_is_cleaned_up_that_a_host_of_the_set_still_needs(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    with pytest.raises(RefusedError, match="has not ended as it did"):
        aftercare.cleanup(Host(pair.pacs), CHANGE, at=1)
    pair.watch(pair.ris)
    aftercare.cleanup(Host(pair.pacs), CHANGE, at=1)
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    with pytest.raises(RefusedError, match="has not ended as it did"):
        aftercare.cleanup(Host(pair.ris), CHANGE, at=1)


def test_an_old_question_takes_nothing_back(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    pair.watch(pair.ris)
    late = {"change": CHANGE, "host": "ris-a", "phases": {"open": "running"}, "end": None}
    anchor.hear(pair.change(pair.pacs), late)
    assert takes_leave(pair)
