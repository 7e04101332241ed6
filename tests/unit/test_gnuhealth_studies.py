"""A release that would not know the numbers by which GNU Health finds an order's images."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.role_modules import ROOT, load

ROLE = ROOT / "roles/gnuhealth"
for name in ("host", "database", "product"):
    load(ROLE / f"module_utils/gnuhealth_{name}.py", f"ansible.module_utils.gnuhealth_{name}")
precheck: Any = load(ROLE / "library/gnuhealth_precheck.py")


@pytest.mark.parametrize(
    ("columns", "modules", "refuses"),
    [
        ("1", ["health", "health_imaging"], True),
        ("1", ["health", "health_imaging_worklist"], False),
        ("0", ["health", "health_imaging"], False),
    ],
)
def test_a_release_that_would_not_know_the_numbers_is_refused(
    columns: str, modules: list[str], refuses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    activated = "health\nhealth_orthanc\n"
    monkeypatch.setattr(
        precheck.product, "psql", lambda _, said: activated if "ir_module" in said else columns
    )
    given = {"names": {"modules": modules}, "to_release": "5.0.6"}
    told = list(precheck.images_stay_at_their_orders(given))
    assert bool(told) == refuses
    assert all("declare it under gnuhealth_modules" in one for one in told)
    assert not list(precheck.images_stay_at_their_orders({**given, "to_release": "4.4.2"}))
