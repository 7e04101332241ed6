"""SIGKILL of the controller before, in and after apply, verify, decide and restore, on a real host.

The controller is a real child process. After it is killed the same plan is resumed: only one of the
four ends, nothing mutating done twice, and a modality that sends all the while lost nothing.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.rollout.model import Event, State
from tests.lab.controlled import wait_for
from tests.lab.pacs import Pacs

Moment = Callable[[Pacs], bool]


def after(state: State, event: Event = Event.DONE) -> Moment:
    """The journal has this outcome, and the next step may have begun."""
    return lambda pacs: pacs.reached(state, event)


def within(state: State) -> Moment:
    """The journal says that this step began."""
    return lambda pacs: pacs.reached(state, None)


def on_host(phase: str) -> Moment:
    """The host says that the phase runs, or is through."""
    return lambda pacs: pacs.has_begun(phase)


#: What is broken, the moment of the kill, and how it must end.
KILLS: dict[str, tuple[str | None, Moment, State]] = {
    "before apply": (None, after(State.SNAPSHOTTING), State.COMMITTED),
    "in apply": (None, on_host("apply"), State.COMMITTED),
    "after apply, before verify": (None, after(State.APPLYING), State.COMMITTED),
    "in verify": (None, within(State.VERIFYING), State.COMMITTED),
    "after verify, before the decision": (None, after(State.VERIFYING), State.COMMITTED),
    "in the decision": (None, within(State.COMMITTING), State.COMMITTED),
    "after the decision": (None, after(State.COMMITTING), State.COMMITTED),
    "before restore": ("wrong-ae", after(State.REVERTING), State.RESTORED),
    "in restore": ("wrong-ae", on_host("restore"), State.RESTORED),
    "after restore": ("wrong-ae", after(State.RESTORING), State.RESTORED),
}
#: With every change of the code; the others in the full set.
OFTEN = {"in apply", "in restore"}


@pytest.mark.parametrize(
    "kill",
    [one if one in OFTEN else pytest.param(one, marks=pytest.mark.full) for one in KILLS],
)
def test_a_killed_controller_is_resumed_to_the_same_end(
    kill: str, pacs: Pacs, tmp_path: Path
) -> None:
    fault, moment, end = KILLS[kill]
    plan = pacs.plan()
    if fault:
        pacs.break_(fault)
    with pacs.sending(tmp_path):
        with pacs.start("run", plan) as controller:
            wait_for(kill, lambda: moment(pacs) or controller.poll() is not None)
            assert controller.poll() is None, controller.stdout and controller.stdout.read()
            controller.send_signal(signal.SIGKILL)
            assert controller.wait(30) == -signal.SIGKILL
            if kill in {"in apply", "in restore"}:
                file = pacs.phase_file(kill.removeprefix("in "))
                assert file is not None
                assert '"succeeded"' not in file.read_text(), "killed after the phase"
        assert pacs.the_record().state not in {State.COMMITTED, State.RESTORED}, "killed too late"
        resumed = pacs.wardship("run", plan, "--resume")
        assert resumed.returncode == (0 if end is State.COMMITTED else 40), resumed.stderr
    assert pacs.the_record().state is end, pacs.the_record().cause
    if end is State.COMMITTED:
        pacs.assert_committed()
    else:
        pacs.assert_as_before()
    assert_once(pacs)


def assert_once(pacs: Pacs) -> None:
    """The host's own journal has one start of each phase's unit that may start once."""
    change = pacs.the_record().change_set.id
    for phase in ("quiesce", "snapshot", "apply"):
        unit = f"wardship-{change}-{phase}.service"
        lines = pacs.run(["journalctl", "-o", "json", "--no-pager", "-u", unit]).splitlines()
        began = [line for line in lines if json.loads(line).get("JOB_TYPE") == "start"]
        begun = [line for line in began if "Starting" in json.loads(line)["MESSAGE"]]
        assert len(begun) <= 1, f"{phase} was started {len(begun)} times"


def test_a_second_run_on_a_held_facility_is_refused_and_names_the_holder(pacs: Pacs) -> None:
    plan = pacs.plan()
    with pacs.start("run", plan) as first:
        wait_for("the change to be under way", lambda: pacs.record() is not None)
        pacs.settings(release="1.13.0")
        other = pacs.wardship("plan", "--json")
        digest = json.loads(other.stdout)["digest"][:12]
        second = pacs.wardship("run", digest)
        assert second.returncode == 30, second.stdout + second.stderr
        change = pacs.the_record().change_set.id
        assert f"{pacs.facility} is held by change set {change}" in second.stderr
        assert f"process {first.pid}/" in second.stderr or "run by process" in second.stderr
        assert first.wait(240) == 0, first.stdout and first.stdout.read()
    pacs.assert_committed()


@pytest.mark.full
def test_a_run_under_way_is_not_resumed_by_another(pacs: Pacs) -> None:
    plan = pacs.plan()
    with pacs.start("run", plan) as first:
        wait_for("the change to be under way", lambda: pacs.record() is not None)
        second = pacs.wardship("run", plan, "--resume")
        assert second.returncode == 30, second.stdout + second.stderr
        assert "is run by process" in second.stderr
        assert first.wait(240) == 0, first.stdout and first.stdout.read()


def test_an_abort_while_the_clinic_is_out_puts_the_hospital_back(
    pacs: Pacs, tmp_path: Path
) -> None:
    with pacs.sending(tmp_path), pacs.start("run", pacs.plan()) as controller:
        wait_for("quiesce", lambda: pacs.reached(State.QUIESCING, None))
        asked = pacs.wardship("abort", pacs.the_record().change_set.id)
        assert asked.returncode == 0, asked.stderr
        assert "it is to end restored" in asked.stdout
        assert controller.wait(240) == 40, controller.stdout and controller.stdout.read()
    assert pacs.the_record().state is State.RESTORED
    pacs.assert_as_before()
