"""A hospital that goes from change to change, and is cut off in each: reset only when it must be.

After each it has to stand at one of the ends, with host and journal telling the same.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from orchestrator.lab import faults
from orchestrator.rollout.model import Record, State
from tests.lab.controlled import LONG, PROGRAM
from tests.lab.pacs import Pacs

#: What ``run --resume`` says of each end.
CODES = {State.COMMITTED: 0, State.RESTORED: 40, State.NOT_STARTED: 30}
#: How the host's own record ends, and its decision.
TOLD = {
    State.COMMITTED: ("committed", "commit"),
    State.RESTORED: ("restored", "restore"),
}


class Ward:
    """One hospital over many changes."""

    def __init__(self, pacs: Pacs) -> None:
        self.pacs = pacs
        self._is_armed = False

    def make_ready(self) -> None:
        """The old release serves; from nothing only if the last change did not end so."""
        if not self.pacs.is_as_found:
            self.pacs.reset()
        elif self._is_armed:
            faults.lift_all(self.pacs.run)
        self.pacs.is_as_found = self._is_armed = False

    def arm(self, fault: str) -> None:
        """The next release is broken."""
        self.pacs.break_(fault)
        self._is_armed = True

    def crash(self) -> None:
        """Pull the host's plug, and switch it on again."""
        self.pacs.demo.lab.crash(self.pacs.host)
        self.pacs.demo.lab.boot(self.pacs.host)
        self.pacs.demo.lab.wait_ssh(self.pacs.host)

    def resume(self, plan: str) -> Record | None:
        """Go on with what was cut off; how it ended, None when it never was taken in."""
        before = self.record_of(plan)
        if before is not None and before.state in CODES:
            return before
        resumed = self.pacs.wardship("run", plan, "--resume")
        after = self.record_of(plan)
        wanted = CODES.get(after.state) if after else CODES[State.NOT_STARTED]
        assert resumed.returncode == wanted, resumed.stdout + resumed.stderr
        return after

    def record_of(self, plan: str) -> Record | None:
        """The newest change set, if it is this plan's."""
        record = self.pacs.record()
        return record if record is not None and record.plan.startswith(plan) else None

    def assert_ended(self, record: Record | None) -> State:
        """At an end, serving its clinic, and host and journal tell the same; gives the end."""
        end = record.state if record is not None else State.NOT_STARTED
        assert end in CODES, record and record.cause
        assert self.pacs.release() == ("1.12.7" if end is State.COMMITTED else "1.10.1")
        assert self.pacs.is_open_to_modalities()
        known = self.pacs.demo.lab.run(self.pacs.host, ["test", "-x", PROGRAM], check=False)
        says = self.pacs.host_says() if known.is_ok else {"changes": []}
        if known.is_ok:
            assert (says["door"], says["hold"]) == ("open", False)
            assert {one["needs"] for one in says["changes"]} <= {"nothing"}
        if record is not None:
            this = [one for one in says["changes"] if one["change"] == record.change_set.id]
            if end in TOLD:
                (only,) = this
                assert (only["finished"]["end"], only["decision"]["decision"]) == TOLD[end]
            else:
                assert not any(one["phases"] or one["decision"] for one in this)
        self.pacs.is_as_found = end is not State.COMMITTED
        return end


def some(faults: Iterable[str], these: set[str]) -> list[object]:
    """All of them as parameters: these in ``make test``, the rest in the full run."""
    full = pytest.mark.full
    return [one if one in these else pytest.param(one, marks=full) for one in faults]


@contextmanager
def waited_for(controller: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A controller that never stays behind."""
    with controller:
        try:
            yield controller
        finally:
            controller.kill()


def lasted(pacs: Pacs, plan: str) -> float:
    """Run a plan that is not cut off; how long that took, in seconds."""
    began = time.monotonic()
    done = pacs.wardship("run", plan)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - began


def wait_end(controller: subprocess.Popen[str]) -> str:
    """Wait until a controller has ended by itself; what it said."""
    output, _ = controller.communicate(timeout=2 * LONG)
    return output
