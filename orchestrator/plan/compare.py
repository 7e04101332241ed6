"""What differs between two plans: what a person must read again before the second is run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from orchestrator.fleet.model import Model
from orchestrator.plan.model import HostChange, Plan, Refusal
from orchestrator.plan.preview import changed_lines

#: Told apart from the rest of a host, or no part of what is run.
_APART = {"host", "prediction", "room"}


class HostDifference(Model):
    """A host that is in both plans, and what is not the same about it, in words."""

    facility: str
    host: str
    told: tuple[str, ...]


class PlanDifference(Model):
    """From ``old`` to ``new``: hosts as ``facility/host``; refusals in words."""

    old: str
    new: str
    told: tuple[str, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[HostDifference, ...]
    refused_now: tuple[str, ...]
    refused_no_more: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether both plans do the same everywhere and refuse the same."""
        lists = (self.told, self.added, self.gone, self.changed)
        return not any((*lists, self.refused_now, self.refused_no_more))


Key = tuple[str, str]


def compare(old: Plan, new: Plan) -> PlanDifference:
    """What is not the same in ``new``."""
    before, after = _hosts(old), _hosts(new)
    refused, refuses = _refusals(old), _refusals(new)
    return PlanDifference(
        old=old.digest,
        new=new.digest,
        told=tuple(_whole(old, new)),
        added=tuple("/".join(key) for key in after if key not in before),
        gone=tuple("/".join(key) for key in before if key not in after),
        changed=tuple(
            HostDifference(facility=key[0], host=key[1], told=told)
            for key in after
            if key in before and (told := tuple(_host(before[key], after[key])))
        ),
        refused_now=tuple(one for one in refuses if one not in refused),
        refused_no_more=tuple(one for one in refused if one not in refuses),
    )


def lines(found: PlanDifference) -> Iterator[str]:
    """The difference as plain text."""
    yield f"plan {found.old[:12]} → {found.new[:12]}"
    if found.is_nothing:
        yield "  both do the same everywhere, and refuse the same"
    for told in found.told:
        yield f"  {told}"
    for sign, listed in (("+ changed now", found.added), ("- changed no more", found.gone)):
        for one in listed:
            yield f"  {sign}: {one}"
    for host in found.changed:
        yield f"  {host.facility}/{host.host}"
        for told in host.told:
            yield f"    {told}"
    for told in found.refused_now:
        yield f"  + refused now: {told}"
    for told in found.refused_no_more:
        yield f"  - refused no more: {told}"


def _whole(old: Plan, new: Plan) -> Iterator[str]:
    for name in ("fleet", "mandate", "parallel"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"{name}: {before} → {after}"
    if old.fleet_digest != new.fleet_digest:
        yield f"the declaration is another: {old.fleet_digest[:12]} → {new.fleet_digest[:12]}"


def _hosts(plan: Plan) -> dict[Key, HostChange]:
    return {(one.facility, host.host): host for one in plan.change_sets for host in one.hosts}


def _refusals(plan: Plan) -> list[str]:
    return list(dict.fromkeys(map(_refusal, plan.refusals)))


def _refusal(refusal: Refusal) -> str:
    where = f"{refusal.facility}/{refusal.host}" if refusal.host else refusal.facility
    return f"{where}: {refusal.because} [{refusal.gate}]"


def _host(old: HostChange, new: HostChange) -> Iterator[str]:
    before = dict(_leaves("", old.model_dump(mode="json", exclude=_APART)))
    after = dict(_leaves("", new.model_dump(mode="json", exclude=_APART)))
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"{name}: {_short(before.get(name))} → {_short(after.get(name))}"
    yield from _predictions(old, new)


def _predictions(old: HostChange, new: HostChange) -> Iterator[str]:
    before, after = _predicted(old), _predicted(new)
    for path in dict.fromkeys((*before, *after)):
        was, becomes = before.get(path, ()), after.get(path, ())
        yield from (f"{path}, predicted now: {line}" for line in becomes if line not in was)
        yield from (f"{path}, predicted no more: {line}" for line in was if line not in becomes)


def _predicted(host: HostChange) -> Mapping[str, tuple[str, ...]]:
    if host.prediction is None:
        return {"the prediction": ("check mode was not asked",)}
    return {one.path: changed_lines(one.text) for one in host.prediction.differences}


def _leaves(path: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, below)
    else:
        yield path, value


def _short(value: JsonValue) -> str:
    text = "nothing" if value in (None, "", []) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
