"""Parked intake on a real host: modalities that send all the while are never refused.

What they were acknowledged is in the archive that stays, the same, whichever way a change ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any

import pytest
import yaml
from pydicom.uid import ExplicitVRLittleEndian

from orchestrator.lab import modality, studies, tools
from orchestrator.lab.loss import describe
from orchestrator.lab.modality import Acknowledged, GapClosed, GapOpened
from orchestrator.lab.model import MODALITY_NAME
from orchestrator.lab.studies import Archive
from orchestrator.rollout.model import State
from tests.lab.controlled import CHECKOUT, PROGRAM, wait_for
from tests.lab.pacs import Pacs
from tests.lab.test_cut_lines import BACK, CHECKS, cut_line
from tests.lab.ward import Ward, wait_end

QUOTA = 512
#: The AE of another scanner.
OTHER = "US1"
ADD_OTHER = """
import json, sys
path = "/etc/orthanc/orthanc.json"
found = json.load(open(path))
(first,) = (each for name, each in found["DicomModalities"].items() if name == "MR1")
found["DicomModalities"][sys.argv[1]] = {**first, "AET": sys.argv[1]}
json.dump(found, open(path, "w"))
"""
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


def sources(pacs: Pacs) -> list[str]:
    """Who sent each object that is parked: as it stands on the host's disk."""
    root = pacs.demo.lab.paths.root(pacs.host) / "var/lib/wardship-spool"
    place = root / pacs.the_record().change_set.id / "parked"
    return [path.name.split(".")[2] for path in place.iterdir() if ".object." in path.name]


def gaps(manifest: Path) -> list[float]:
    """How long a modality was without an answer, each time, in seconds."""
    lines = modality.read(manifest)
    closed = [line.seconds for line in lines if isinstance(line, GapClosed)]
    assert len(closed) == sum(isinstance(line, GapOpened) for line in lines)
    return closed


@pytest.mark.full
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


@pytest.mark.full
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


@pytest.fixture
def two_scanners(parked: Pacs) -> Iterator[Pacs]:
    """The same hospital with one more AE, whose images DCMTK sends."""
    parked.run(["python3", "-c", ADD_OTHER, OTHER])
    parked.run(["systemctl", "restart", "orthanc"])
    asked = ["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:8042/"]
    wait_for("the archive", lambda: parked.demo.lab.run(parked.host, asked, check=False).is_ok)
    file = parked.fleet / "facilities" / f"{parked.facility}.yml"
    before = file.read_text()
    declared = yaml.safe_load(before)
    modalities = declared["hosts"][parked.host]["modalities"]
    modalities.append({**modalities[0], "ae_title": OTHER})
    file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False))
    yield parked
    file.write_text(before)


def by_dcmtk(pacs: Pacs, directory: Path, manifest: Path) -> Popen[str]:
    """DCMTK's storescu sends whole studies as the other AE; it ends with 0 if none was refused."""
    directory.mkdir()
    source = Archive(site=OTHER, seed=7)
    made = (one for number in range(1, 10_000) for one in studies.study(source, number))
    plain = (one for one in made if one.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian)
    with manifest.open("w") as lines:
        for number, one in enumerate(islice(plain, 100)):
            one.save_as(directory / f"{number:03d}.dcm", enforce_file_format=True)
            sent = Acknowledged(at=datetime.now(UTC), object=describe(one), tries=1)
            lines.write(sent.model_dump_json() + "\n")
    told = pacs.demo.modality_argv(pacs.host)
    given = dict(zip(told[::2], told[1::2], strict=True))
    address, port = given["--peer"].split(":")
    argv = [
        *pacs.demo.lab.enter_argv(MODALITY_NAME), tools.STORESCU, "-aet", OTHER,
        "-aec", given["--called"], "+tls", given["--tls-key"], given["--tls-certificate"],
        "+cf", given["--tls-ca"], "+sd", address, port, str(directory),
    ]  # fmt: skip
    return Popen(argv, text=True, stdout=PIPE, stderr=STDOUT)


def test_a_burst_of_every_kind_of_object_beside_a_trickle_is_whole(
    two_scanners: Pacs, tmp_path: Path
) -> None:
    pacs, burst, other = two_scanners, tmp_path / "burst.jsonl", tmp_path / "other.jsonl"
    plan = pacs.plan()
    with pacs.sending(tmp_path):
        controller = pacs.start("run", plan)
        wait_for("the door shut", lambda: pacs.has_begun("snapshot"))
        with (
            bursting(pacs, burst, "--objects", "500", "--listen", "11105") as scanner,
            by_dcmtk(pacs, tmp_path / "images", other) as storescu,
        ):
            said = wait_end(controller)
            assert controller.returncode == 0, said
            told_by_scanner = ended(scanner)
            complaints, _ = storescu.communicate(timeout=240)
            assert storescu.returncode == 0, complaints
    assert (told_by_scanner["sent"], told_by_scanner["refused"]) == (500, {})
    # What was asked while the door was shut is answered once the archive has it.
    assert told_by_scanner["asked"] == 0
    heard = told_by_scanner["heard"]
    assert (heard["type"], heard["committed"], heard["failed"]) == (2, 500, ["2.25.1"])
    pacs.assert_nothing_lost(burst)
    pacs.assert_nothing_lost(other)
    there = told(pacs)
    assert there["parked"]["object"] > 100, there
    assert set(sources(pacs)) == {OTHER, "MR1"}
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


@pytest.mark.full
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
    assert "nobody has said whether it does: MR1" in said
