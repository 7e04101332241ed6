"""The page of faults says what the lab can break and what its tests demand; nothing is left out."""

from __future__ import annotations

import re

from orchestrator.lab import ris_faults
from orchestrator.lab.sabotage import FAULTS
from tests.lab.controlled import CHECKOUT
from tests.lab.test_bridge import BROKEN as BRIDGE_BROKEN
from tests.lab.test_faults_are_restored import BROKEN
from tests.lab.test_ris import BROKEN as RIS_BROKEN
from tests.lab.test_surroundings import DOOR_STAYS_OPEN, NAMED

#: Has a test to itself: tests/lab/test_needs_hands.py.
ALONE = {"restore-fails"}


def rows(heading: str) -> dict[str, tuple[str, ...]]:
    """The table below a heading: the fault, and its other cells."""
    page = (CHECKOUT / "docs/faults.md").read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = (re.split(r"\s*\|\s*", line)[1:-1] for line in section.splitlines() if "|" in line)
    found = [(row[0].strip("`"), tuple(row[1:])) for row in cells if row[0].startswith("`")]
    assert len(found) == len(dict(found)), "a fault is told twice"
    return dict(found)


def test_every_fault_of_a_release_is_on_the_page_and_has_its_test() -> None:
    ours = {name for name, fault in FAULTS.items() if not fault.is_around} - ALONE
    assert set(rows("What a release may bring")) == ours == set(BROKEN)


def test_every_fault_of_a_ris_is_on_the_page_and_has_its_test() -> None:
    page = rows("What a release of a RIS may bring")
    tested = RIS_BROKEN | {fault: {check} for fault, check in BRIDGE_BROKEN.items()}
    assert set(page) == set(ris_faults.NAMES) == set(tested)
    for fault, checks in tested.items():
        told = set(re.findall(r"`([^`]+)`", page[fault][-1]))
        assert told == checks, fault


def test_every_fault_of_the_surroundings_is_on_the_page_and_has_its_test() -> None:
    around = {name for name, fault in FAULTS.items() if fault.is_around}
    assert set(rows("What may go wrong around it")) == around == set(NAMED)


def test_what_stands_alone_is_on_the_page() -> None:
    assert set(rows("When putting back fails")) == ALONE


def test_the_page_names_the_checks_that_the_tests_demand() -> None:
    told = {
        fault: set(re.findall(r"`([a-z-]+)`", seen))
        for fault, (_, seen) in rows("What a release may bring").items()
    }
    assert told == BROKEN


def test_the_page_names_faults_in_the_words_that_are_told() -> None:
    for fault, (_, words, _) in rows("What may go wrong around it").items():
        spoken = [part.strip() for part in words.split("…") if part.strip()]
        assert NAMED[fault].startswith(spoken[0]), fault


def test_the_page_says_whose_door_stays_open() -> None:
    table = rows("What may go wrong around it")
    assert {fault for fault, (*_, door) in table.items() if door == "open"} == DOOR_STAYS_OPEN
    assert {door for *_, door in table.values()} == {"open", "shut"}
