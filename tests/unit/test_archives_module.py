"""What is seen of an archive, and every reason against one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import shared_module

archives: Any = shared_module("wardship_archives")


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A host with its index and its images in two places, on two file systems."""
    for name in ("live", "images"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(archives, "_device", lambda path: Path(path).name)
    monkeypatch.setattr(archives, "filesystem", lambda _: "ext4")
    volumes = {name: str(tmp_path / name) for name in ("live", "images")}
    return {"volumes": volumes, "archives": ["images"]}


def test_an_archive_is_seen_with_its_room_and_the_others_are_left_alone(
    given: dict[str, Any],
) -> None:
    (found,), refusals = archives.looked(given)
    assert (found["name"], found["filesystem"], refusals) == ("images", "ext4", [])


def test_an_archive_on_the_file_system_of_the_index_is_refused(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_device", lambda _: "one")
    _, (because,) = archives.looked(given)
    assert "lies on one file system with" in because


def test_an_archive_without_hard_links_is_refused(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "filesystem", lambda _: "cifs")
    _, (because,) = archives.looked(given)
    assert "is on cifs: its objects cannot be held by hard links" in because


def test_an_archive_that_is_read_only_is_refused(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    _, (because,) = archives.looked(given)
    assert "is mounted read-only" in because


def test_an_archive_that_is_gone_is_a_reason_and_no_traceback(given: dict[str, Any]) -> None:
    Path(given["volumes"]["images"]).rmdir()
    found, (because,) = archives.looked(given)
    assert (found, "the archive images cannot be looked at" in because) == ([], True)
