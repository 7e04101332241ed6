"""A plan as it is shown before anything happens: certain, predicted, and unknown until run.

Hosts to which the same happens, but for their own names, are one group: a plan is never bigger than
what a person can read. Nothing is left out of the plan itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Literal

from orchestrator.fleet.model import Model, copies
from orchestrator.plan.model import (
    Brought,
    ChangeSet,
    FileDifference,
    HostChange,
    Outage,
    Plan,
    Refusal,
    Room,
)
from orchestrator.plan.outage import Measurements
from orchestrator.plan.parking import told


class Step(Model):
    """What one phase does on a host, and whether the clinic has its system meanwhile."""

    phase: str
    clinic: Literal["open", "out"]
    does: str


class Place(Model):
    """One host of a group. ``together``: the others of its set, in the order of their change."""

    facility: str
    host: str
    change_set: str
    outage: Outage
    room: tuple[Room, ...]
    together: tuple[str, ...] = ()


class Variant(Model):
    """Hosts of a group for which the same is predicted, but for their own names.

    ``hosts`` as ``facility/host``; texts are the first one's. ``predicted`` is None where check
    mode was not asked; ``intended`` is then all that is known, from the survey.
    """

    hosts: tuple[str, ...]
    intended: tuple[str, ...]
    predicted: tuple[FileDifference, ...] | None


class Group(Model):
    """Hosts to which the same happens. Texts are those of the first, with its own names.

    ``captured``: what a restore puts back.
    """

    product: str
    from_release: str
    to_release: str
    #: From where to where, by which releases.
    way: str
    hosts: tuple[Place, ...]
    steps: tuple[Step, ...]
    captured: tuple[str, ...]
    variants: tuple[Variant, ...]
    unknown: tuple[str, ...]


class RefusedGroup(Model):
    """The same refusal at several places. ``because`` and ``hint`` are the first one's."""

    gate: str
    because: str
    hint: str
    facilities: tuple[str, ...]
    hosts: tuple[str, ...]


class Preview(Model):
    """A plan, told."""

    plan: str
    mandate: str
    groups: tuple[Group, ...]
    compliant: tuple[str, ...]
    refusals: tuple[RefusedGroup, ...]


Member = tuple[ChangeSet, HostChange]


def preview(plan: Plan) -> Preview:
    """What the plan will do."""
    alike: dict[Hashable, list[Member]] = {}
    for change_set in plan.change_sets:
        for host in change_set.hosts:
            alike.setdefault(_sameness(change_set, host), []).append((change_set, host))
    return Preview(
        plan=plan.digest,
        mandate=plan.mandate,
        groups=tuple(_group(members) for members in alike.values()),
        compliant=plan.compliant,
        refusals=tuple(_refused(plan.refusals)),
    )


def _group(members: Sequence[Member]) -> Group:
    _, first = members[0]
    return Group(
        product=first.product,
        from_release=first.from_release,
        to_release=first.to_release,
        way=first.way,
        hosts=tuple(
            Place(
                facility=change_set.facility,
                host=host.host,
                change_set=change_set.id,
                outage=host.outage or Measurements().expected(host, change_set.facility),
                room=host.room,
                together=tuple(one.host for one in change_set.hosts if one is not host),
            )
            for change_set, host in members
        ),
        steps=tuple(_steps(first)),
        captured=(
            *(f"{each.name} ({each.path})" for each in first.volumes if each.kind == "index"),
            *(f"{each.name} (database {each.database})" for each in first.databases),
            *first.paths,
        ),
        variants=tuple(_variants(members)),
        unknown=tuple(_unknown(members)),
    )


def _sameness(change_set: ChangeSet, host: HostChange) -> Hashable:
    """What is done to a host, without what is only its own name for it."""
    places = neutral(
        repr((host.volumes, host.databases, host.paths)), own_names(change_set.facility, host)
    )
    return (
        (host.product, host.way, host.artifact, host.root),
        (host.services, host.install, _captured(host), host.door_tcp, host.suites, host.limits),
        told(host.parking, host.by_hand, host.unsaid),
        places,
    )


def _variants(members: Sequence[Member]) -> Iterator[Variant]:
    alike: dict[Hashable, list[Member]] = {}
    for change_set, host in members:
        found = host.prediction.differences if host.prediction else None
        told = found and [(each.path, changed_lines(each.text)) for each in found]
        names = own_names(change_set.facility, host)
        key = neutral(repr((host.differences, told)), names), found is None
        alike.setdefault(key, []).append((change_set, host))
    for same in alike.values():
        first = same[0][1]
        yield Variant(
            hosts=tuple(f"{change_set.facility}/{host.host}" for change_set, host in same),
            intended=first.differences,
            predicted=first.prediction.differences if first.prediction else None,
        )


def own_names(facility: str, host: HostChange) -> Mapping[str, str]:
    """A host's own names, and what stands for them where hosts are compared."""
    names = {host.host: "{host}", facility: "{facility}", host.address: "{address}"}
    names |= {facility.upper(): "{FACILITY}", host.host.upper(): "{HOST}"}
    return names | ({host.dicom.ae_title: "{AE title}"} if host.dicom else {})


def neutral(text: str, names: Mapping[str, str]) -> str:
    """A text with own names replaced, where they stand as whole words."""
    known = sorted((one for one in names if one and one in text), key=len, reverse=True)
    if not known:
        return text
    pattern = rf"(?<![\w.-])(?:{'|'.join(map(re.escape, known))})(?![\w-])"
    return re.sub(pattern, lambda found: names[found[0]], text)


