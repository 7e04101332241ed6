"""A database beside others: declared, found, given room, shown, and told to the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.orders import manifest
from orchestrator.fleet import inventory
from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.host import manifest as host_manifest
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.preview import preview
from orchestrator.plan.preview_lines import lines
from orchestrator.survey.model import DatabaseSurvey, VolumeSurvey
from tests.builders import (
    NOW,
    ROLE,
    a_facility_survey,
    a_host_survey,
    a_volume,
    facility_yaml,
    write_fleet,
    write_roles,
)

GIB = 1 << 30
CLUSTER = "postgresql@15-main.service"
RECORDS = f"  databases: [{{name: records, database: orthanc, service: {CLUSTER}}}]\n  paths:"
SHARED = facility_yaml("a", number=11).replace(
    "product: orthanc",
    "product: orthanc\n    snapshot: postgres\n    databases: {records: index_a}",
)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    roles = write_roles(tmp_path / "roles")
    (roles / "orthanc/meta/wardship.yml").write_text(ROLE.replace("  paths:", RECORDS))
    changes = {"facilities/hospital-a.yml": SHARED}
    return load(write_fleet(tmp_path / "fleet", changes), roles=roles)


def on_ext4(**found: object) -> VolumeSurvey:
    known = {"used": 1 << 20, "entries": 10, "shares_blocks": False, "is_mount_point": False}
    volume = a_volume(filesystem="ext4", is_subvolume=False, free_mib=2048)
    return volume.model_copy(update={**known, **found})


def database(**found: object) -> DatabaseSurvey:
    known = DatabaseSurvey(
        name="records", database="index_a", cluster=CLUSTER,
        directory="/var/lib/postgresql/15/main", size=GIB, free=4 * GIB,
    )  # fmt: skip
    return known.model_copy(update=found)


def planned(fleet: Fleet, *found: DatabaseSurvey, volume: VolumeSurvey | None = None) -> Plan:
    survey = a_host_survey(volumes=(volume or on_ext4(),)).model_copy(update={"databases": found})
    surveys = {"hospital-a": a_facility_survey(survey)}
    return make_plan(fleet, surveys, now=NOW, depot={"orthanc-1.12.7.tar.gz": "good"})


def test_the_cluster_goes_on_and_the_host_is_told_which_database(fleet: Fleet) -> None:
    plan = planned(fleet, database())
    (change,) = plan.change_sets[0].hosts
    assert change.services == ("orthanc.service",)
    told = manifest(plan.change_sets[0], change)
    assert told["databases"] == [{"name": "records", "database": "index_a", "service": CLUSTER}]
    assert host_manifest.parse(told).databases[0].cluster == "15/main"
    files = inventory.render(fleet, "hospital-a")
    assert "wardship_databases:\n        records: index_a" in files[Path("hosts.yml")].decode()


def test_its_size_is_time_and_room(fleet: Fleet) -> None:
    plan, small = planned(fleet, database()), planned(fleet, database(size=0))
    (change,), (other,) = plan.change_sets[0].hosts, small.change_sets[0].hosts
    assert change.copied == GIB + (1 << 20)
    assert change.limits.snapshot > other.limits.snapshot
    text = "\n".join(lines(preview(plan)))
    assert "/data/live and, beside others, database index_a copied and read back, 1.0 GiB" in text
    assert "1536 MiB for copy of database index_a" in text


@pytest.mark.parametrize(
    ("found", "gate", "because"),
    [
        ([], "database", f"database index_a ({CLUSTER}) was not found"),
        ([database(database="orthanc")], "database", "index_a"),
        ([database(cluster="postgresql@13-main.service")], "database", "was not found"),
        ([database(free=GIB)], "free-space", "a copy of database index_a needs 1536 MiB"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    fleet: Fleet, found: list[DatabaseSurvey], gate: str, because: str
) -> None:
    plan = planned(fleet, *found)
    assert not plan.change_sets
    assert gate in [one.gate for one in plan.refusals if because in one.because]


def test_the_volume_beside_it_is_a_plain_directory(fleet: Fleet) -> None:
    plan = planned(fleet, database(), volume=a_volume())
    (told,) = plan.refusals
    assert "is a btrfs subvolume, and beside a database it is copied" in told.because


def test_another_database_is_another_plan(fleet: Fleet) -> None:
    one, other = database(), database(cluster="postgresql@13-main.service")
    surveys = [a_host_survey().model_copy(update={"databases": (each,)}) for each in (one, other)]
    assert surveys[0].fingerprint() != surveys[1].fingerprint()
    assert "databases" not in a_host_survey().facts()
