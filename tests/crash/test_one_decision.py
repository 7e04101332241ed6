"""Controller and undo timer propose at the same moment, a thousand times: one decision, always."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from orchestrator.host import begin, decide, undo
from orchestrator.host.change import facts, load
from orchestrator.host.host import Host
from orchestrator.host.prepare import prepare
from tests.fakes.linux_host import LinuxHost, install_product, manifest, stage

CHANGE = "hospital-a-1"
ROUNDS = 1000


class InRealTime(LinuxHost):
    """Two processes wait for one another in real time, though not for long."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 50)


def by_controller(host: Host) -> str:
    about = {"propose": "commit", "by": "controller", "because": "every check passed"}
    return str(decide.decide(host, CHANGE, at=1, **about)["decision"])


def by_timer(host: Host) -> str:
    change = load(host, CHANGE)
    return str(undo.propose(change, replace(facts(change), decision=None)))


def propose(root: Path, ask: Callable[[Host], str], start: Barrier, out: Connection) -> None:
    """A process of its own: proposes once a round, as soon as both are ready."""
    host = Host(InRealTime(root))
    for _ in range(ROUNDS):
        start.wait(30)
        out.send(ask(host))


def test_whoever_is_first_decides_and_both_hear_the_same(tmp_path: Path) -> None:
    machine = LinuxHost(tmp_path)
    install_product(machine)
    stage(machine)
    host = Host(machine)
    prepare(host, json.dumps(manifest()), at=1)
    for name in ("quiesce", "snapshot", "apply"):
        assert begin.phase(host, CHANGE, name, at=1, wait=None)["state"] == "succeeded"
    forking = multiprocessing.get_context("fork")
    start = forking.Barrier(3)
    ends = []
    for ask in (by_controller, by_timer):
        end, theirs = forking.Pipe()
        given = (tmp_path, ask, start, theirs)
        forking.Process(target=propose, args=given, daemon=True).start()
        ends.append(end)
    decision = host.layout.change(CHANGE).decision
    stood: Counter[str] = Counter()
    for _ in range(ROUNDS):
        decision.unlink(missing_ok=True)
        start.wait(30)
        heard = set()
        for end in ends:
            assert end.poll(30), "a proposer gave no answer"
            heard.add(end.recv())
        assert heard == {json.loads(decision.read_text())["decision"]}
        stood.update(heard)
    assert set(stood) == {"commit", "restore"}, f"one was always first: {stood}"
