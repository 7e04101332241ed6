"""Parked intake on a real host: modalities that send all the while are never refused.

What they were acknowledged is in the archive that stays, the same, whichever way a change ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab import modality
from orchestrator.lab.modality import GapClosed, GapOpened
from orchestrator.rollout.model import State
from tests.lab.pacs import PROGRAM, Pacs

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
