"""``census`` and ``reconcile`` as a person meets them: what is wrong, what differs, what to do."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Wardship
from tests.unit.test_listing import record, study, written

BEFORE = (study("1.2", "1.2.1", "1.2.2"), study("1.3", "1.3.1"), record("7"))


@pytest.mark.parametrize(
    "words",
    [("nowhere",), (), ("--archive", "OLD"), ("--archive", "A@b:0"), ("x", "--archive", "A@b:1")],
)
def test_a_census_of_nothing_is_refused(words: tuple[str, ...], wardship: Wardship) -> None:
    said = wardship("census", *words)
    assert said.code in (10, 64)
    assert "next: " in said.err


def test_the_same_says_so_and_ends_well(tmp_path: Path, wardship: Wardship) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, *BEFORE)
    said = wardship("reconcile", str(tmp_path / "a"), str(tmp_path / "b"))
    assert said.code == 0
    assert "100 % of the objects are there, 0 compared by content" in said.out
    assert said.last.startswith("everything is there; nothing was changed.")


def test_a_loss_ends_with_its_code_and_every_file_that_was_asked_for(
    tmp_path: Path, wardship: Wardship
) -> None:
    written(tmp_path / "a", *BEFORE)
    written(tmp_path / "b", study("1.2", "1.2.1"), BEFORE[1])
    table, page = tmp_path / "all.csv", tmp_path / "all.html"
    words = [str(tmp_path / "a"), str(tmp_path / "b"), "--csv", str(table), "--html", str(page)]
    said = wardship("reconcile", *words)
    assert said.code == 25
    assert "2 differences between a and b" in said.err
    assert "instance missing: 1.2.2" in said.out
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["what"], row["level"], row["instance"], row["key"]) for row in rows] == [
        ("missing", "instance", "1.2.2", ""),
        ("missing", "record", "", "7"),
    ]
    assert "<h1>2 differences</h1>" in page.read_text()
    assert table.stat().st_mode & 0o077 == page.stat().st_mode & 0o077 == 0
    found = json.loads(wardship("reconcile", *words[:2], "--json").out)
    assert found["instances_missing"] == 1


def test_a_listing_that_was_cut_off_leaves_no_table(tmp_path: Path, wardship: Wardship) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, *BEFORE)
    lines = (tmp_path / "b").read_bytes().splitlines(keepends=True)
    (tmp_path / "b").write_bytes(b"".join(lines[:-1]))
    table = tmp_path / "all.csv"
    said = wardship("reconcile", str(tmp_path / "a"), str(tmp_path / "b"), "--csv", str(table))
    assert said.code == 20
    assert "was cut off or touched" in said.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a", "b"]


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_what_is_no_regular_file_is_left_alone(
    option: str, tmp_path: Path, wardship: Wardship
) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, *BEFORE)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = wardship("reconcile", str(tmp_path / "a"), str(tmp_path / "b"), option, str(pipe))
    assert said.code == 74
    assert "not a regular file" in said.err
    assert pipe.is_fifo()


def test_a_rule_that_allows_anything_is_refused(tmp_path: Path, wardship: Wardship) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, *BEFORE)
    (tmp_path / "allow.yml").write_text("allow:\n  - {what: missing, why: whatever}\n")
    words = [str(tmp_path / "a"), str(tmp_path / "b"), "--allow", str(tmp_path / "allow.yml")]
    said = wardship("reconcile", *words)
    assert said.code == 20
    assert "allow.yml:2" in said.err
