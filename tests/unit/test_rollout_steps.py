"""What a step makes of the ports' answers, in the cases that no hospital process shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal
from orchestrator.errors import PlanError, RestoreError
from orchestrator.rollout.model import Diagnosis, Event, PhaseReport, State
from orchestrator.rollout.phases import ENDS, was_opened_unwell
from orchestrator.rollout.ports import Superseded
from orchestrator.rollout.steps import Steps
from tests.crash.change_sets import change_set, plan
from tests.fakes.hospital import HospitalProcess
from tests.fakes.ports import FakeClock, FakeHosts, FakeVerifier

ONE = change_set().id


class Bench:
    """A hospital, a journal, and as many controllers as a test wants."""

    def __init__(self, directory: Path, **faults: str) -> None:
        self.hospital = HospitalProcess(directory, **faults)
        self.journal = SqlJournal(directory / "journal.sqlite")
        self.journal.admit(plan(), runner="test", at=FakeClock().now())

    def controller(self) -> Steps:
        """One more controller."""
        return Steps(
            hosts=FakeHosts(self.hospital.path),
            verifier=FakeVerifier(self.hospital.path),
            journal=self.journal,
            clock=FakeClock(),
            runner="test",
            patience=10,
        )

    def drive(self, steps: Steps, *, until: State | None = None) -> State:
        """Step until an end or ``until``."""
        state = self.journal.record(ONE).state
        while state not in ENDS and state is not until:
            state = steps.step(ONE)
        return state


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.hospital.close()
    made.journal.close()


def test_a_controller_that_was_taken_over_touches_nothing_more(bench: Bench) -> None:
    old, new = bench.controller(), bench.controller()
    bench.drive(old, until=State.APPLYING)
    bench.journal.redirect(
        ONE, State.REVERTING, because="taken over",
        epoch=new.epoch(bench.journal.record(ONE)), at=FakeClock().now(), runner="new",
    )  # fmt: skip
    assert bench.drive(new) is State.RESTORED
    before = bench.hospital.call("look")
    said = old.hosts.phase(change_set(), change_set().anchor, "apply", epoch=1)
    assert said.refused == "epoch"
    with pytest.raises(Superseded):
        old.journal.begin(ONE, State.APPLYING, epoch=1, at=FakeClock().now())
    after = bench.hospital.call("look")
    assert after["refused"] == before["refused"] + 1
    assert {**after, "refused": 0} == {**before, "refused": 0}


def test_an_abort_before_quiesce_leaves_the_hospital_untouched(bench: Bench) -> None:
    steps = bench.controller()
    bench.drive(steps, until=State.BASELINE)
    bench.journal.request_abort(ONE)
    assert bench.drive(steps) is State.NOT_STARTED
    assert bench.hospital.call("look")["done"] == {}


def test_an_abort_during_the_baseline_leaves_the_hospital_untouched(bench: Bench) -> None:
    steps = bench.controller()
    bench.drive(steps, until=State.QUIESCING)
    bench.journal.request_abort(ONE)
    assert bench.drive(steps) is State.NOT_STARTED
    assert bench.hospital.call("look")["done"] == {}


def test_an_abort_while_the_checks_run_is_heard_before_the_decision(bench: Bench) -> None:
    steps = bench.controller()
    bench.drive(steps, until=State.COMMITTING)
    bench.journal.request_abort(ONE)
    assert bench.drive(steps) is State.RESTORED
    assert bench.hospital.call("look")["decision"] == "restore"


def test_what_was_put_back_and_is_not_whole_stays_shut_on_the_host_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, apply="failed", restored="failed")
    try:
        assert bench.drive(bench.controller()) is State.NEEDS_HANDS
        assert bench.hospital.call("look")["hands"] is True
    finally:
        bench.hospital.close()
        bench.journal.close()


def test_whoever_needs_hands_is_told_so_whatever_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, apply="failed", restore="failed")
    try:
        assert bench.drive(bench.controller()) is State.NEEDS_HANDS
        assert bench.hospital.call("look")["hands"] is True
        assert bench.journal.record(ONE).entries[-1].evidence["untold"] == []
    finally:
        bench.hospital.close()
        bench.journal.close()


def test_an_older_change_is_not_put_back_under_a_younger_one(bench: Bench) -> None:
    assert bench.drive(bench.controller()) is State.COMMITTED
    younger = change_set("hospital-a-0002")
    bench.journal.admit(plan(younger), runner="other", at=FakeClock().now())
    at = FakeClock().now()
    with pytest.raises(PlanError, match=r"not the newest .*0002 \(staging\)"):
        bench.journal.take(ONE, State.REVERSING, because="x", at=at, runner="me")
    assert bench.journal.record(ONE).state is State.COMMITTED


def test_an_abort_after_apply_puts_the_hospital_back(bench: Bench) -> None:
    steps = bench.controller()
    bench.drive(steps, until=State.VERIFYING)
    bench.journal.request_abort(ONE)
    assert bench.drive(steps) is State.RESTORED
    assert bench.hospital.call("look")["release"] == "1"


def test_a_host_that_is_silent_for_a_while_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = bench.controller()
    bench.drive(steps, until=State.APPLYING)
    answers = [PhaseReport(state="unreachable")] * 3
    real = FakeHosts.phase

    def phase(self: FakeHosts, *args: object, **kwargs: object) -> PhaseReport:
        return answers.pop() if answers else real(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeHosts, "phase", phase)
    assert bench.drive(steps) is State.COMMITTED


def test_a_bug_of_ours_while_the_clinic_is_out_puts_the_hospital_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError("a bug")

    steps = bench.controller()
    bench.drive(steps, until=State.VERIFYING)
    with monkeypatch.context() as patch:
        patch.setattr(FakeVerifier, "check", broken)
        assert steps.step(ONE) is State.REVERTING
    assert bench.drive(steps) is State.RESTORED
    assert "KeyError" in bench.journal.record(ONE).cause


def test_a_committed_change_is_put_back_on_demand(bench: Bench) -> None:
    steps = bench.controller()
    assert bench.drive(steps) is State.COMMITTED
    record = bench.journal.record(ONE)
    bench.journal.redirect(
        ONE, State.REVERSING, because="the radiologists want it back",
        epoch=steps.epoch(record), at=FakeClock().now(), runner="test",
    )  # fmt: skip
    assert bench.drive(steps) is State.RESTORED
    assert bench.hospital.call("look")["release"] == "1"


def test_clear_is_refused_while_the_checks_fail_and_works_when_they_pass(tmp_path: Path) -> None:
    bench = Bench(tmp_path, apply="failed", restored="failed", applied="failed")
    try:
        steps = bench.controller()
        assert bench.drive(steps) is State.NEEDS_HANDS
        with pytest.raises(RestoreError, match="not well yet"):
            steps.clear(ONE, reason="mended")
        assert bench.journal.record(ONE).state is State.NEEDS_HANDS
        never = bench.journal.document(ONE, "applied/pacs-a")
        assert never is None, "what a refused clear saw stands as seen with the new release"
        bench.hospital.call("mend", fault="restored")
        assert steps.clear(ONE, reason="mended") is State.RESTORED
        with pytest.raises(PlanError, match="does not need hands"):
            steps.clear(ONE, reason="again")
    finally:
        bench.hospital.close()
        bench.journal.close()


def test_what_is_wrong_around_a_failure_is_told_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, apply="failed", around="the disk is full")
    try:
        assert bench.drive(bench.controller()) is State.RESTORED
        assert bench.journal.record(ONE).cause.endswith("; found there: the disk is full")
    finally:
        bench.hospital.close()
        bench.journal.close()


def test_a_look_for_the_cause_that_breaks_stops_no_restore(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Diagnosis:
        raise RuntimeError("no way")

    steps = bench.controller()
    bench.drive(steps, until=State.APPLYING)
    bench.hospital.call("break", fault="apply", how="failed")
    monkeypatch.setattr(FakeHosts, "diagnose", broken)
    assert bench.drive(steps) is State.RESTORED
    (failed,) = [e for e in bench.journal.record(ONE).entries if e.event is Event.FAILED]
    assert failed.evidence["not_looked_at"] == ["RuntimeError: no way"]
    assert "found there" not in failed.because


def test_what_is_slow_after_a_restore_needs_hands_behind_an_open_door(tmp_path: Path) -> None:
    bench = Bench(tmp_path, apply="failed", slow="restored")
    try:
        steps = bench.controller()
        assert bench.drive(steps) is State.NEEDS_HANDS
        seen, record = bench.hospital.call("look"), bench.journal.record(ONE)
        assert (seen["door"], seen["hands"]) == ("open", False)
        assert was_opened_unwell(record)
        assert "its door is open, but pacs-a: retrieve-time: slow" in record.entries[-1].because
        bench.hospital.call("mend", fault="slow")
        assert steps.clear(ONE, reason="mended") is State.RESTORED
    finally:
        bench.hospital.close()
        bench.journal.close()


def test_what_is_slow_with_the_new_release_is_put_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, slow="applied")
    try:
        assert bench.drive(bench.controller()) is State.RESTORED
    finally:
        bench.hospital.close()
        bench.journal.close()
