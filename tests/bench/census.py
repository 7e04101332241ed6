"""How long it takes to compare two listings of a million objects, and what memory that needs.

``wardship reconcile`` itself in a fresh process, on two listings that differ in known places: every
one of them must be told. Beside it, in turn, a program that only reads both files as JSON and keeps
nothing, which is the least that anybody can do with them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.survey.listing import ListedSeries, ListedStudy, ListingHead, write_listing
from tests.bench.figures import RESULTS, Taking, keep
from tests.bench.process import cost_of

_PLAIN = """\
import json, sys
lines = 0
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        for line in file:
            json.loads(line)
            lines += 1
sys.stdout.write(str(lines))
"""
_WARDSHIP = "from orchestrator.cli.app import main; main()"
#: Objects a study: two series of 25.
_SERIES, _EACH = 2, 25
#: One study in so many lacks an object afterwards.
_LOST = 500
_DIFFER = 25


def main() -> None:
    """Measure, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args()
    taking = Taking("census", note="Two listings of as many objects each.")
    studies = wanted.objects // (_SERIES * _EACH)
    with TemporaryDirectory(prefix="wardship-bench-") as name:
        before, after = Path(name, "before.jsonl"), Path(name, "after.jsonl")
        _write(before, studies, loses=False)
        _write(after, studies, loses=True)
        for _ in range(wanted.rounds):
            _round(before, after, studies, taking)
    keep(taking.result(), wanted.out)


def _round(before: Path, after: Path, studies: int, taking: Taking) -> None:
    plain = cost_of([sys.executable, "-c", _PLAIN, str(before), str(after)])
    files = ["--csv", str(after.with_suffix(".csv")), "--html", str(after.with_suffix(".html"))]
    command = [sys.executable, "-c", _WARDSHIP, "--json", "reconcile", str(before), str(after)]
    compared = cost_of([*command, *files], may_exit=_DIFFER)
    told = json.loads(compared.output)
    lost = -(-studies // _LOST)
    if told["differences"] != {"instance missing": lost} or told["instances_missing"] != lost:
        raise RuntimeError(f"{told['differences']} were told, {lost} objects are missing")
    objects = told["counts_before"]["instances"]
    name = f"{objects} objects"
    taking.add(f"{name}: json alone", plain.wall)
    taking.add(f"{name}: reconcile", compared.wall, beside=f"{name}: json alone")
    taking.add(f"{name}: peak", compared.peak, "MiB")


def _write(path: Path, studies: int, *, loses: bool) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    head = ListingHead(source="bench", how="made up", taken_at=moment, key="k")
    write_listing(path, head, _studies(studies, loses=loses))


def _studies(studies: int, *, loses: bool) -> Iterator[ListedStudy]:
    for number in range(studies):
        uid = f"1.2.826.0.1.3680043.10.1337.{number:08}"
        series = []
        for each in range(_SERIES):
            own = f"{uid}.{each}"
            is_short = loses and number % _LOST == 0 and each == 0
            count = _EACH - is_short
            sops = tuple(f"{own}.{instance:04}" for instance in range(count))
            series.append(ListedSeries(uid=own, modality="CT" if each else "SR", instances=sops))
        told = hashlib.sha256(uid.encode()).hexdigest()
        said = {
            name: told[place : place + 16] for place, name in enumerate(("StudyDate", "StudyID"))
        }
        yield ListedStudy(study=uid, patient=told[:32], said=said, series=tuple(series))


if __name__ == "__main__":
    main()
