"""One hospital, made once a session, as found at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.lab import faults
from tests.lab.controlled import lab_name
from tests.lab.pacs import Pacs, make_lab
from tests.lab.ward import Ward


@pytest.fixture(scope="session")
def hospital() -> Iterator[Pacs]:
    """A lab of its own for tests that run side by side. Its host has PAM and logind."""
    demo = make_lab(lab_name(), "pacs-b")
    try:
        yield Pacs(demo, "pacs-b")
    finally:
        demo.lab.down()


@pytest.fixture(scope="session")
def ward(hospital: Pacs) -> Ward:
    """The same hospital for tests that go from change to change, and reset it only if they must."""
    return Ward(hospital)


@pytest.fixture
def pacs(hospital: Pacs) -> Pacs:
    """The hospital as found: 1.10.1 with its studies, no journal, 1.12.7 mandated."""
    hospital.reset()
    return hospital


@pytest.fixture
def ready(ward: Ward) -> Iterator[Pacs]:
    """The old release runs, and a start is given up soon; no reset if the last test left it so."""
    ward.make_ready()
    ward.pacs.settings(release="1.12.7", orthanc_start_seconds=30)
    yield ward.pacs
    if ward.pacs.is_as_found:
        faults.lift_all(ward.pacs.run)
