"""One hospital, made once a session, as found at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.pacs import Pacs, make_lab


@pytest.fixture(scope="session")
def hospital() -> Iterator[Pacs]:
    """The lab ``tests`` with the host that has PAM and logind, as real ones have."""
    demo = make_lab("tests", "pacs-b")
    try:
        yield Pacs(demo, "pacs-b")
    finally:
        demo.lab.down()


@pytest.fixture
def pacs(hospital: Pacs) -> Pacs:
    """The hospital as found: 1.10.1 with its studies, no journal, 1.12.7 mandated."""
    hospital.reset()
    return hospital
