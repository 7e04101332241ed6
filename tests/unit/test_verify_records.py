"""The check of records, on a RIS that kept them all and on one that did not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.verify.checks.test_records import test_records_kept as records_kept
from orchestrator.verify.model import Moment
from orchestrator.verify.outcome import Unknown
from tests.fakes.pacs import FakePacs
from tests.fakes.scene import Raw, Scene

KNOWN = {"patients": {"1": "a", "2": "b"}, "orders": {"7": "c"}}
MOMENTS: tuple[Moment, ...] = ("baseline", "applied", "restored")


def census(records: dict[str, dict[str, str]]) -> Raw:
    return {"schema": 1, "product": "ris", "patients": 2, "studies": [], "records": records}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with FakePacs() as pacs:
        made = Scene(pacs, tmp_path)
        made.host.census = census(KNOWN)
        made.keep_census()
        yield made
        made.close()


def look(scene: Scene) -> None:
    site = scene.site()
    records_kept(site.request, site, scene.record)


@pytest.mark.parametrize("moment", MOMENTS)
def test_records_that_are_as_before_pass(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    look(scene)


@pytest.mark.parametrize("moment", ["applied", "restored"])
def test_a_record_that_is_gone_or_says_something_else_is_seen(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    scene.host.census = census({"patients": {"1": "other"}, "orders": {"7": "c"}})
    with pytest.raises(AssertionError, match="1 records missing: patients 2; 1 records changed"):
        look(scene)


def test_a_record_that_appeared_behind_the_shut_door_is_seen(scene: Scene) -> None:
    scene.host.census = census({**KNOWN, "orders": {"7": "c", "8": "d"}})
    scene.moment = "restored"
    look(scene)
    scene.moment = "applied"
    with pytest.raises(AssertionError, match="1 records added: orders 8"):
        look(scene)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_product_that_counts_no_records_does_not_pass(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    scene.host.census = census({})
    with pytest.raises(AssertionError, match="counts no kind of record"):
        look(scene)


def test_without_a_census_from_before_nothing_is_known(scene: Scene) -> None:
    (scene.directory / "census.json").unlink()
    scene.moment = "applied"
    with pytest.raises(Unknown):
        look(scene)
