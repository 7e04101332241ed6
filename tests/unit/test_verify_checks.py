"""The checks, on a healthy archive and on one that is not: each sees what it is there for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrator.verify.checks.test_census import (
    test_archive_files as archive_files,
)
from orchestrator.verify.checks.test_census import (
    test_archive_sample as archive_sample,
)
from orchestrator.verify.checks.test_census import (
    test_census_index as census_index,
)
from orchestrator.verify.checks.test_census import (
    test_census_product as census_product,
)
from orchestrator.verify.model import CheckResult, Moment
from orchestrator.verify.onhost import HostRefused
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.site import Site
from tests.fakes.pacs import FakePacs
from tests.fakes.scene import Scene, census_of, clinical

OBJECTS = [*clinical(1, 3), *clinical(2, 2)]
MORE = [*OBJECTS, *clinical(3, 1)]


@pytest.fixture(scope="module")
def running() -> Iterator[FakePacs]:
    with FakePacs() as pacs:
        yield pacs


@pytest.fixture
def scene(running: FakePacs, tmp_path: Path) -> Iterator[Scene]:
    running.mend()
    made = Scene(running, tmp_path)
    made.fill(OBJECTS)
    made.keep_census()
    yield made
    made.close()


def look(scene: Scene, check: Callable[..., None]) -> None:
    site = scene.site()
    check(site.request, site, scene.record)


ALL = (census_index, census_product, archive_sample)
MOMENTS: tuple[Moment, ...] = ("baseline", "applied", "restored")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("check", ALL)
def test_a_healthy_archive_passes(scene: Scene, check: Callable[..., None], moment: Moment) -> None:
    scene.moment = moment
    look(scene, check)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("check", ALL)
def test_an_empty_archive_passes_if_it_was_empty(
    scene: Scene, check: Callable[..., None], moment: Moment
) -> None:
    scene.fill([])
    scene.keep_census()
    scene.moment = moment
    look(scene, check)


@pytest.mark.parametrize("check", ALL)
def test_without_a_census_from_before_nothing_is_known(
    scene: Scene, check: Callable[..., None]
) -> None:
    scene.moment = "applied"
    (scene.directory / "census.json").unlink()
    with pytest.raises(Unknown):
        look(scene, check)


@pytest.mark.parametrize("moment", ["applied", "restored"])
def test_an_index_that_lost_an_object_is_seen(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    scene.host.census = census_of(OBJECTS[1:])
    with pytest.raises(AssertionError, match="1 objects missing"):
        look(scene, census_index)


def test_an_index_that_gained_an_object_behind_the_shut_door_is_seen(scene: Scene) -> None:
    scene.moment = "applied"
    scene.fill(MORE)
    with pytest.raises(AssertionError, match="1 studies added"):
        look(scene, census_index)


def test_what_was_carried_over_after_a_commit_may_be_there(scene: Scene) -> None:
    scene.moment = "restored"
    scene.fill(MORE)
    look(scene, census_index)
    look(scene, census_product)


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_object_that_is_not_on_disk_is_seen(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    scene.host.files.pop(f"orthanc/{OBJECTS[0].sop_instance}")
    with pytest.raises(AssertionError, match="1 objects of the index are not on disk"):
        look(scene, census_index)


def test_an_object_that_was_removed_while_we_looked_is_not_missed(scene: Scene) -> None:
    scene.host.files.pop(f"orthanc/{OBJECTS[0].sop_instance}")
    site = scene.site()
    site.census_now()
    scene.host.census = census_of(OBJECTS[1:])
    census_index(site.request, site, scene.record)


def test_an_index_that_claims_to_be_empty_is_not_believed(scene: Scene) -> None:
    scene.host.census = census_of([])
    with pytest.raises(AssertionError, match="yet C-FIND gives some"):
        look(scene, census_index)


def test_an_archive_that_answers_empty_is_seen(scene: Scene) -> None:
    scene.moment = "applied"
    scene.pacs.faults.empty = True
    with pytest.raises(AssertionError, match="differ in 2 studies"):
        look(scene, census_product)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_study_with_an_object_less_is_seen(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    del scene.pacs.objects[OBJECTS[0].sop_instance]
    with pytest.raises(AssertionError, match="3 in the census, 2 found"):
        look(scene, census_product)


def test_what_arrives_while_we_look_is_no_difference(scene: Scene) -> None:
    scene.pacs.objects |= {stored.sop_instance: stored for stored in MORE}
    site = scene.site()
    site.census_now()
    scene.host.census = census_of(MORE)
    census_product(site.request, site, scene.record)


def files(scene: Scene) -> None:
    site = scene.site()
    archive_files(site, scene.record)


def undone_before_its_census(scene: Scene, *, objects: int) -> None:
    """Quiesce failed early: no census, no snapshot, nothing applied."""
    scene.moment, scene.host.proof = "restored", None
    (scene.directory / "census.json").unlink()
    measures: dict[str, JsonValue] = {"studies": 2, "objects": objects}
    scene.baseline = (CheckResult(check="census-index", status="passed", measures=measures),)


@pytest.mark.parametrize("check", ALL)
def test_what_was_undone_before_its_census_is_compared_with_itself(
    scene: Scene, check: Callable[..., None]
) -> None:
    undone_before_its_census(scene, objects=5)
    look(scene, check)


def test_and_must_hold_what_it_held_at_the_baseline(scene: Scene) -> None:
    undone_before_its_census(scene, objects=6)
    with pytest.raises(AssertionError, match="5 objects are there, 6 were at the baseline"):
        look(scene, census_index)


@pytest.mark.parametrize("check", [census_index, archive_sample])
def test_what_has_a_snapshot_needs_its_census(scene: Scene, check: Callable[..., None]) -> None:
    undone_before_its_census(scene, objects=5)
    scene.host.proof = {"files": 5}
    with pytest.raises(Unknown, match="no census from before"):
        look(scene, check)


@pytest.mark.parametrize("moment", ["applied", "restored"])
def test_files_that_are_as_in_the_snapshot_pass(scene: Scene, moment: Moment) -> None:
    scene.moment = moment
    files(scene)


@pytest.mark.parametrize("kind", ["missing", "resized", "differing"])
def test_a_file_that_is_not_as_in_the_snapshot_is_seen(scene: Scene, kind: str) -> None:
    scene.moment = "applied"
    assert scene.host.proof is not None
    scene.host.proof |= {kind: ["/data/live/orthanc/x"], f"{kind}_count": 1}
    with pytest.raises(AssertionError, match=f"1 stored files are {kind}"):
        files(scene)


def test_a_snapshot_with_fewer_files_than_the_census_names_is_seen(scene: Scene) -> None:
    scene.moment = "applied"
    assert scene.host.proof is not None
    scene.host.proof["files"] = len(OBJECTS) - 1
    with pytest.raises(AssertionError, match="the snapshot holds 4 files"):
        files(scene)


def test_an_applied_change_without_a_snapshot_is_unknown(scene: Scene) -> None:
    scene.moment, scene.host.proof = "applied", None
    with pytest.raises(HostRefused):
        files(scene)


def test_a_restore_before_the_snapshot_is_compared_with_the_census(scene: Scene) -> None:
    scene.moment, scene.host.proof = "restored", None
    files(scene)
    assert "no snapshot was made" in scene.record.because


def test_and_sees_a_missing_file(scene: Scene) -> None:
    scene.moment, scene.host.proof = "restored", None
    scene.host.files.popitem()
    with pytest.raises(AssertionError, match="1 objects are not on disk"):
        files(scene)


def test_a_sample_says_what_it_covers(scene: Scene) -> None:
    look(scene, archive_sample)
    assert scene.record.because.startswith("5 of 5 files")
    assert "nothing can be damaged unseen" in scene.record.because


def test_a_partial_sample_says_what_it_can_miss(scene: Scene) -> None:
    scene.fill(clinical(1, 300))
    look(scene, archive_sample)
    assert scene.record.because.startswith("200 of 300 files")
    assert "with 95 % confidence at most 0.7% of the files" in scene.record.because


def test_a_file_that_does_not_hold_what_the_index_says_is_seen(scene: Scene) -> None:
    scene.host.files[f"orthanc/{OBJECTS[0].sop_instance}"] = (OBJECTS[0].size, "other")
    with pytest.raises(AssertionError, match="1 of 5 files do not hold"):
        look(scene, archive_sample)


def test_a_file_that_was_removed_while_we_looked_is_not_missed(scene: Scene) -> None:
    site = scene.site()
    site.census_now()
    scene.host.files.pop(f"orthanc/{OBJECTS[0].sop_instance}")
    scene.host.census = census_of(OBJECTS[1:])
    archive_sample(site.request, site, scene.record)


def test_behind_the_shut_door_nobody_removes_a_file(scene: Scene) -> None:
    scene.moment = "applied"
    scene.host.files.pop(f"orthanc/{OBJECTS[0].sop_instance}")
    scene.host.census = census_of(OBJECTS[1:])
    with pytest.raises(AssertionError, match="1 of 5 files do not hold"):
        look(scene, archive_sample)


def test_an_index_without_hashes_is_no_pass(scene: Scene) -> None:
    scene.host.census["studies"][0]["series"][0]["instances"][0]["md5"] = None
    with pytest.raises(AssertionError, match="no hash of 1 files"):
        look(scene, archive_sample)


def test_a_look_that_failed_fails_for_all(scene: Scene) -> None:
    scene.pacs.faults.find = 0xC000
    site: Site = scene.site()
    for _ in range(2):
        with pytest.raises(Exception, match="0xc000"):
            site.found()
    assert scene.pacs.associations == 1
