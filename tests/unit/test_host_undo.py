"""A host that nobody goes on with ends its change alone, in time and not before."""

from __future__ import annotations

import json
import os
from itertools import product
from pathlib import Path

import pytest

from orchestrator.host import aftercare, begin, decide, undo, units
from orchestrator.host.change import facts, load
from orchestrator.host.host import Host
from orchestrator.host.manifest import PHASES
from orchestrator.host.outcome import RefusedError
from orchestrator.host.phases import (
    ABSENT,
    COMMIT,
    FAILED,
    INTERRUPTED,
    RESTORE,
    RUNNING,
    SUCCEEDED,
    Facts,
    needs,
)
from orchestrator.host.prepare import prepare
from orchestrator.host.system import Ran
from orchestrator.host.undo import DECIDED, NEXT, due
from tests.fakes.linux_host import LinuxHost, install_product, manifest, stage

CHANGE = "hospital-a-1"
CHECKING = 1000.0
FORWARD = ("quiesce", "snapshot", "apply")
APPLIED = dict.fromkeys(FORWARD, SUCCEEDED)
RESTORED = {**APPLIED, "restore": SUCCEEDED}


@pytest.mark.parametrize(
    ("facts", "is_ours", "patience", "step"),
    [
        (Facts({"quiesce": SUCCEEDED}), False, NEXT, "propose"),
        (Facts({"quiesce": FAILED}), False, NEXT, "propose"),
        (Facts({**APPLIED, "apply": INTERRUPTED}), False, NEXT, "propose"),
        (Facts(APPLIED), False, CHECKING, "propose"),
        (Facts(APPLIED, COMMIT), False, DECIDED, "open"),
        (Facts(APPLIED, RESTORE), False, DECIDED, "restore"),
        (Facts(APPLIED, RESTORE), True, 0.0, "restore"),
        (Facts({**APPLIED, "restore": INTERRUPTED}, RESTORE), True, DECIDED, "restore"),
        (Facts(RESTORED, RESTORE), False, CHECKING, "open"),
        (Facts(RESTORED, RESTORE), True, 0.0, "open"),
        (Facts(APPLIED, COMMIT, reversal=True, finished="committed"), False, DECIDED, "restore"),
    ],
)
def test_it_acts_when_patience_is_over_and_not_before(
    facts: Facts, is_ours: bool, patience: float, step: str
) -> None:
    assert due(facts, quiet=patience, checking=CHECKING, is_ours=is_ours) == step
    if patience:
        assert due(facts, quiet=patience - 0.1, checking=CHECKING, is_ours=is_ours) is None


@pytest.mark.parametrize("is_ours", [True, False])
def test_it_lets_alone_what_runs_is_over_or_needs_hands(is_ours: bool) -> None:
    states = (ABSENT, RUNNING, SUCCEEDED, FAILED, INTERRUPTED)
    ends = [(None, False), (COMMIT, False), (RESTORE, False), (COMMIT, True)]
    acted = 0
    for phases in product(states, repeat=len(PHASES)):
        known = dict(zip(PHASES, phases, strict=True))
        for decision, reversal in ends:
            for one in (
                Facts(known, decision, reversal),
                Facts(known, decision, reversal, hands=True),
                Facts(known, decision, reversal, finished="cleared"),
            ):
                step = due(one, quiet=1e9, checking=CHECKING, is_ours=is_ours)
                acted += step is not None
                if needs(one) in ("nothing", "hands"):
                    assert step is None
                if step == "propose":
                    assert RUNNING not in known.values()
                    assert one.target is None
                if step in ("restore", "open"):
                    assert known[step] != RUNNING
    assert acted > 1000


class Alone(Exception):  # noqa: N818 - the test has seen enough
    """Nobody came for so long."""


class Machine(LinuxHost):
    """A host whose time a test may end."""

    until: float = float("inf")
    #: The clock is set so far when it shows so much.
    clock_jump: float = 0.0
    jumps_at: float = float("inf")

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.clock > self.until:
            raise Alone

    def now(self) -> float:
        """The time of day, which may be set; monotonic() may not."""
        now = super().now()
        return now + (self.clock_jump if now > self.jumps_at else 0.0)

    def monotonic(self) -> float:
        return super().now()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = Machine(tmp_path)
    install_product(made)
    stage(made)
    document = manifest()
    document["limits"]["checks"] = int(CHECKING)
    prepare(Host(made), json.dumps(document), at=1)
    return made


def forward(machine: Machine, *names: str) -> None:
    for name in names or FORWARD:
        assert phase(machine, name)["state"] == SUCCEEDED


def phase(machine: Machine, name: str) -> dict[str, object]:
    return begin.phase(Host(machine), CHANGE, name, at=1, wait=None)


def propose(machine: Machine, proposal: str) -> str:
    return str(
        decide.decide(
            Host(machine), CHANGE, at=1, propose=proposal, by="controller", because="a test"
        )["decision"]
    )


def watch(machine: Machine, *, seconds: float = 1e5) -> float:
    """Let the unit run alone; how long it took until the change was over."""
    began = machine.clock
    machine.until = began + seconds
    undo.run(Host(machine), CHANGE)
    return machine.clock - began


