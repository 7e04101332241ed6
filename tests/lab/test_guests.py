"""Who is connected when the door closes: ended on both sides, and the archive stops at once."""

from __future__ import annotations

import os
import subprocess
import sys

from orchestrator.lab.model import MODALITY, MODALITY_NAME
from orchestrator.rollout.model import State
from tests.lab.controlled import CHECKOUT, wait_for
from tests.lab.pacs import Pacs

#: A modality that keeps one association and goes on with it until it is ended.
STAYS = """
import sys, time
from orchestrator.errors import WardshipError
from orchestrator.lab import modality
from orchestrator.wire.dicom import DicomClient
with DicomClient(modality.archive(modality.arguments().parse_args(sys.argv[1:]))) as client:
    try:
        client.echo()
        print("associated", flush=True)
        while True:
            client.echo()
            time.sleep(0.2)
    except WardshipError:
        print("ended", flush=True)
"""


def test_a_modality_that_stays_connected_is_ended_and_told(pacs: Pacs) -> None:
    argv = [*pacs.demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-c", STAYS]
    argv += [*pacs.demo.modality_argv(pacs.host), "--manifest", os.devnull]
    plan = pacs.plan()
    with pacs.start("run", plan) as run:
        wait_for("the baseline", lambda: pacs.reached(State.BASELINE, None))
        with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as modality:
            told, _ = modality.communicate(timeout=100)
            assert told.splitlines() == ["associated", "ended"]
        said, _ = run.communicate(timeout=200)
    assert run.returncode == 0, said
    log = pacs.run(["sh", "-c", "cat /var/lib/wardship/changes/*/phases/quiesce.log"]).decode()
    assert f"ended for {MODALITY}:" in log
    pacs.assert_committed()
