"""That the benchmarks run and give what they promise; never how long anything takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.bench.figures import Result
from tests.bench.process import cost_of


def test_the_bench_of_plans_gives_its_figures(tmp_path: Path) -> None:
    small = ["--facilities", "1", "--rounds", "1", "--out", str(tmp_path)]
    cost_of([sys.executable, "-m", "tests.bench.plan", *small])
    result = Result.model_validate(json.loads((tmp_path / "plan.json").read_text()))
    found = {row.what: row for row in result.rows}
    assert found["1 facilities: the plan"].beside in found
    assert all(value > 0 for row in result.rows for value in row.values)
    assert "| 1 facilities: peak | 1 |" in (tmp_path / "plan.md").read_text()


def test_the_bench_of_censuses_gives_its_figures(tmp_path: Path) -> None:
    small = ["--objects", "2000", "--rounds", "1", "--out", str(tmp_path)]
    cost_of([sys.executable, "-m", "tests.bench.census", *small])
    result = Result.model_validate(json.loads((tmp_path / "census.json").read_text()))
    found = {row.what: row for row in result.rows}
    assert found["2000 objects: reconcile"].beside in found
    assert all(value > 0 for row in result.rows for value in row.values)


def test_what_fails_has_no_figure() -> None:
    with pytest.raises(RuntimeError, match="exited 3"):
        cost_of([sys.executable, "-c", "raise SystemExit(3)"])