def assert_as_before(machine: Machine) -> None:
    assert machine.snapshot_of_truth() == machine.truth_before
    assert set(machine.running.values()) == {"1.0"}
    assert machine.table is None


def test_a_change_that_nobody_decides_is_put_back_and_opened(machine: Machine) -> None:
    forward(machine)
    took = watch(machine)
    assert CHECKING <= took < CHECKING + 60
    assert_as_before(machine)
    assert propose(machine, COMMIT) == RESTORE, "the first word stands"
    with pytest.raises(RefusedError, match="opened by itself"):
        aftercare.hands(Host(machine), CHANGE, at=1, because="an image is missing")


@pytest.mark.parametrize("last", ["quiesce", "snapshot"])
def test_a_change_that_nobody_goes_on_with_is_put_back(machine: Machine, last: str) -> None:
    forward(machine, *FORWARD[: FORWARD.index(last) + 1])
    assert NEXT <= watch(machine) < NEXT + 60
    assert_as_before(machine)


def test_a_commit_that_nobody_opens_is_opened(machine: Machine) -> None:
    forward(machine)
    propose(machine, COMMIT)
    assert DECIDED <= watch(machine) < DECIDED + 60
    assert set(machine.running.values()) == {"2.0"}
    assert machine.table is None


def test_a_restore_that_nobody_carries_out_is_and_its_controller_has_time_to_look(
    machine: Machine,
) -> None:
    forward(machine)
    propose(machine, RESTORE)
    took = watch(machine)
    assert DECIDED + CHECKING <= took < DECIDED + CHECKING + 60
    assert_as_before(machine)


def test_a_reversal_that_nobody_carries_out_is(machine: Machine) -> None:
    forward(machine)
    propose(machine, COMMIT)
    phase(machine, "open")
    machine.units.clear()
    decide.reverse(Host(machine), CHANGE, at=1, because="a test")
    assert units.look(machine, units.name(CHANGE, "undo")).alive
    watch(machine)
    assert_as_before(machine)


def test_what_needs_hands_stays_shut(machine: Machine) -> None:
    forward(machine)
    propose(machine, RESTORE)
    phase(machine, "restore")
    aftercare.hands(Host(machine), CHANGE, at=1, because="an image is missing")
    with pytest.raises(Alone):
        watch(machine, seconds=3 * CHECKING)
    assert machine.table is not None


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_is_set_changes_nothing(machine: Machine, jump: float) -> None:
    forward(machine)
    machine.clock_jump, machine.jumps_at = jump, machine.clock + CHECKING / 2
    assert CHECKING <= watch(machine) < CHECKING + 60


def test_a_host_without_a_timer_begins_nothing(machine: Machine) -> None:
    real = machine.run

    def refuse(argv: list[str], **given: object) -> Ran:
        if argv[0] == "systemd-run":
            return Ran(1, "", "Failed to connect to bus")
        return real(argv, **given)  # type: ignore[arg-type]

    machine.run = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(RefusedError, match=r"no undo timer: .* Failed to connect"):
        phase(machine, "quiesce")
    assert machine.table is None
    assert set(machine.running) == {"db.service", "pacs.service"}
    assert not (Host(machine).layout.change(CHANGE).phases / "quiesce.json").exists()


def test_what_is_being_opened_is_not_promised_to_stay_shut(machine: Machine) -> None:
    forward(machine)
    propose(machine, RESTORE)
    phase(machine, "restore")
    begin.phase(Host(machine), CHANGE, "open", at=1, wait=0)
    with pytest.raises(RefusedError, match="opened by itself"):
        aftercare.hands(Host(machine), CHANGE, at=1, because="an image is missing")


def test_what_changed_since_it_looked_is_looked_at_again(machine: Machine) -> None:
    forward(machine)
    propose(machine, RESTORE)
    phase(machine, "restore")
    change = load(Host(machine), CHANGE)
    seen = facts(change)
    aftercare.hands(Host(machine), CHANGE, at=1, because="an image is missing")
    said = begin.phase(Host(machine), CHANGE, "open", at=1, wait=None, seen=seen)
    assert said["state"] == ABSENT
    aftercare.clear(Host(machine), CHANGE, at=1, reason="mended")
    assert undo.propose(change, seen) == RESTORE
    assert machine.table is None


def test_a_cleared_change_is_not_decided_afterwards(machine: Machine) -> None:
    forward(machine, "quiesce")
    change = load(Host(machine), CHANGE)
    seen = facts(change)
    aftercare.clear(Host(machine), CHANGE, at=1, reason="mended")
    assert undo.propose(change, seen) is None
    assert change.decided() is None


def test_one_that_has_taken_its_leave_is_not_taken_for_one_that_watches(machine: Machine) -> None:
    forward(machine)
    propose(machine, COMMIT)
    phase(machine, "open")
    watch(machine)
    unit = units.name(CHANGE, "undo")
    assert machine.units[unit][0] == "active", "its process is still on its way out"
    decide.reverse(Host(machine), CHANGE, at=1, because="a test")
    assert load(Host(machine), CHANGE).paths.watched.exists()
