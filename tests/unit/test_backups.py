"""A stamp dates a backup that was read to its end; a gate sees when it is not that any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.backups import END, look, write_stamp
from orchestrator.errors import FleetError
from orchestrator.plan.gates import Backup
from tests.builders import NOW


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    file = tmp_path / "pacs-a.tar"
    file.write_bytes(b"begin" + b"x" * (3 * END) + b"end")
    return file


@pytest.fixture
def stamp(backup: Path) -> Path:
    path = backup.with_suffix(".json")
    write_stamp(path, backup, facility="hospital-a", host="pacs-a", taken_at=NOW)
    return path


def seen(stamp: Path, host: str = "pacs-a") -> Backup:
    return look(stamp, facility="hospital-a", host=host)


def test_a_backup_as_it_was_stamped_is_good(stamp: Path) -> None:
    assert seen(stamp) == Backup(taken_at=NOW)


def test_a_backup_that_was_cut_is_none(stamp: Path, backup: Path) -> None:
    with backup.open("r+b") as file:
        file.truncate(END)
    assert "stamped were" in seen(stamp).problem


def test_a_backup_whose_end_is_another_is_none(stamp: Path, backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[-1] ^= 1
    backup.write_bytes(content)
    assert "is not what was stamped" in seen(stamp).problem


def test_a_backup_that_is_gone_is_none(stamp: Path, backup: Path) -> None:
    backup.unlink()
    assert "No such file" in seen(stamp).problem


def test_a_stamp_of_another_host_is_none(stamp: Path) -> None:
    assert seen(stamp, "pacs-b").problem.endswith("is of hospital-a/pacs-a")


@pytest.mark.parametrize("text", ["", "{}", "[1]", "no json", '{"taken_at": "yesterday"}'])
def test_what_is_no_stamp_is_a_problem_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    assert "not a stamp" in seen(tmp_path / "s.json").problem


def test_a_backup_that_cannot_be_read_gets_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="no stamp was written"):
        write_stamp(tmp_path / "s.json", tmp_path / "gone", facility="a", host="b", taken_at=NOW)
    assert list(tmp_path.iterdir()) == []
