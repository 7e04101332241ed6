"""Two hosts in directories that change together, and a line between them that may be cut."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from orchestrator.host import anchor, begin, decide, undo, word
from orchestrator.host.change import Change, load
from orchestrator.host.host import Host
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.phases import SUCCEEDED
from orchestrator.host.prepare import prepare
from tests.fakes.linux_host import LinuxHost, PowerCut, install_product, manifest, stage

CHANGE = "hospital-a-1"
CHECKING = 60.0
FORWARD = ("quiesce", "snapshot", "apply")
KEY = "5a" * 32
PORT = 7710


class Alone(Exception):  # noqa: N818 - the test has seen enough
    """Nothing more happens in so long."""


class Machine(LinuxHost):
    """One host of the two; a test may end its time."""

    until: float = float("inf")

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.clock > self.until:
            raise Alone


class Pair:
    """A PACS, which decides, and a RIS; between them a line that may be cut."""

    def __init__(self, root: Path) -> None:
        self.is_cut = False
        self.pacs, self.ris = Machine(root / "pacs"), Machine(root / "ris")
        for machine, name in ((self.pacs, "pacs-a"), (self.ris, "ris-a")):
            machine.root.mkdir()
            install_product(machine)
            stage(machine)
            prepare(Host(machine), json.dumps(document(name)), at=1)

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        """The line to the anchor."""
        if self.is_cut and address[0] != "127.0.0.1":
            raise TimeoutError
        near, far = socket.socketpair()
        Thread(target=self.answer, args=(far,), daemon=True).start()
        return near

    def answer(self, far: socket.socket) -> None:
        """As the unit does: key and records are looked up for each question."""
        with far, suppress(FailedError, RefusedError, OSError, PowerCut):
            word.answer(
                far,
                lambda change: word.key_at(load(Host(self.pacs), change).paths.key),
                lambda told: anchor.hear(load(Host(self.pacs), str(told["change"])), told),
            )

    def change(self, machine: Machine) -> Change:
        return load(Host(machine), CHANGE)

    def forward(self, *names: str) -> None:
        """Each phase on both, the PACS first."""
        for name in names or FORWARD:
            for machine in (self.pacs, self.ris):
                assert phase(machine, name)["state"] == SUCCEEDED

    def decide(self, proposal: str) -> dict[str, Any]:
        return decide.decide(
            Host(self.pacs), CHANGE, at=1, propose=proposal, by="controller", because="a test"
        )

    def watch(self, machine: Machine, *, seconds: float = 2000) -> None:
        """Its timer runs alone until the change is over there."""
        machine.until = machine.clock + seconds
        try:
            undo.run(Host(machine), CHANGE)
        finally:
            machine.until = float("inf")


def document(host: str) -> dict[str, Any]:
    made = manifest()
    made["limits"]["checks"] = int(CHECKING)
    together = {"anchor": "pacs-a", "address": "10.77.0.11", "port": PORT}
    hosts = ["pacs-a", "ris-a"]
    return {**made, "host": host, "together": {**together, "hosts": hosts}, "key": KEY}


def phase(machine: Machine, name: str) -> dict[str, Any]:
    return begin.phase(Host(machine), CHANGE, name, at=1, wait=None)


def is_as_before(machine: Machine) -> bool:
    as_it_was = machine.snapshot_of_truth() == machine.truth_before
    return as_it_was and set(machine.running.values()) == {"1.0"} and machine.table is None


def is_new_and_open(machine: Machine) -> bool:
    return set(machine.running.values()) == {"2.0"} and machine.table is None


@contextmanager
def cut(pair: Pair) -> Iterator[None]:
    """The line between them is cut."""
    pair.is_cut = True
    yield
    pair.is_cut = False
