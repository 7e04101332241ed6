"""The lab's hospitals are what they are said to be, and each fault does what the table says.

The table is that of measured faults: the state of the unit, whether the web service answers, and
the one thing that shows the fault. "Active and 200" passes most of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from orchestrator.errors import LabError
from orchestrator.lab import artifacts, faults, studies
from orchestrator.lab.demo import Demo
from orchestrator.lab.guest import wait_until
from orchestrator.lab.loss import lost_from
from orchestrator.lab.modality import GapClosed, acknowledged, images, read
from orchestrator.lab.model import MODALITY_NAME
from orchestrator.lab.provision import install
from tests.lab.controlled import CHECKOUT, wait_for
from tests.lab.pacs import Pacs
from tests.lab.ward import some

#: Fault → state of the unit, the web service's code, code of a QIDO-RS query. 0: no answer in time.
SEEN_ON_1_12_7 = {
    "plugin-file-missing": ("failed", 0, 0),
    "no-postgresql-plugin": ("active", 200, 200),
    "no-dicomweb": ("active", 200, 404),
    "wrong-ae": ("active", 200, 200),
    "db-password": ("active", 0, 0),
    "schema-7": ("failed", 0, 0),
    "table-lock": ("active", 200, 0),
    "storage-read-only": ("active", 200, 200),
    "slow-link": ("active", 200, 200),
    "file-deleted": ("active", 200, 200),
    "byte-flipped": ("active", 200, 200),
    "restore-fails": ("active", 200, 200),
    "bad-json": ("failed", 0, 0),
}
#: With every change of the code; the others in the full set.
OFTEN = {"no-postgresql-plugin", "schema-7", "storage-read-only", "byte-flipped"}


@pytest.fixture(scope="module")
def upgraded(hospital: Pacs) -> Iterator[Pacs]:
    """The hospital as found, with 1.12.7 beside its release."""
    hospital.demo.reset(hospital.host)
    bundle = artifacts.build("1.12.7", cache=hospital.demo.lab.cache, say=print)
    install(hospital.run, bundle)
    yield hospital
    hospital.demo.reset(hospital.host)


@pytest.fixture
def armed(upgraded: Pacs) -> Iterator[Pacs]:
    """Whatever fault is armed is gone afterwards, and the settings and data are as found."""
    run = upgraded.run
    run(["cp", "-a", "/etc/orthanc", "/root/settings"])
    yield upgraded
    run(["systemctl", "stop", "orthanc.service"])
    faults.lift_all(run)
    run(["ln", "-sfn", "1.10.1", "/opt/orthanc/current"])
    run(["sh", "-c", "systemctl reset-failed orthanc.service; systemctl start orthanc.service"])
    run(["diff", "-r", "/etc/orthanc", "/root/settings"])
    run(["rm", "-r", "/root/settings"])
    answers(upgraded.demo, upgraded.host)


def answers(demo: Demo, host: str) -> None:
    rest = demo.rest(host)
    wait_until(lambda: bool(rest.get("/system")), what="the archive answers", seconds=60)


def code(pacs: Pacs, path: str) -> int:
    hospital = pacs.demo.hospital(pacs.host)
    said = pacs.run(
        ["sh", "-c", "curl -s -m 3 -o /dev/null -w '%{http_code}' -K - \"$1\" || true", "sh",
         f"http://127.0.0.1:8042{path}"],
        input=f'user = "wardship:{hospital.web_password}"\n'.encode(),
    )  # fmt: skip
    return int(said)


def unit(pacs: Pacs) -> str:
    return pacs.run(["sh", "-c", "systemctl is-active orthanc.service || true"]).decode().strip()


def switch(pacs: Pacs, release: str) -> None:
    """Start another release, and wait until it answers or has failed."""
    pacs.run(["systemctl", "stop", "orthanc.service"])
    pacs.run(["ln", "-sfn", release, "/opt/orthanc/current"])
    pacs.run(["sh", "-c", "systemctl start orthanc.service || true"])


def test_a_hospital_holds_exactly_what_it_was_filled_with(upgraded: Pacs) -> None:
    rest, objects = upgraded.demo.rest(upgraded.host), upgraded.demo.objects(upgraded.host)
    assert rest.json("/statistics")["CountInstances"] == len(objects)
    assert lost_from(rest, objects) == []


def test_every_release_serves_the_same_archive(hospital: Pacs) -> None:
    hospital.demo.reset(hospital.host)
    for version in artifacts.VERSIONS:
        install(hospital.run, artifacts.build(version, cache=hospital.demo.lab.cache, say=print))
        switch(hospital, version)
        answers(hospital.demo, hospital.host)
        assert hospital.release() == version
        rest = hospital.demo.rest(hospital.host)
        assert lost_from(rest, hospital.demo.objects(hospital.host)) == []


@pytest.mark.parametrize("fault", some(SEEN_ON_1_12_7, OFTEN))
def test_a_fault_shows_as_the_table_says(fault: str, armed: Pacs) -> None:
    faults.break_(armed.run, fault)
    assert code(armed, "/system") == 200, "armed only, nothing may be broken yet"
    switch(armed, "1.12.7")
    expected = SEEN_ON_1_12_7[fault]
    if expected[0] == "failed":
        wait_for("the unit to fail", lambda: unit(armed) == "failed", seconds=30)
    elif expected[1] == 200:
        answers(armed.demo, armed.host)
    seen = unit(armed), code(armed, "/system"), code(armed, "/dicom-web/studies?limit=1")
    assert seen == expected
    assert faults.has_happened(armed.run, fault)
    shows(fault, armed)


def shows(fault: str, pacs: Pacs) -> None:
    """What of the fault is neither in the unit's state nor in a code."""
    rest, objects = pacs.demo.rest(pacs.host), pacs.demo.objects(pacs.host)
    if fault == "no-postgresql-plugin":
        assert rest.json("/statistics")["CountInstances"] == 0
    elif fault == "wrong-ae":
        assert rest.json("/system")["DicomAet"] == "NEWNAME"
    elif fault == "file-deleted":
        assert [loss.because for loss in lost_from(rest, objects)] == ["missing"]
    elif fault == "byte-flipped":
        assert [loss.because for loss in lost_from(rest, objects)] == ["pixels differ"]
    elif fault == "slow-link":
        assert b"tbf" in pacs.run(["tc", "qdisc", "show"])
    elif fault == "restore-fails":
        switch(pacs, "1.10.1")
        wait_for("the old release to fail", lambda: unit(pacs) == "failed", seconds=30)
    elif fault == "storage-read-only":
        with pytest.raises(LabError, match="500"):
            rest.post("/instances", studies.as_file(next(images("CT1", seed=1))))


def test_a_modality_loses_nothing_over_a_restart(upgraded: Pacs, tmp_path: Path) -> None:
    demo, manifest = upgraded.demo, tmp_path / "manifest.jsonl"
    argv = [*demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-m", "orchestrator.lab.modality"]
    argv += demo.modality_argv("pacs-b")
    argv += ["--manifest", str(manifest), "--interval", "0.1"]
    with Popen(argv, cwd=CHECKOUT) as process:
        try:
            wait_for("images", lambda: manifest.exists() and len(acknowledged(manifest)) > 3)
            upgraded.run(["systemctl", "restart", "orthanc.service"])
            closed = (GapClosed,)
            wait_for("the gap to end", lambda: any(isinstance(it, closed) for it in read(manifest)))
        finally:
            process.terminate()
        assert process.wait(20) == 0
    stored = acknowledged(manifest)
    assert len({each.sop for each in stored}) == len(stored)
    assert lost_from(demo.rest(upgraded.host), stored) == []