def changed_lines(diff: str) -> tuple[str, ...]:
    """The lines of a unified diff that go or come, without what only surrounds them."""
    return tuple(
        line
        for line in diff.splitlines()
        if line[:1] in ("+", "-") and not line.startswith(("+++", "---"))
    )


def changes(diff: str) -> tuple[str, ...]:
    """What goes (-), what comes (+), and what becomes another (~) in one line: ``A = 1 → 2``."""
    lines = changed_lines(diff)
    parts = [(line[0], *line[1:].partition(" = ")) for line in lines]
    seen = Counter((sign, name) for sign, name, equals, _ in parts if equals)
    moved = {name for sign, name in seen if sign == "+" and seen["+", name] == seen["-", name] == 1}
    before = {name: value for sign, name, _, value in parts if sign == "-" and name in moved}
    told = []
    for (sign, name, equals, value), line in zip(parts, lines, strict=True):
        if not equals or name not in moved:
            told.append(f"{sign} {line[1:].strip()}")
        elif sign == "+":
            told.append(f"~ {name.strip()} = {before[name]} → {value}")
    return tuple(told)


def _refused(refusals: Sequence[Refusal]) -> Iterator[RefusedGroup]:
    alike: dict[str, list[Refusal]] = {}
    for one in refusals:
        names = {one.facility: "{facility}"} | ({one.host: "{host}"} if one.host else {})
        alike.setdefault(neutral(repr((one.gate, one.because, one.hint)), names), []).append(one)
    for same in alike.values():
        yield RefusedGroup(
            gate=same[0].gate,
            because=same[0].because,
            hint=same[0].hint,
            facilities=tuple(dict.fromkeys(one.facility for one in same)),
            hosts=tuple(dict.fromkeys(one.host for one in same if one.host)),
        )


def _steps(host: HostChange) -> Iterator[Step]:
    root = host.root
    ports = ", ".join(str(port) for port in host.door_tcp)
    targets = ", ".join(file.target for file in host.install)
    rendered = f", {targets} rendered anew" if targets else ""
    brought = [*host.hops, Brought(release=host.to_release, artifact=host.artifact)]
    staged = [
        f"{one.artifact.file} ({_size(one.artifact.size)}) into {root}/{one.release}"
        for one in brought
    ]
    yield Step(phase="stage", clinic="open", does=", ".join(staged))
    yield Step(phase="baseline", clinic="open", does=f"checks: {', '.join(host.suites)}")
    stopped = ", ".join(reversed(host.services))
    yield Step(phase="quiesce", clinic="out", does=f"ports {ports} shut, {stopped} stopped")
    if host.parking or host.by_hand or host.unsaid:
        parked = told(host.parking, host.by_hand, host.unsaid)
        yield Step(phase="meanwhile", clinic="out", does=parked)
    yield Step(phase="snapshot", clinic="out", does=_captured(host))
    for one in host.hops:
        does = f"{root}/current to {one.release}{rendered}, started"
        does = f"{does}, proved to have all that was counted and stopped"
        yield Step(phase="apply", clinic="out", does=does)
    does = f"{root}/current to {host.to_release}{rendered}, started"
    yield Step(phase="apply", clinic="out", does=does)
    judged = "the same checks; any that does not pass, or cannot be made: restore"
    yield Step(phase="verify", clinic="out", does=judged)
    given = "what was parked given and proved, then " if host.parking else ""
    yield Step(phase="open", clinic="open", does=f"{given}ports {ports} reachable again")


def _captured(host: HostChange) -> str:
    """What the snapshot does; what is copied while the clinic waits is said with its size."""
    volumes = ", ".join(each.path for each in host.volumes if each.kind == "index")
    archives = ", ".join(each.path for each in host.volumes if each.kind == "archive")
    how = f"{volumes} by {host.snapshot}"
    if host.databases:
        names = ", ".join(each.database for each in host.databases)
        how = f"{volumes} and, beside others, database {names} copied and read back"
        how = f"{how}, {host.copied / 2**30:.1f} GiB"
    elif copies(host.snapshot) and host.copied:
        how = f"{volumes} copied and read back, {host.copied / 2**30:.1f} GiB"
    elif copies(host.snapshot):
        how = f"{volumes} copied by sharing blocks (reflink)"
    listed = f", {archives} held by second names, never copied" if archives else ""
    return f"{how}, {len(host.paths)} paths{listed}"


def _unknown(members: Sequence[Member]) -> Iterator[str]:
    _, host = members[0]
    releases = " and then ".join([*(one.release for one in host.hops), host.to_release])
    yield (
        f"what {host.product} {releases} does to its own data when it first starts:"
        " the checks judge it, the snapshot is the way back"
    )
    if host.hops:
        on_the_way = ", ".join(one.release for one in host.hops)
        where = f"in its configuration at {on_the_way}"
        yield f"what becomes different {where}: check mode asks the last"
    unasked = sum(host.prediction is None for _, host in members)
    if unasked:
        where = f" at {unasked} hosts" if unasked > 1 else ""
        yield f"what becomes different in its configuration{where}: check mode was not asked"


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1 << 20 else f"{count / 2**20:.0f} MiB"
