"""Every role has its scenario, and what may differ after a restore is no more than is listed."""

from __future__ import annotations

import pytest
import yaml

from orchestrator import resources
from tests.lab.controlled import CHECKOUT
from tests.molecule.state import differences

SCENARIOS = CHECKOUT / "molecule"
ROLES = sorted(path.parents[1].name for path in resources.roles().glob("*/tasks/main.yml"))
PRODUCTS = sorted(path.parents[1].name for path in resources.roles().glob("*/meta/wardship.yml"))
SHARED = CHECKOUT / ".config" / "molecule" / "config.yml"


def sequence(scenario: str) -> list[str]:
    """What a scenario does, in order."""
    ours = yaml.safe_load((SCENARIOS / scenario / "molecule.yml").read_text())
    shared = yaml.safe_load(SHARED.read_text())
    steps: list[str] = ours.get("scenario", {}).get(
        "test_sequence", shared["scenario"]["test_sequence"]
    )
    return steps


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_applied_twice_and_verified(role: str) -> None:
    steps = sequence(role)
    assert [s for s in steps if s in ("converge", "idempotence", "verify")] == [
        "converge",
        "idempotence",
        "verify",
    ]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_products_change_is_put_back_and_compared(product: str) -> None:
    steps = sequence(f"{product}_restore")
    assert steps.index("converge") < steps.index("verify")


@pytest.mark.parametrize("role", sorted({*ROLES} - {*PRODUCTS}))
def test_a_role_that_is_no_product_has_checks_of_its_own(role: str) -> None:
    assert list((SCENARIOS / role / "checks").glob("test_*.py"))


def test_what_was_changed_or_is_gone_or_came_is_told() -> None:
    before = {"file /a": "1", "file /b": "2"}
    assert differences(before, {"file /b": "3", "file /c": "4"}) == [
        "file /a: was '1', is gone",
        "file /b: was '2', now '3'",
        "file /c: was not there, now '4'",
    ]


def test_the_same_is_no_difference() -> None:
    assert differences({"file /a": "1"}, {"file /a": "1"}) == []


def test_nothing_seen_is_no_equality() -> None:
    assert differences({}, {}) != []


def test_what_may_be_added_may_not_differ() -> None:
    name = "file /opt/orthanc/1.12.7/orthanc"
    assert differences({"file /": "d"}, {"file /": "d", name: "1"}) == []
    assert differences({name: "1"}, {name: "2"}) == [f"{name}: was '1', now '2'"]


def test_a_neighbour_of_what_may_be_added_is_told() -> None:
    name = "file /data/.wardship-else"
    assert differences({"file /": "d"}, {"file /": "d", name: "1"}) != []
