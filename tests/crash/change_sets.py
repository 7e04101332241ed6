"""A change set of one host, for tests that need no real one."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.fleet.catalog import Artifact
from orchestrator.fleet.model import Limits, Ssh, StateVolume, VerifySettings
from orchestrator.plan.model import ChangeSet, HostChange, Plan


def change_set(name: str = "hospital-a-0001", facility: str = "hospital-a") -> ChangeSet:
    """One PACS from release 1 to 2."""
    host = HostChange(
        host="pacs-a",
        address="192.0.2.1",
        ssh=Ssh(),
        product="fake",
        role="fake",
        kind="pacs",
        from_release="1",
        to_release="2",
        artifact=Artifact(file="fake.tar", sha256="0" * 64, size=1),
        root="/opt/fake",
        services=("fake.service",),
        volumes=(StateVolume(name="live", path="/data/live"),),
        paths=(),
        install=(),
        snapshot="btrfs",
        door_tcp=(4242,),
        limits=Limits(),
        suites=("fake",),
        dicom=None,
        web=None,
        facts={"release": "1"},
    )
    return ChangeSet(
        id=name, facility=facility, hosts=(host,), verify=VerifySettings(patience_seconds=0)
    )


def plan(*change_sets: ChangeSet) -> Plan:
    """A plan of these."""
    made = Plan(
        fleet="fake",
        mandate="fake",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        fleet_digest="0" * 64,
        parallel=2,
        change_sets=change_sets or (change_set(),),
    )
    return made.model_copy(update={"digest": made.computed_digest()})
