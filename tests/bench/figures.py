"""What a benchmark gives: spreads of figures beside a baseline, as JSON and as a table.

Decides how figures are summed up: least, median and most of all rounds, never the best one alone.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from pydantic import Field

from orchestrator.fleet.model import Model

ROOT = Path(__file__).resolve().parent.parent.parent
#: Where results go unless told otherwise; no part of the repository.
RESULTS = ROOT / ".bench"


class Row(Model):
    """One figure. ``values``: one a round, in ``unit``; ``beside``: the row that it is held to."""

    what: str
    unit: str
    values: tuple[float, ...] = Field(min_length=1)
    beside: str = ""


class Result(Model):
    """One run of a benchmark. ``load``: the machine's load average before and after."""

    bench: str
    command: str
    taken_at: datetime
    cores: int
    load: tuple[float, float]
    note: str
    rows: tuple[Row, ...]


class Taking:
    """Collects rows from the start of a run to its end."""

    def __init__(self, bench: str, *, note: str = "") -> None:
        self._bench = bench
        self._note = note
        self._load = os.getloadavg()[0]
        self._values: dict[tuple[str, str], list[float]] = {}
        self._beside: dict[str, str] = {}

    def add(self, what: str, value: float, unit: str = "s", *, beside: str = "") -> None:
        """A round's figure."""
        self._values.setdefault((what, unit), []).append(value)
        self._beside[what] = beside

    def result(self) -> Result:
        """All that was taken."""
        return Result(
            bench=self._bench,
            command=f"python -m tests.bench.{self._bench} {shlex.join(sys.argv[1:])}".strip(),
            taken_at=datetime.now(UTC),
            cores=os.cpu_count() or 0,
            load=(self._load, os.getloadavg()[0]),
            note=self._note,
            rows=tuple(
                Row(what=what, unit=unit, values=tuple(values), beside=self._beside[what])
                for (what, unit), values in self._values.items()
            ),
        )


def keep(result: Result, directory: Path) -> None:
    """Write a result as JSON and as Markdown, and show the latter."""
    directory.mkdir(parents=True, exist_ok=True)
    text = "\n".join(markdown(result)) + "\n"
    (directory / f"{result.bench}.json").write_text(result.model_dump_json(indent=2) + "\n")
    (directory / f"{result.bench}.md").write_text(text)
    sys.stdout.write(text)


def markdown(result: Result) -> list[str]:
    """A table: least, median, most, and how many times the baseline's median."""
    before, after = result.load
    known = {row.what: row for row in result.rows}
    lines = [
        f"`{result.command}`, {result.taken_at:%Y-%m-%d %H:%M} UTC, {result.cores} cores,"
        f" load {before:.1f} before and {after:.1f} after. {result.note}".strip(),
        "",
        "| | rounds | least | median | most | beside |",
        "|---|---|---|---|---|---|",
    ]
    for row in result.rows:
        low, middle, high = min(row.values), median(row.values), max(row.values)
        numbers = " | ".join(_number(each, row.unit) for each in (low, middle, high))
        beside = _ratio(row, known[row.beside]) if row.beside else ""
        lines.append(f"| {row.what} | {len(row.values)} | {numbers} | {beside} |")
    return lines


def _ratio(row: Row, baseline: Row) -> str:
    return f"{median(row.values) / median(baseline.values):.2f} times {baseline.what}"


def _number(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit in ("MiB", "hosts", "") else f"{value:.2f} {unit}"


def rounds_in_turn(rounds: int, order: Sequence[str]) -> list[str]:
    """A, B, A, B …: what is slow on the machine for a while is slow for both."""
    return [name for _ in range(rounds) for name in order]
