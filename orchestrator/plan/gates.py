"""What must hold before a host may be changed. Pure; every refusal is told, not only the first.

What could not be looked at is a refusal: unknown is never a pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from orchestrator.fleet.catalog import Product, Release
from orchestrator.fleet.gates_model import GateSettings
from orchestrator.fleet.model import (
    DicomEndpoint,
    Model,
    Role,
    Snapshot,
    StateDatabase,
    StateVolume,
)
from orchestrator.fleet.route import route
from orchestrator.fleet.rules import in_version_order
from orchestrator.plan import gates_declared, gates_state
from orchestrator.plan.model import HostChange, Refusal
from orchestrator.survey.model import HostSurvey, VolumeSurvey

#: What was found in the depot under an artifact's name; *unknown* where nobody looked.
ArtifactState = Literal["good", "missing", "differs", "unknown"]
#: The host program's own need.
OLDEST_PYTHON = (3, 9)


class Backup(Model):
    """What was found of a host's backup. ``problem``: why it is none that can be relied on."""

    taken_at: datetime | None = None
    problem: str = ""


#: Whose certificate: who issued it, the product's, the probe's.
Whose = Literal["authority", "archive", "verifier"]


class DeclaredCertificate(Model):
    """A certificate that the fleet declares for a host's DICOM TLS, as its file is now.

    ``problem``: why it cannot be read; the rest is then absent. Times are UTC.
    """

    whose: Whose
    file: str
    fingerprint: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    problem: str = ""


@dataclass(frozen=True)
class Prospect:
    """One host, what is ordered for it, and what was found there.

    ``settings``: the gates that are declared for it; ``confirmed``: its checklist's dates.
    ``backup``: what was found of it, None where nobody looked. ``now`` in UTC.
    ``dicom``: its DICOM service as declared; ``certificates``: those that are declared for it, None
    where nobody looked.
    ``artifacts``: what was found in the depot, by file name.
    ``planned``: the releases on the way, where a plan has said which.
    ``own``: a change set that may hold the host, because it is the one that asks.
    """

    facility: str
    host: str
    product_name: str
    product: Product
    to_release: str
    role: Role
    volumes: tuple[StateVolume, ...]
    databases: tuple[StateDatabase, ...]
    snapshot: Snapshot
    survey: HostSurvey
    artifacts: Mapping[str, ArtifactState]
    now: datetime
    settings: GateSettings = field(default_factory=GateSettings)
    confirmed: Mapping[str, date] = field(default_factory=dict)
    backup: Backup | None = None
    dicom: DicomEndpoint | None = None
    certificates: tuple[DeclaredCertificate, ...] | None = None
    own: str | None = None
    planned: tuple[str, ...] | None = None

    def releases(self) -> Iterator[tuple[str, Release]]:
        """What is brought: each release on the way, and the one that is ordered."""
        way = self.planned
        if way is None:
            way = route(self.product, self.survey.release, self.to_release) or ()
        for name in (*way, self.to_release):
            yield name, self.product.releases[name]

    def found(self, volume: StateVolume) -> VolumeSurvey | None:
        """The volume as found, if it was."""
        return next((one for one in self.survey.volumes if one.name == volume.name), None)


Reason = tuple[str, str, str]


def gates(prospect: Prospect) -> list[Refusal]:
    """Every reason against changing this host."""
    return [
        Refusal(
            facility=prospect.facility, host=prospect.host, gate=gate, because=because, hint=hint
        )
        for rule in RULES
        for gate, because, hint in rule(prospect)
    ]


def moved(planned: HostChange, now: HostSurvey) -> tuple[str, ...]:
    """What is not as it was when the plan was made: ``release was 1.10.1, is 1.12.7``."""
    found = now.facts()
    names = [*planned.facts, *(name for name in found if name not in planned.facts)]
    return tuple(
        f"{name} was {_short(planned.facts.get(name))}, is {_short(found.get(name))}"
        for name in names
        if planned.facts.get(name) != found.get(name)
    )


