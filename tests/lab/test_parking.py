"""Parked intake on a real host: modalities that send all the while are never refused.

What they were acknowledged is in the archive that stays, the same, whichever way a change ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
import yaml

from orchestrator.lab import modality
from orchestrator.lab.modality import GapClosed, GapOpened
from orchestrator.lab.model import MODALITY_NAME
from orchestrator.rollout.model import State
from tests.lab.pacs import CHECKOUT, PROGRAM, Pacs, wait_for
from tests.lab.test_cut_lines import BACK, CHECKS, cut_line
from tests.lab.ward import Ward, wait_end

QUOTA = 512
IDENTITY = {
    "certificate": "/etc/orthanc/tls/certificate.pem",
    "key": "/etc/orthanc/tls/key.pem",
    "ca": "/etc/orthanc/tls/trusted.pem",
}


@pytest.fixture
def parked(pacs: Pacs) -> Iterator[Pacs]:
    """The hospital as found, its intake parked; it speaks DICOM over TLS."""
    pacs.park(quota_mib=QUOTA, tls=IDENTITY)
    yield pacs
    pacs.park()


def told(pacs: Pacs) -> dict[str, Any]:
    """What the host says of what was parked."""
    change = pacs.the_record().change_set.id
    found: dict[str, Any] = json.loads(pacs.run([PROGRAM, "parked", "--change", change]))
    return found


def gaps(manifest: Path) -> list[float]:
    """How long a modality was without an answer, each time, in seconds."""
    lines = modality.read(manifest)
    closed = [line.seconds for line in lines if isinstance(line, GapClosed)]
    assert len(closed) == sum(isinstance(line, GapOpened) for line in lines)
    return closed


def test_a_change_that_commits_is_felt_by_no_modality(parked: Pacs, tmp_path: Path) -> None:
    pacs = parked
    with pacs.sending(tmp_path) as manifest:
        ran = pacs.wardship("run", pacs.plan())
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert pacs.the_record().state is State.COMMITTED
    assert pacs.release() == "1.12.7"
    there = told(pacs)
    assert there["parked"]["object"] > 5, there
    assert (there["waiting"], there["set_aside_count"], there["unproved"]) == (0, 0, [])
    assert gaps(manifest) == []


def test_a_change_that_is_put_back_is_felt_by_no_modality(parked: Pacs, tmp_path: Path) -> None:
    pacs = parked
    pacs.break_("wrong-ae")
    with pacs.sending(tmp_path) as manifest:
        ran = pacs.wardship("run", pacs.plan())
        assert ran.returncode == 40, ran.stdout + ran.stderr
    assert pacs.release() == "1.10.1"
    there = told(pacs)
    assert there["parked"]["object"] > 5, there
    assert (there["waiting"], there["set_aside_count"], there["unproved"]) == (0, 0, [])
    assert gaps(manifest) == []


def test_a_host_that_goes_back_by_itself_gives_what_it_parked(parked: Pacs, tmp_path: Path) -> None:
    pacs = parked
    file = pacs.fleet / "fleet.yml"
    before = file.read_text()
    declared = yaml.safe_load(before)
    declared["verify"]["limit_seconds"] = CHECKS
    file.write_text(yaml.safe_dump(declared))
    try:
        plan = pacs.plan()
        with pacs.sending(tmp_path) as manifest, pacs.start("run", plan) as controller:
            wait_for("the new release", lambda: pacs.reached(State.VERIFYING, None))
            with cut_line(pacs.demo.lab, pacs.host):
                changes = pacs.demo.lab.paths.root(pacs.host) / "var/lib/wardship/changes"
                ended = changes / pacs.the_record().change_set.id / "finished.json"
                wait_for("the end, on the host's disk", ended.exists, seconds=CHECKS + BACK)
            said = wait_end(controller)
            assert controller.returncode == 40, said
    finally:
        file.write_text(before)
    assert pacs.release() == "1.10.1"
    there = told(pacs)
    assert there["parked"]["object"] > 5, there
    assert (there["waiting"], there["set_aside_count"], there["unproved"]) == (0, 0, [])
    assert gaps(manifest) == []


@contextmanager
def bursting(pacs: Pacs, manifest: Path, *arguments: str) -> Iterator[Popen[str]]:
    """A scanner that sends a burst; its end is the caller's to wait for."""
    lab = pacs.demo.lab
    argv = [
        *lab.enter_argv(MODALITY_NAME), sys.executable, "-m", "tests.lab.station",
        *pacs.demo.modality_argv(pacs.host), "--manifest", str(manifest), *arguments,
    ]  # fmt: skip
    with Popen(argv, cwd=CHECKOUT, text=True, stdout=PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: Popen[str]) -> dict[str, Any]:
    """What the scanner tells at its end."""
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_burst_of_every_kind_of_object_beside_a_trickle_is_whole(
    parked: Pacs, tmp_path: Path
) -> None:
    pacs, burst = parked, tmp_path / "burst.jsonl"
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        controller = pacs.start("run", plan)
        wait_for("the door shut", lambda: pacs.has_begun("snapshot"))
        with bursting(pacs, burst, "--objects", "500", "--listen", "11105") as scanner:
            said = wait_end(controller)
            assert controller.returncode == 0, said
            told_by_scanner = ended(scanner)
    assert (told_by_scanner["sent"], told_by_scanner["refused"]) == (500, {})
    # What was asked while the door was shut is answered once the archive has it.
    assert told_by_scanner["asked"] == 0
    heard = told_by_scanner["heard"]
    assert (heard["type"], heard["committed"], heard["failed"]) == (2, 500, ["2.25.1"])
    pacs.assert_nothing_lost(burst)
    there = told(pacs)
    assert there["parked"]["object"] > 100, there
    assert (there["set_aside"], there["unproved"]) == ([], [])


def test_a_host_that_crashes_while_it_parks_loses_nothing(parked: Pacs, tmp_path: Path) -> None:
    pacs, burst = parked, tmp_path / "burst.jsonl"
    plan = pacs.plan()
    with pacs.sending(tmp_path), bursting(pacs, burst, "--objects", "400") as scanner:
        controller = pacs.start("run", plan)
        wait_for("the new release", lambda: pacs.reached(State.VERIFYING, None))
        Ward(pacs).crash()
        said = wait_end(controller)
        assert controller.returncode == 40, said
        assert ended(scanner)["sent"] == 400
    assert pacs.release() == "1.10.1"
    pacs.assert_nothing_lost(burst)
    there = told(pacs)
    assert there["parked"]["object"] > 5, there
    assert (there["waiting"], there["set_aside"], there["unproved"]) == (0, [], [])


def test_a_full_spool_says_so_and_the_change_goes_on(parked: Pacs, tmp_path: Path) -> None:
    pacs, burst = parked, tmp_path / "burst.jsonl"
    pacs.park(quota_mib=64, tls=IDENTITY)
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        controller = pacs.start("run", plan)
        wait_for("the door shut", lambda: pacs.has_begun("snapshot"))
        with bursting(pacs, burst, "--objects", "40", "--big") as scanner:
            said = wait_end(controller)
            assert controller.returncode == 0, said
            station = ended(scanner)
    assert station["refused"].keys() == {"0xa700"}, station
    assert station["sent"] + station["refused"]["0xa700"] == 40
    pacs.assert_nothing_lost(burst)
    there = told(pacs)
    assert there["refused_count"] >= station["refused"]["0xa700"]
    assert "nobody has said whether it sends again: MR1" in said
