"""A controller that hangs inside apply, another that takes its facility over, and the waking."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from orchestrator.rollout.model import State
from tests.lab.controlled import PROGRAM, wait_for
from tests.lab.pacs import Pacs


def test_a_woken_controller_is_refused_and_the_host_does_not_change_any_more(
    pacs: Pacs, tmp_path: Path
) -> None:
    plan = pacs.plan()
    with pacs.sending(tmp_path), pacs.start("run", plan) as hanging:
        wait_for("apply on the host", lambda: pacs.has_begun("apply"))
        os.killpg(hanging.pid, signal.SIGSTOP)
        change = pacs.the_record().change_set.id
        assert pacs.the_record().state is State.APPLYING

        refused = pacs.wardship("restore", change)
        assert refused.returncode == 30, refused.stdout + refused.stderr
        assert "--takeover" in refused.stderr

        taken = pacs.wardship("restore", change, "--takeover", "--reason", "it hangs")
        assert taken.returncode == 0, taken.stdout + taken.stderr
        assert pacs.the_record().state is State.RESTORED
        pacs.assert_as_before()
        before = truth(pacs)

        os.killpg(hanging.pid, signal.SIGCONT)
        output, _ = hanging.communicate(timeout=120)
        assert "taken over, this controller was refused" in output, output
        assert "epoch" in output
        assert truth(pacs) == before
    entries = pacs.the_record().entries
    woken = [one for one in entries if one.epoch < entries[-1].epoch]
    assert woken
    assert max(one.seq for one in woken) < min(
        one.seq for one in entries if one.epoch == entries[-1].epoch
    ), "the woken controller wrote into the journal"


@pytest.mark.full
def test_the_host_itself_refuses_an_old_epoch(pacs: Pacs) -> None:
    assert pacs.wardship("run", pacs.plan()).returncode == 0
    change = pacs.the_record().change_set.id
    pacs.run([PROGRAM, "take", "--epoch", "50"])
    before = truth(pacs)
    for verb in (
        ["phase", "restore", "--change", change],
        ["decide", "--change", change, "--propose", "restore", "--by", "x", "--because", "x"],
        ["reverse", "--change", change, "--because", "x"],
    ):
        done = pacs.demo.lab.run(pacs.host, [PROGRAM, *verb, "--epoch", "49"], check=False)
        assert done.returncode == 3, done
        assert json.loads(done.output)["refused"] == "epoch"
    assert truth(pacs) == before


def truth(pacs: Pacs) -> dict[str, object]:
    """All that a woken controller could change on the host."""
    says = pacs.host_says()
    return {
        "release": pacs.run(["readlink", "/opt/orthanc/current"]),
        "configuration": pacs.run(
            ["sh", "-c", "find /etc/orthanc -type f | sort | xargs sha256sum"]
        ),
        "units": pacs.run(
            ["systemctl", "show", "-p", "InvocationID", "orthanc", "postgresql@15-main"]
        ),
        "snapshots": pacs.run(["sh", "-c", "find /data -maxdepth 3 -inum 256 | sort"]),
        "host": {key: says[key] for key in ("epoch", "door", "hold", "changes")},
    }
