"""The lock and pyproject.toml agree, and the lock belongs to no particular index."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-uv.lock"]


def wanted() -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    yield from map(Requirement, project["project"]["dependencies"])
    yield from map(Requirement, project["dependency-groups"]["dev"])
    yield from map(Requirement, project["build-system"]["requires"])


def pins(lock: str) -> dict[str, str]:
    """Name → version, as the lock pins them."""
    pinned = re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(pinned)


@pytest.mark.parametrize("requirement", list(wanted()), ids=str)
def test_what_the_project_needs_is_in_the_lock(requirement: Requirement) -> None:
    pinned = pins("requirements.lock").get(canonicalize_name(requirement.name))
    assert pinned is not None, "run: make lock"
    assert requirement.specifier.contains(pinned), "run: make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_host(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9-]+==)", (ROOT / lock).read_text())[1:]
    assert len(entries) == len(pins(lock)) > 0
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
