"""A plan as it is shown before anything happens: what is certain, what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from orchestrator.fleet.model import Model
from orchestrator.plan.model import ChangeSet, HostChange, Plan, Refusal


class Step(Model):
    """What one phase does on a host, and whether the clinic has its system meanwhile."""

    phase: str
    clinic: Literal["open", "out"]
    does: str


class HostPreview(Model):
    """What will happen to one host. ``captured``: what a restore puts back."""

    change_set: str
    facility: str
    host: str
    product: str
    from_release: str
    to_release: str
    steps: tuple[Step, ...]
    captured: tuple[str, ...]
    outage: str
    differences: tuple[str, ...]
    not_known: tuple[str, ...]


class Preview(Model):
    """A plan, told."""

    plan: str
    mandate: str
    hosts: tuple[HostPreview, ...]
    compliant: tuple[str, ...]
    refusals: tuple[Refusal, ...]


def preview(plan: Plan, *, outages: Mapping[str, float] | None = None) -> Preview:
    """What the plan will do. ``outages``: seconds that the last change of a host took, measured."""
    measured = outages or {}
    return Preview(
        plan=plan.digest,
        mandate=plan.mandate,
        hosts=tuple(
            _host(change_set, host, measured.get(host.host))
            for change_set in plan.change_sets
            for host in change_set.hosts
        ),
        compliant=plan.compliant,
        refusals=plan.refusals,
    )


def lines(shown: Preview) -> Iterator[str]:
    """The preview as plain text."""
    yield f"plan {shown.plan[:12]}: {shown.mandate}"
    for host in shown.hosts:
        yield ""
        hop = f"{host.from_release} → {host.to_release}"
        yield f"{host.facility} · {host.host} · {host.product} {hop}"
        yield f"  change set {host.change_set}"
        for step in host.steps:
            yield f"  {'OUT ' if step.clinic == 'out' else 'open'}  {step.phase:<9} {step.does}"
        yield f"  put back by a restore: {', '.join(host.captured)}"
        yield f"  outage: {host.outage}"
        for difference in host.differences:
            yield f"  will be another: {difference}"
        for unknown in host.not_known:
            yield f"  not known: {unknown}"
    if shown.compliant:
        yield ""
        yield f"as ordered already: {', '.join(shown.compliant)}"
    for facility in dict.fromkeys(refusal.facility for refusal in shown.refusals):
        yield ""
        yield f"{facility} · refused, nothing will be changed there"
        for refusal in shown.refusals:
            if refusal.facility == facility:
                yield f"  {_refused(refusal)}"
                yield f"    next: {refusal.hint}"


def _refused(refusal: Refusal) -> str:
    where = f"{refusal.host}: " if refusal.host else ""
    return f"{where}{refusal.because} [{refusal.gate}]"


def _host(change_set: ChangeSet, host: HostChange, measured: float | None) -> HostPreview:
    captured = [f"{volume.name} ({volume.path})" for volume in host.volumes]
    return HostPreview(
        change_set=change_set.id,
        facility=change_set.facility,
        host=host.host,
        product=host.product,
        from_release=host.from_release,
        to_release=host.to_release,
        steps=tuple(_steps(host)),
        captured=(*captured, *host.paths),
        outage=_outage(host, measured),
        differences=host.differences,
        not_known=(
            f"what {host.product} {host.to_release} does to its own data when it first starts:"
            " the checks judge it, the snapshot is the way back",
        ),
    )


def _steps(host: HostChange) -> Iterator[Step]:
    root, to = host.root, host.to_release
    ports = ", ".join(str(port) for port in host.door_tcp)
    targets = ", ".join(file.target for file in host.install)
    rendered = f", {targets} rendered anew" if targets else ""
    artifact = f"{host.artifact.file} ({_size(host.artifact.size)})"
    yield Step(phase="stage", clinic="open", does=f"{artifact} into {root}/{to}")
    yield Step(phase="baseline", clinic="open", does=f"checks: {', '.join(host.suites)}")
    yield Step(
        phase="quiesce",
        clinic="out",
        does=f"ports {ports} shut, {', '.join(reversed(host.services))} stopped",
    )
    volumes = ", ".join(volume.path for volume in host.volumes)
    yield Step(
        phase="snapshot",
        clinic="out",
        does=f"{volumes} by {host.snapshot}, {len(host.paths)} paths",
    )
    yield Step(phase="apply", clinic="out", does=f"{root}/current to {to}{rendered}, started")
    yield Step(
        phase="verify",
        clinic="out",
        does="the same checks; any that does not pass, or cannot be made: restore",
    )
    yield Step(phase="open", clinic="open", does=f"ports {ports} reachable again")


def _outage(host: HostChange, measured: float | None) -> str:
    limits = host.limits
    forward = limits.quiesce + limits.snapshot + limits.apply + limits.open
    bound = f"phases on the host are cut off after {_minutes(forward)}, then put back"
    if measured is None:
        return f"not measured yet; {bound}"
    return f"about {_minutes(measured)}, as last time; {bound}"


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1 << 20 else f"{count / 2**20:.0f} MiB"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
