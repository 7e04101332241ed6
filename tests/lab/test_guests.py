"""Who is connected when the door closes: ended on both sides, and the archive stops at once."""

from __future__ import annotations

import subprocess
import sys

from orchestrator.lab.model import MODALITY, MODALITY_NAME
from orchestrator.rollout.model import State
from tests.lab.pacs import HOSTS, Pacs, wait_for

CONNECT = """
import socket, sys
with socket.create_connection((sys.argv[1], 4242), 5) as peer:
    peer.settimeout(200)
    print("connected", flush=True)
    try:
        print("closed" if peer.recv(1) == b"" else "answered", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def test_a_modality_that_stays_connected_is_ended_and_told(pacs: Pacs) -> None:
    address = next(str(spec.address) for spec in HOSTS if spec.name == pacs.host)
    argv = [*pacs.demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-c", CONNECT, address]
    plan = pacs.plan()
    with pacs.start("run", plan) as run:
        wait_for("the baseline", lambda: pacs.reached(State.BASELINE, None))
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as modality:
            assert modality.stdout is not None
            assert modality.stdout.readline() == "connected\n", "the door was shut too early"
            assert modality.stdout.readline() == "ConnectionResetError\n"
        said, _ = run.communicate(timeout=200)
    assert run.returncode == 0, said
    log = pacs.run(["sh", "-c", "cat /var/lib/wardship/changes/*/phases/quiesce.log"]).decode()
    assert f"ended for {MODALITY}:" in log
    pacs.assert_committed()
