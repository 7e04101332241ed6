"""A hospital in a process of its own: it outlives the controller and counts what was done to it.

Keeps the host program's rules: an epoch that only rises, phases that start once and in order, one
decision that stands, a restore that may be run again. The product is a release and a set of images.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import socketserver
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ORDER = {"quiesce": None, "snapshot": "quiesce", "apply": "snapshot"}


@dataclass
class FakeHospital:
    """The hosts' state. ``faults``: what goes wrong, e.g. ``{"apply": "failed"}``."""

    release: str = "1"
    images: list[str] = field(default_factory=lambda: ["a", "b"])
    faults: dict[str, str] = field(default_factory=dict)
    epoch: int = 0
    door: str = "open"
    running: bool = True
    decision: str | None = None
    reversal: bool = False
    hands: bool = False
    snapshot: tuple[str, list[str]] | None = None
    phases: dict[str, str] = field(default_factory=dict)
    #: How often each thing was really done.
    done: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    def call(self, verb: str, **args: Any) -> Any:
        """One call of the controller."""
        if "epoch" in args and args["epoch"] < self.epoch:
            self.refused += 1
            return {"refused": "epoch", "because": f"epoch {self.epoch} > {args['epoch']}"}
        self.epoch = max(self.epoch, args.get("epoch", 0))
        return getattr(self, f"on_{verb}")(**args)

    def on_stage(self, **_: Any) -> Any:
        """Lay down."""
        return {"problems": [self.faults["stage"]] if "stage" in self.faults else []}

    def on_preflight(self) -> Any:
        """Gates."""
        return {"refusals": [self.faults["preflight"]] if "preflight" in self.faults else []}

    def on_phase(self, phase: str, **_: Any) -> Any:
        """Start once; restore may start again."""
        if self.phases.get(phase) == "succeeded":
            return {"state": "succeeded"}
        if phase in ORDER:
            if self.decision is not None:
                return {"state": "refused", "refused": "decided", "because": "decided"}
            if phase in self.phases:
                return {"state": self.phases[phase], "because": "second entry"}
            before = ORDER[phase]
            if before is not None and self.phases.get(before) != "succeeded":
                return {"state": "refused", "refused": "order", "because": f"{before} has not run"}
        self.done[phase] = self.done.get(phase, 0) + 1
        state = self.faults.get(phase, "succeeded")
        self.phases[phase] = state
        if state == "succeeded":
            getattr(self, f"_{phase}")()
        return {"state": state, "because": "a fault" if state != "succeeded" else ""}

    def _quiesce(self) -> None:
        self.door, self.running = "shut", False

    def _snapshot(self) -> None:
        assert self.door == "shut"
        assert not self.running
        self.snapshot = (self.release, list(self.images))

    def _apply(self) -> None:
        assert self.snapshot is not None
        self.release, self.running = "2", True
        if self.faults.get("checks"):
            self.images = []

    def _restore(self) -> None:
        assert self.decision == "restore" or self.reversal
        self.door = "shut"
        if self.snapshot is not None:
            self.release, self.images = self.snapshot[0], list(self.snapshot[1])
        self.running = True

    def _open(self) -> None:
        assert self.running
        going_back = self.decision == "restore" or self.reversal
        assert self.phases.get("restore" if going_back else "apply") == "succeeded"
        self.door = "open"

    def on_decide(self, proposal: str, because: str, **_: Any) -> Any:
        """The first proposal stands; nothing is committed that was not applied."""
        if self.decision is None:
            if proposal == "commit" and self.phases.get("apply") != "succeeded":
                return {"decision": None, "refused": "order", "because": "apply has not run"}
            self.done["decide"] = self.done.get("decide", 0) + 1
            self.decision = proposal
        return {"decision": self.decision, "by": "controller", "because": because}

    def on_reverse(self, **_: Any) -> Any:
        """A committed change is to be put back; the same when said again."""
        if self.decision != "commit":
            return {"state": "refused", "refused": "order", "because": "not committed"}
        if not self.reversal:
            self.reversal = True
            self.done["reverse"] = self.done.get("reverse", 0) + 1
            for phase in ("restore", "open"):
                self.phases.pop(phase, None)
        return {"state": "succeeded"}

    def on_hands(self, **_: Any) -> Any:
        """A person is needed."""
        if self.door == "open":
            return {"refused": "order", "because": "this host has opened by itself"}
        self.hands = True
        return {}

    def on_clear(self, **_: Any) -> Any:
        """A person took over."""
        self.hands, self.door = False, "open"
        return {}

    def on_diagnose(self) -> Any:
        """What is wrong there."""
        return {"found": [self.faults["around"]] if "around" in self.faults else []}

    def on_census(self) -> Any:
        """What quiesce counted."""
        return {"census": json.dumps(self.images) if "quiesce" in self.phases else None}

    def on_parked(self) -> Any:
        """What the spool says."""
        return {"parking": True, "parked": {"object": 2}, "stored": {"object": 2}, "waiting": 0}

    def on_check(self, moment: str) -> Any:
        """What a verifier sees: images as they were, and a product that runs."""
        slow = self.faults.get("slow") == moment
        if moment in self.faults:
            return {"status": self.faults[moment], "slow": slow}
        seen = self.running and sorted(self.images) == ["a", "b"]
        return {"status": "passed" if seen else "failed", "slow": slow}

    def on_look(self) -> Any:
        """Everything, for the test."""
        return asdict(self)

    def on_break(self, fault: str, how: str) -> Any:
        """The test makes something go wrong."""
        self.faults[fault] = how
        return {}

    def on_mend(self, fault: str) -> Any:
        """The test lifts a fault."""
        self.faults.pop(fault, None)
        return {}


class HospitalProcess:
    """A ``FakeHospital`` behind a socket, in a process of its own."""

    def __init__(self, directory: Path, **faults: str) -> None:
        self.path = directory / "hospital.sock"
        self.path.unlink(missing_ok=True)
        ready, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            _serve(self.path, FakeHospital(faults=dict(faults)), tell)
        os.close(tell)
        assert os.read(ready, 1) == b"."
        os.close(ready)

    def call(self, verb: str, **args: Any) -> Any:
        """Ask the hospital."""
        return call(self.path, verb, **args)

    def close(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def call(path: Path, verb: str, **args: Any) -> Any:
    """One call over the socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(json.dumps({"verb": verb, **args}).encode() + b"\n")
        return json.loads(client.makefile().readline())


def _serve(path: Path, hospital: FakeHospital, tell: int) -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked = json.loads(self.rfile.readline())
            answer = hospital.call(asked.pop("verb"), **asked)
            with contextlib.suppress(BrokenPipeError):  # the controller died while it waited
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    try:
        with socketserver.UnixStreamServer(str(path), Handler) as server:
            os.write(tell, b".")
            server.serve_forever()
    finally:
        os._exit(1)
