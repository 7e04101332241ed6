"""How a host takes its snapshot is decided in the plan, from declaration and survey, and shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.orders import manifest
from orchestrator.fleet.model import Fleet, Limits, StateVolume
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.preview import preview
from orchestrator.plan.preview_lines import lines
from orchestrator.plan.room import limits_for, to_hold
from orchestrator.survey.model import VolumeSurvey
from tests.builders import (
    NOW,
    a_facility_survey,
    a_fleet,
    a_host_survey,
    a_volume,
    facility_yaml,
)

GIB = 1 << 30
COPY = facility_yaml("a", number=11).replace(
    "product: orthanc", "product: orthanc\n    snapshot: copy"
)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return a_fleet(tmp_path, {"facilities/hospital-a.yml": COPY})


def on_ext4(**found: object) -> VolumeSurvey:
    known = {"used": GIB, "entries": 10, "shares_blocks": False, "is_mount_point": False}
    volume = a_volume(filesystem="ext4", is_subvolume=False, free_mib=2048)
    return volume.model_copy(update={**known, **found})


def planned(fleet: Fleet, volume: VolumeSurvey) -> Plan:
    surveys = {"hospital-a": a_facility_survey(a_host_survey(volumes=(volume,)))}
    return make_plan(fleet, surveys, now=NOW, depot={"orthanc-1.12.7.tar.gz": "good"})


def test_a_copy_is_told_with_its_size_and_its_room(fleet: Fleet) -> None:
    plan = planned(fleet, on_ext4())
    (change,) = plan.change_sets[0].hosts
    assert (change.snapshot, change.copied) == ("copy", GIB)
    assert manifest(plan.change_sets[0], change)["provider"] == "copy"
    text = "\n".join(lines(preview(plan)))
    assert "/data/live copied and read back, 1.0 GiB" in text
    assert "/data/live needs 1536 MiB for copy of live, free: 2048 MiB" in text


def test_blocks_that_are_shared_take_no_room(fleet: Fleet) -> None:
    plan = planned(fleet, on_ext4(shares_blocks=True, free=600 << 20))
    assert plan.change_sets[0].hosts[0].copied == 0
    assert "copied by sharing blocks (reflink)" in "\n".join(lines(preview(plan)))


@pytest.mark.parametrize(
    ("found", "gate", "because"),
    [
        ({"free": GIB}, "free-space", "/data/live has 1024 MiB free, 1536 MiB are needed"),
        ({"is_mount_point": True}, "volume", "is a mount point"),
        ({"is_mount_point": None}, "volume", "may be a mount point, nobody looked"),
        ({"used": None}, "volume", "how much a copy of volume live (/data/live) holds is not"),
        ({"shares_blocks": None}, "volume", "how much a copy of volume live (/data/live) holds"),
        ({"filesystem": "btrfs", "is_subvolume": True}, "volume", "is a btrfs subvolume"),
    ],
)
def test_a_copy_that_cannot_be_is_refused(
    fleet: Fleet, found: dict[str, object], gate: str, because: str
) -> None:
    plan = planned(fleet, on_ext4(**found))
    assert not plan.change_sets
    assert [one.gate for one in plan.refusals if because in one.because] == [gate]


def test_btrfs_declared_on_ext4_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (refusal,) = planned(a_fleet(tmp_path), on_ext4()).refusals
    assert "is ext4: it cannot be snapshotted" in refusal.because
    assert "snapshot: copy" in refusal.hint


def test_the_limit_of_the_phase_grows_with_what_is_copied() -> None:
    assert limits_for(Limits(), copied=0, held=0) == Limits()
    grown = limits_for(Limits(snapshot=120), copied=600 << 20, held=0)
    assert (grown.snapshot, grown.restore) == (180, Limits().restore)
    assert limits_for(Limits(), copied=10 << 50, held=0).snapshot == 86400


def test_the_limits_grow_with_the_objects_that_are_held() -> None:
    grown = limits_for(Limits(snapshot=120, restore=900), copied=0, held=90_000)
    assert (grown.snapshot, grown.restore) == (240, 1020)


def test_only_the_objects_of_an_archive_are_counted_as_held() -> None:
    found = a_host_survey(volumes=(on_ext4(), on_ext4(name="images", entries=7)))
    live = StateVolume(name="live", path="/data/live", kind="index")
    images = StateVolume(name="images", path="/images", kind="archive", objects=("x",))
    assert to_hold((live, images), found) == 7
