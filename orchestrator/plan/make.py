"""Makes the plan: the difference between what is ordered and what was found. Pure.

Decides what will be changed and what is refused; never how a change goes. A facility that is
refused does not stop the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.fleet.model import Fleet, Host
from orchestrator.fleet.route import route
from orchestrator.plan.gates import (
    ArtifactState,
    Backup,
    DeclaredCertificate,
    Prospect,
    gates,
)
from orchestrator.plan.model import (
    Brought,
    ChangeSet,
    HostChange,
    Plan,
    Prediction,
    Refusal,
    Room,
)
from orchestrator.plan.outage import Measured, Measurements
from orchestrator.plan.parking import GIVING, by_hand, parking_for, unsaid
from orchestrator.plan.prospect import prospect
from orchestrator.plan.room import READ_AS_TEXT, limits_for, rooms, shortages, to_copy, to_hold
from orchestrator.plan.together import sets, unmet
from orchestrator.survey.model import FacilitySurvey, HostSurvey


def make_plan(
    fleet: Fleet,
    surveys: Mapping[str, FacilitySurvey],
    *,
    now: datetime,
    depot: Mapping[str, ArtifactState],
    attempts: Mapping[str, int] | None = None,
    unpacked: Mapping[str, int] | None = None,
    predictions: Mapping[str, Prediction] | None = None,
    measured: Sequence[Measured] = (),
    backups: Mapping[str, Backup] | None = None,
    certificates: Mapping[str, tuple[DeclaredCertificate, ...]] | None = None,
) -> Plan:
    """The plan for the facilities that were surveyed.

    ``depot``: what was found under each artifact's file name. ``attempts``: how many change sets
    each facility has had, so that the same change tried again is another change set. ``unpacked``:
    bytes that an artifact's release takes, by file. ``predictions``: by host, of those that were
    asked; staging that would fail there is a refusal. ``measured``: outages of earlier changes,
    oldest first. ``backups``: what was found of them, by host. ``certificates``: those that are
    declared for DICOM TLS, by host.
    """
    known = _Known(
        now=now,
        depot=depot,
        attempts=attempts or {},
        unpacked=unpacked or {},
        predictions=predictions or {},
        outages=Measurements(measured),
        backups=backups or {},
        certificates=certificates or {},
    )
    change_sets: list[ChangeSet] = []
    refusals: list[Refusal] = []
    compliant: list[str] = []
    for facility in sorted(surveys):
        maker = _Facility(fleet, facility, surveys[facility], known)
        refused = maker.refusals()
        refusals += refused
        if refused:
            continue
        made = maker.change_sets()
        change_sets += made
        if not made:
            compliant.append(facility)
    plan = Plan(
        fleet=fleet.settings.fleet,
        mandate=fleet.mandate.mandate,
        made_at=now,
        fleet_digest=fleet.digest,
        parallel=fleet.settings.parallel,
        change_sets=tuple(change_sets),
        compliant=tuple(compliant),
        refusals=tuple(refusals),
    )
    return plan.model_copy(update={"digest": plan.computed_digest()})


@dataclass(frozen=True)
class _Known:
    """What was learned besides the surveys (``make_plan``)."""

    now: datetime
    depot: Mapping[str, ArtifactState]
    attempts: Mapping[str, int]
    unpacked: Mapping[str, int]
    predictions: Mapping[str, Prediction]
    outages: Measurements
    backups: Mapping[str, Backup]
    certificates: Mapping[str, tuple[DeclaredCertificate, ...]]


class _Facility:
    """One facility: its hosts with an order, and what was found there."""

    def __init__(self, fleet: Fleet, facility: str, survey: FacilitySurvey, known: _Known) -> None:
        self.fleet = fleet
        self.name = facility
        self.survey = survey
        self.known = known
        self.found = {host.host: host for host in survey.hosts}

    def refusals(self) -> list[Refusal]:
        """Every reason against a change here, and against leaving it as it would then be."""
        hint = f"mend it, then: wardship survey {self.name}"
        told = [
            Refusal(facility=self.name, gate="survey", because=problem, hint=hint)
            for problem in self.survey.problems
        ]
        for name, _, release in self._ordered():
            found = self.found.get(name)
            if found is None:
                because = "the survey has nothing about this host"
                told.append(
                    Refusal(
                        facility=self.name, host=name, gate="survey", because=because, hint=hint
                    )
                )
            elif not _is_as_ordered(found, release):
                told += gates(self._prospect(name, release, found))
                told += shortages(self.name, name, self._rooms(name, release))
                told += self._stage_fails(name)
        return told + unmet(self.fleet, self.name, self.found)

    def _stage_fails(self, host: str) -> Iterator[Refusal]:
        predicted = self.known.predictions.get(host)
        if predicted and predicted.failure:
            yield Refusal(
                facility=self.name, host=host, gate="prediction",
                because=f"what would change could not be predicted: {predicted.failure}",
                hint=f"mend it, then: wardship plan {self.name}",
            )  # fmt: skip

    def _rooms(self, name: str, release: str) -> tuple[Room, ...]:
        host = self.fleet.facilities[self.name].hosts[name]
        artifacts = [one.artifact for one in self._brought(host, self.found[name], release)]
        sizes = [self.known.unpacked.get(artifact.file) for artifact in artifacts]
        known = [size for size in sizes if size is not None]
        return rooms(
            self.fleet.role_of(host),
            self.fleet.volumes_of(host),
            sum(artifact.size for artifact in artifacts),
            self.found[name],
            snapshot=self.fleet.snapshot_of(host),
            unpacked=sum(known) if len(known) == len(sizes) else None,
        )

    def _brought(self, host: Host, found: HostSurvey, release: str) -> tuple[Brought, ...]:
        """What is brought to a host: each release on the way, the ordered one last."""
        product = self.fleet.catalog.products[host.product]
        way = route(product, found.release, release) or ()
        return tuple(
            Brought(release=name, artifact=product.releases[name].artifact)
            for name in (*way, release)
        )

    def change_sets(self) -> list[ChangeSet]:
        """The hosts that are not as ordered, those together that need one another."""
        changes = [
            self._change(name, host, release)
            for name, host, release in self._ordered()
            if not _is_as_ordered(self.found[name], release)
        ]
        return [self._change_set(each) for each in sets(self.fleet.catalog, changes)]

    def _ordered(self) -> Iterator[tuple[str, Host, str]]:
        for name, host in self.fleet.facilities[self.name].hosts.items():
            if release := self.fleet.mandate.release_for(self.name, host.product):
                yield name, host, release

    def _prospect(self, name: str, release: str, found: HostSurvey) -> Prospect:
        return prospect(
            self.fleet,
            self.name,
            name,
            to_release=release,
            survey=found,
            artifacts=self.known.depot,
            now=self.known.now,
            backup=self.known.backups.get(name),
            certificates=self.known.certificates.get(name),
        )

    def _change(self, name: str, host: Host, release: str) -> HostChange:
        product = self.fleet.catalog.products[host.product]
        role = self.fleet.roles[product.role]
        found = self.found[name]
        *hops, last = self._brought(host, found, release)
        ports = [each.port for each in (host.dicom, host.web, host.hl7) if each]
        parking = parking_for(self.fleet, host, to_release=release)
        volumes = self.fleet.volumes_of(host)
        copied = to_copy(self.fleet.snapshot_of(host), volumes, found) or 0
        of_databases = sum(each.size for each in found.databases)
        change = HostChange(
            host=name,
            address=host.address,
            ssh=self.fleet.ssh_of(host),
            product=host.product,
            role=product.role,
            kind=role.kind,
            from_release=found.release,
            to_release=release,
            hops=hops,
            artifact=last.artifact,
            root=role.root,
            services=self.fleet.services_of(host),
            volumes=volumes,
            databases=self.fleet.copied_databases(host),
            paths=role.state.paths,
            install=role.install,
            snapshot=self.fleet.snapshot_of(host),
            copied=copied + of_databases,
            door_tcp=tuple(sorted(ports)),
            door_users=role.door_users,
            beside_tcp=tuple(
                sorted(each.port for name in role.beside if (each := getattr(host, name)))
            ),
            brings_tcp=tuple(sorted({*ports} & {*found.brings_tcp})),
            limits=limits_for(
                role.limits,
                copied=copied + READ_AS_TEXT * of_databases,
                held=to_hold(volumes, found),
                giving=GIVING if parking else 0,
                hops=len(hops),
            ),
            suites=self.fleet.suites_of(host),
            dicom=host.dicom,
            web=host.web,
            parking=parking,
            by_hand=by_hand(host),
            unsaid=unsaid(host),
            facts=found.facts(),
            differences=found.differences,
            prediction=self.known.predictions.get(name),
            room=self._rooms(name, release),
        )
        outage = self.known.outages.expected(change, self.name)
        return change.model_copy(update={"outage": outage})

    def _change_set(self, hosts: tuple[HostChange, ...]) -> ChangeSet:
        settings = self.fleet.settings
        draft = ChangeSet(
            id="", facility=self.name, hosts=hosts, verify=settings.verify,
            anchor_port=settings.anchor_port,
        )  # fmt: skip
        around = [self.fleet.mandate.mandate, self.known.attempts.get(self.name, 0)]
        content = f"{draft.content()}\n{json.dumps(around)}"
        digest = hashlib.sha256(content.encode()).hexdigest()
        return draft.model_copy(update={"id": f"{self.name}-{digest[:8]}"})


def _is_as_ordered(found: HostSurvey, release: str) -> bool:
    """Installed, running, and no change under way: what is not known to be so is not so."""
    return found.release == release and found.running == release and not found.locked_by
