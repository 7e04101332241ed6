"""The line is cut, or the controller gone, while the clinic is out: the host serves it alone.

The controller that comes back tells the same story.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import yaml

from orchestrator.lab.demo import ADDRESSES
from orchestrator.lab.hospital import Lab
from orchestrator.rollout.model import State
from tests.lab.controlled import CHECKOUT, wait_for
from tests.lab.pacs import HOSTS, Pacs
from tests.lab.test_real_boundaries import stopped

S = State
#: How long checks may take in these changes, and what a host needs besides until it serves again.
CHECKS, BACK = 60, 60
TUNNEL_PORT = 11199
#: A tunnel as the verifier makes it, until its input ends; tells its shared connection.
TUNNEL = f"""
import subprocess, sys
from pathlib import Path
from orchestrator.adapters.ssh import HostProgram
config, host = sys.argv[1:]
with HostProgram(Path(config)).forward(host, local=[4242], remote=[{TUNNEL_PORT}]):
    asked = ["ssh", "-F", config, "-O", "check", host]
    print(subprocess.run(asked, capture_output=True, text=True).stderr.strip(), flush=True)
    sys.stdin.read()
"""
BY_ITSELF = "went back by itself"
HAD_BEGUN = "had begun to go back by itself"


@pytest.fixture
def impatient(pacs: Pacs) -> Iterator[Pacs]:
    """The hospital as found; its hosts wait for checks no longer than a test can."""
    file = pacs.fleet / "fleet.yml"
    before = file.read_text()
    declared = yaml.safe_load(before)
    declared["verify"]["limit_seconds"] = CHECKS
    file.write_text(yaml.safe_dump(declared))
    yield pacs
    file.write_text(before)


@contextmanager
def cut_line(lab: Lab, host: str) -> Iterator[None]:
    """Nothing passes between controller and host, without a word; modalities are not concerned."""
    address = next(str(spec.address) for spec in HOSTS if spec.name == host)
    rules = f"add chain inet cut out {{ type filter hook output priority 0; }}; \
        add rule inet cut out ip daddr {address} drop"
    lab.exec(["nft", f"add table inet cut; {rules}"])
    try:
        yield
    finally:
        lab.exec(["nft", "delete table inet cut"])


@pytest.mark.parametrize(
    "state", [pytest.param(S.APPLYING, marks=pytest.mark.full), S.VERIFYING], ids=str
)
def test_a_line_that_is_cut_too_long_leaves_the_clinic_with_its_old_release(
    state: State, impatient: Pacs, tmp_path: Path
) -> None:
    pacs = impatient
    plan = pacs.plan()
    with pacs.sending(tmp_path), pacs.start("run", plan) as controller:
        wait_for(str(state), lambda: pacs.reached(state, None))
        with cut_line(pacs.demo.lab, pacs.host):
            wait_for("the open door", pacs.is_open_to_modalities, seconds=CHECKS + BACK)
        said, _ = controller.communicate(timeout=300)
    assert controller.returncode == 40, said
    assert BY_ITSELF in said or HAD_BEGUN in said, said
    assert_undone(pacs)


@pytest.mark.full
def test_a_controller_that_comes_back_later_learns_what_the_host_did(
    impatient: Pacs, tmp_path: Path
) -> None:
    pacs = impatient
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        for controller in stopped(pacs, tmp_path, S.VERIFYING, "begun", "kill", "run", plan):
            assert controller.wait(300) == -signal.SIGKILL
        wait_for("the open door", pacs.is_open_to_modalities, seconds=CHECKS + BACK)
        assert_by_timer(pacs)
    resumed = pacs.wardship("run", plan, "--resume")
    assert resumed.returncode == 40, resumed.stdout + resumed.stderr
    assert BY_ITSELF in resumed.stdout or HAD_BEGUN in resumed.stdout, resumed.stdout
    assert_undone(pacs)


@pytest.mark.full
def test_a_commit_whose_controller_is_gone_is_opened_by_its_host(
    impatient: Pacs, tmp_path: Path
) -> None:
    pacs = impatient
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        for controller in stopped(pacs, tmp_path, S.COMMITTING, "done", "kill", "run", plan):
            assert controller.wait(300) == -signal.SIGKILL
        assert not pacs.is_open_to_modalities()
        wait_for("the open door", pacs.is_open_to_modalities, seconds=60 + BACK)
    resumed = pacs.wardship("run", plan, "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert pacs.the_record().state is S.COMMITTED
    pacs.assert_committed()


@pytest.mark.full
def test_a_line_that_is_cut_between_the_decision_and_the_open_door_keeps_the_decision(
    impatient: Pacs, tmp_path: Path
) -> None:
    pacs = impatient
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        for controller in stopped(pacs, tmp_path, S.COMMITTING, "done", "wait", "run", plan):
            with cut_line(pacs.demo.lab, pacs.host):
                (tmp_path / "reached").unlink()
                wait_for("the open door", pacs.is_open_to_modalities, seconds=60 + BACK)
            said, _ = controller.communicate(timeout=300)
            assert controller.returncode == 0, said
    assert pacs.the_record().state is S.COMMITTED
    pacs.assert_committed()


@pytest.mark.full
def test_a_controller_that_lost_its_power_has_its_tunnels_again(pacs: Pacs) -> None:
    lab, address = pacs.demo.lab, ADDRESSES[pacs.host]
    assert pacs.wardship("survey").returncode == 0
    config = str(pacs.fleet / ".wardship" / "ssh_config")
    tunnel = [*lab.enter_argv(), sys.executable, "-c", TUNNEL, config, pacs.host]
    with Popen(tunnel, cwd=CHECKOUT, text=True, stdin=PIPE, stdout=PIPE) as lost:
        assert lost.stdout is not None
        master = re.search(r"pid=(\d+)", lost.stdout.readline())
        assert master
        # Nobody is told that it is gone: neither its end nor a reset gets through.
        said = f"ip daddr {address} tcp dport 22 tcp flags & (fin | rst) != 0 drop"
        lab.exec(["nft", "add table inet dark"])
        try:
            chain = "{ type filter hook output priority 0; }"
            lab.exec(["nft", f"add chain inet dark out {chain}; add rule inet dark out {said}"])
            os.kill(int(master[1]), signal.SIGKILL)
            lost.kill()
            held = pacs.run(["ss", "-Hltn", f"sport = :{TUNNEL_PORT}"]).decode()
            assert str(TUNNEL_PORT) in held, "nothing is left there: this proves nothing"
            again = subprocess.run(
                tunnel, cwd=CHECKOUT, text=True, input="", capture_output=True, check=False
            )
            assert again.returncode == 0, again.stderr
        finally:
            lab.exec(["nft", "delete table inet dark"])


def assert_undone(pacs: Pacs) -> None:
    assert pacs.the_record().state is S.RESTORED, pacs.the_record().cause
    assert_by_timer(pacs)
    pacs.assert_as_before()


def assert_by_timer(pacs: Pacs) -> None:
    decision = pacs.host_says()["changes"][-1]["decision"]
    assert (decision["decision"], decision["by"]) == ("restore", "undo timer")