def _short(fact: str | None) -> str:
    if fact is None:
        return "not known"
    return fact[:12] if re.fullmatch(r"[0-9a-f]{40,}", fact) else fact or "nothing"


def _product(p: Prospect) -> Iterator[Reason]:
    if p.survey.product != p.product_name:
        yield (
            "product",
            f"the host carries {p.survey.product}, declared is {p.product_name}",
            "mend the declaration, then: wardship fleet check",
        )


def _path(p: Prospect) -> Iterator[Reason]:
    here, to = p.survey.release, p.to_release
    if not here:
        yield "release", "which release is installed is not known", _again(p)
    elif here == to:
        return
    elif in_version_order(to) < in_version_order(here):
        yield (
            "downgrade",
            f"{here} is installed, {to} is older",
            "a change is put back with: wardship restore CHANGE; a mandate goes forward only",
        )
        return
    way = route(p.product, here, to)
    if way is None:
        hint = f"add {here} to upgrades_from of {to} in catalog.yml, if that was tried"
        yield "upgrade-path", f"the catalog has no way from {here} to {to}", hint
    elif p.planned not in (None, way):
        because = f"the catalog's way from {here} to {to} is another than when it was planned"
        yield "upgrade-path", because, f"wardship plan {p.facility}"


def _running(p: Prospect) -> Iterator[Reason]:
    if p.survey.running is None:
        yield "running", "the product does not say which release runs", _again(p)
    elif p.survey.running != p.survey.release:
        because = f"{p.survey.release} is installed, but {p.survey.running} runs"
        yield "running", because, f"start the installed release, then: {_again(p)}"


def _services(p: Prospect) -> Iterator[Reason]:
    found = {service.name: service.active for service in p.survey.services}
    for name in p.role.services:
        if name not in found:
            yield "service", f"{name} was not looked at", _again(p)
        elif found[name] != "active":
            because = f"{name} is {found[name]}, a change begins with a hospital that works"
            yield "service", because, f"mend it, then: {_again(p)}"


def _python(p: Prospect) -> Iterator[Reason]:
    match = re.match(r"(\d+)\.(\d+)", p.survey.python)
    if match is None:
        yield "python", "the host's Python is not known", _again(p)
    elif (int(match[1]), int(match[2])) < OLDEST_PYTHON:
        because = f"the host has Python {p.survey.python}, the host program needs 3.9"
        yield "python", because, "install a newer python3 on the host"


def _lock(p: Prospect) -> Iterator[Reason]:
    if p.survey.locked_by and p.survey.locked_by != p.own:
        yield (
            "lock",
            f"change {p.survey.locked_by} is not finished on this host",
            "see what it needs: wardship status",
        )


def _artifact(p: Prospect) -> Iterator[Reason]:
    for _, release in p.releases():
        name = release.artifact.file
        told = {
            "missing": f"{name} is not in the depot",
            "differs": f"{name} in the depot is not what the catalog says (size or SHA-256)",
            "unknown": f"whether {name} is in the depot is not known",
        }
        state = p.artifacts.get(name, "unknown")
        if state != "good":
            yield "artifact", told[state], "put the right file there, then: wardship fleet check"


def _reversible(p: Prospect) -> Iterator[Reason]:
    for name, release in p.releases():
        if release.irreversible:
            yield (
                "irreversible",
                f"{name} cannot be put back once it has started",
                "wardship does not run such a release: there is no approval by name yet",
            )


def _again(p: Prospect) -> str:
    return f"wardship survey {p.facility}"


Rule = Callable[[Prospect], Iterator[Reason]]
RULES: tuple[Rule, ...] = (
    _product,
    _path,
    _running,
    *gates_state.RULES,
    _services,
    _python,
    _lock,
    _artifact,
    _reversible,
    *gates_declared.RULES,
)
