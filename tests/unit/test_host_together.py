"""Hosts that change together: one decides, the others ask it, and nobody goes another way."""

from __future__ import annotations

import json

import pytest

from orchestrator.host import anchor, begin, decide, member, undo, units, word
from orchestrator.host.diagnose import diagnose
from orchestrator.host.host import Host
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.phases import COMMIT, RESTORE, SUCCEEDED
from orchestrator.host.status import status
from tests.fakes.pair import (
    CHANGE,
    CHECKING,
    KEY,
    PORT,
    Alone,
    Pair,
    cut,
    is_as_before,
    is_new_and_open,
    phase,
)


def test_what_the_anchor_decided_counts_on_both(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    assert is_new_and_open(pair.pacs)
    assert is_new_and_open(pair.ris)
    ours = pair.change(pair.ris).decided()
    assert ours is not None
    assert (ours["decision"], ours["by"]) == (COMMIT, "controller")


def test_a_member_decides_nothing(pair: Pair) -> None:
    pair.forward()
    with pytest.raises(RefusedError, match="another host of this set keeps the decision"):
        decide.decide(Host(pair.ris), CHANGE, at=1, propose=RESTORE, by="x", because="y")


def test_a_member_that_does_not_hear_its_anchor_begins_nothing(pair: Pair) -> None:
    phase(pair.pacs, "quiesce")
    with cut(pair):
        assert begin.ready(Host(pair.ris), CHANGE) == {
            "problems": [],
            "silence": "10.77.0.11:7710 does not answer: timed out",
        }
        with pytest.raises(RefusedError, match=r"anchor: pacs-a, which decides .* timed out"):
            phase(pair.ris, "quiesce")
    assert pair.ris.table is None
    assert set(pair.ris.running.values()) == {"1.0"}
    assert begin.ready(Host(pair.ris), CHANGE)["silence"] == ""


@pytest.mark.parametrize("decision", [COMMIT, RESTORE])
def test_without_an_answer_a_member_stays_closed_and_says_so(pair: Pair, decision: str) -> None:
    pair.forward()
    pair.decide(decision)
    with cut(pair):
        with pytest.raises(RefusedError, match="which decides for this host"):
            phase(pair.ris, "open" if decision == COMMIT else "restore")
        with pytest.raises(Alone):
            pair.watch(pair.ris, seconds=200)
        assert pair.ris.table is not None
        (told,) = status(Host(pair.ris))["changes"]
        assert "pacs-a, which decides for this host, is not heard since" in told["waits"]
        assert told["waits"] in diagnose(Host(pair.ris), CHANGE)["found"]
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_new_and_open(pair.ris) if decision == COMMIT else is_as_before(pair.ris)
    (told,) = status(Host(pair.ris))["changes"]
    assert told["waits"] == ""


def test_the_controller_hands_on_what_the_anchor_said(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    with cut(pair):
        said = anchor.said(pair.change(pair.pacs))
        member.heed(Host(pair.ris), CHANGE, at=1, said=said)
        assert phase(pair.ris, "open")["state"] == SUCCEEDED
    assert is_new_and_open(pair.ris)


def test_only_the_anchors_own_word_is_handed_on(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    stands = anchor.standing(pair.change(pair.pacs))
    forged = [
        word.sign("00" * 32, word.WORD, stands),
        word.sign(KEY, word.ANCHOR, stands),
        word.sign(KEY, word.WORD, {**stands, "change": "hospital-a-2"}),
        json.dumps({"text": json.dumps(stands)}),
        "commit",
    ]
    for said in forged:
        with pytest.raises(FailedError):
            member.heed(Host(pair.ris), CHANGE, at=1, said=said)
    assert pair.change(pair.ris).decided() is None


def test_nobody_comes_and_both_go_back(pair: Pair) -> None:
    pair.forward()
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def test_the_anchor_waits_while_a_phase_runs_elsewhere(pair: Pair) -> None:
    pair.forward("quiesce", "snapshot")
    phase(pair.pacs, "apply")
    pair.ris.hanging.add(units.name(CHANGE, "apply"))
    begin.phase(Host(pair.ris), CHANGE, "apply", at=1, wait=0)
    real = pair.pacs.sleep

    def both(seconds: float) -> None:
        member.listen(pair.change(pair.ris))
        real(seconds)

    pair.pacs.sleep = both  # type: ignore[method-assign]
    with pytest.raises(Alone):
        pair.watch(pair.pacs, seconds=5 * CHECKING)
    assert pair.change(pair.pacs).decided() is None
    pair.ris.hanging.clear()
    pair.ris.sleep(1)
    pair.watch(pair.pacs, seconds=5 * CHECKING)
    assert is_as_before(pair.pacs)


def test_a_member_that_went_down_has_the_set_put_back(pair: Pair) -> None:
    pair.forward()
    pair.ris.cut_and_boot()
    assert pair.ris.table is not None
    assert pair.change(pair.ris).decided() is None
    with cut(pair), pytest.raises(Alone):
        pair.watch(pair.ris, seconds=200)
    assert not pair.ris.running, "it started without a decision"
    member.listen(pair.change(pair.ris))
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)
    assert is_as_before(pair.pacs)
    standing = pair.change(pair.pacs).decided()
    assert standing is not None
    assert standing["because"] == "ris-a: the host went down before the change was decided"


def test_an_anchor_that_went_down_goes_back_and_so_does_its_member(pair: Pair) -> None:
    pair.forward()
    pair.pacs.cut_and_boot()
    assert is_as_before(pair.pacs)
    unit = units.name("anchor", str(PORT))
    assert pair.pacs.units[unit][0] == "active", "nobody answers the members after the boot"
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)


def test_a_member_that_went_down_after_the_commit_keeps_to_it(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    pair.ris.cut_and_boot()
    pair.watch(pair.ris)
    assert is_new_and_open(pair.ris)


def test_a_reversal_counts_once_the_anchor_has_it(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    assert decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")["reversal"] is None
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=200)
    assert is_new_and_open(pair.ris), "the anchor has not gone back"
    with pytest.raises(RefusedError, match="restore needs the decision restore, or a reversal"):
        phase(pair.ris, "restore")
    decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.forward("restore", "open")
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def test_a_reversal_is_heard_soon_though_the_anchor_was_silent_before(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.is_cut = True
    real, naps = pair.ris.sleep, list[float]()

    def nap(seconds: float) -> None:
        naps.append(seconds)
        real(seconds)

    pair.ris.sleep = nap  # type: ignore[method-assign]
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=60)
    assert max(naps) == undo.POLL


def test_a_reversal_that_nobody_carries_out_is_on_both(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def test_a_member_is_not_opened_before_its_anchor_is_back(pair: Pair) -> None:
    pair.forward()
    pair.decide(RESTORE)
    assert phase(pair.ris, "restore")["state"] == SUCCEEDED
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=10 * CHECKING)
    assert pair.ris.table is not None
    assert phase(pair.pacs, "restore")["state"] == SUCCEEDED
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)


def test_a_decision_stands_though_it_cannot_be_signed(pair: Pair) -> None:
    pair.forward()
    pair.change(pair.pacs).paths.key.unlink()
    pair.decide(COMMIT)
    assert anchor.said(pair.change(pair.pacs)) == ""


def test_what_would_stop_a_member_is_asked_before_anything_is_felt(pair: Pair) -> None:
    hold = pair.ris.at("/etc/wardship/hold")
    hold.parent.mkdir(parents=True)
    hold.write_text("the radiologist is on call")
    (problem,) = begin.ready(Host(pair.ris), CHANGE)["problems"]
    assert "the radiologist is on call" in problem
