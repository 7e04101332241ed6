"""What the gates look at, put together from the declaration and what was found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.fleet.model import Fleet
from orchestrator.plan.gates import ArtifactState, Backup, DeclaredCertificate, Prospect
from orchestrator.survey.model import HostSurvey


def prospect(
    fleet: Fleet,
    facility: str,
    host: str,
    *,
    to_release: str,
    survey: HostSurvey,
    artifacts: Mapping[str, ArtifactState],
    now: datetime,
    backup: Backup | None = None,
    certificates: tuple[DeclaredCertificate, ...] | None = None,
    own: str | None = None,
    planned: tuple[str, ...] | None = None,
) -> Prospect:
    """What the gates look at, for one declared host."""
    declared = fleet.facilities[facility].hosts[host]
    return Prospect(
        facility=facility,
        host=host,
        product_name=declared.product,
        product=fleet.catalog.products[declared.product],
        to_release=to_release,
        role=fleet.role_of(declared),
        volumes=fleet.volumes_of(declared),
        databases=fleet.copied_databases(declared),
        snapshot=fleet.snapshot_of(declared),
        survey=survey,
        artifacts=artifacts,
        now=now,
        settings=fleet.gates_of(declared),
        confirmed=declared.gates.confirmed,
        backup=backup,
        dicom=declared.dicom,
        certificates=certificates,
        own=own,
        planned=planned,
    )
