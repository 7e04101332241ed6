"""The role gnuhealth's checks where a real host seldom leads: people work until the door shuts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.unit.role_modules import ROOT, load

checks: Any = load(ROOT / "roles/gnuhealth/checks/test_gnuhealth.py", "gnuhealth_checks")
READ = {"orders 1": {"state": "a"}, "orders 2": {"state": "b"}, "orders 3": {"state": "c"}}
SAYS = {"orders 1": "one", "orders 2": "two", "orders 3": "three"}


def site(counted: dict[str, str]) -> Any:
    """A baseline, and what quiesce counted afterwards."""
    baseline = SimpleNamespace(measures={"read": READ, "says": SAYS})
    census = SimpleNamespace(records={"orders": counted})
    return SimpleNamespace(baseline=lambda _: baseline, census_before=lambda: census)


def test_a_record_that_was_worked_on_or_removed_before_the_door_shut_is_not_compared() -> None:
    before, same = checks._still_as_read(site({"1": "one", "2": "worked on"}))
    assert before == READ
    assert same == ["orders 1"]


def test_what_nobody_touched_is_compared_all() -> None:
    assert checks._still_as_read(site({"1": "one", "2": "two", "3": "three"}))[1] == [*READ]


def test_the_same_value_has_another_digest_under_another_key() -> None:
    one = {"state": "draft", "patient.": {"rec_name": "Ana"}}
    fields = ("state", "patient.rec_name")
    first, other = (checks._digests(one, fields, key) for key in ("k", "o"))
    assert first.keys() == {"state", "patient.rec_name"}
    assert not set(first.values()) & set(other.values())
    assert "Ana" not in str(first)
    assert first == checks._digests(one, fields, "k")
    changed = checks._digests(one | {"patient.": {"rec_name": "Eve"}}, fields, "k")
    assert changed["state"] == first["state"]
    assert changed["patient.rec_name"] != first["patient.rec_name"]
