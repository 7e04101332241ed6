"""What differs between two plans: what a person must read again before the second is run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from orchestrator.fleet.model import Model
from orchestrator.plan.model import TOLD, HostChange, Outage, Plan, Refusal
from orchestrator.plan.preview import changed_lines
from orchestrator.plan.preview_lines import duration, folded, names

#: Refusals that are told before the rest is only counted.
_MOST = 40
#: Told apart from the rest of a host, or no part of what is run.
_APART = {"host", "prediction", *TOLD}


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
    """The difference as plain text that fits 100 columns; hosts that differ alike are told once."""
    yield f"plan {found.old[:12]} → {found.new[:12]}"
    if found.is_nothing:
        yield "  both do the same everywhere, and refuse the same"
    for told in found.told:
        yield from folded(f"  {told}", " " * 4)
    for sign, listed in (("+ changed now", found.added), ("- changed no more", found.gone)):
        if listed:
            yield from folded(f"  {sign}: {names(listed)}", " " * 4)
    for alike in _alike(found.changed):
        count = "" if len(alike) == 1 else f"{len(alike)} hosts: "
        where = names([f"{one.facility}/{one.host}" for one in alike])
        yield from folded(f"  {count}{where}", " " * 4)
        for told in alike[0].told:
            yield from folded(f"    {told}", " " * 6)
    for sign, refused in (("+ refused now", found.refused_now),
                          ("- refused no more", found.refused_no_more)):  # fmt: skip
        for told in refused[:_MOST]:
            yield from folded(f"  {sign}: {told}", " " * 4)
        if more := refused[_MOST:]:
            yield f"  {sign}: {len(more)} more, all of them: wardship diff --json"


def _alike(changed: Sequence[HostDifference]) -> Iterable[Sequence[HostDifference]]:
    alike: dict[tuple[str, ...], list[HostDifference]] = {}
    for one in changed:
        alike.setdefault(one.told, []).append(one)
    return alike.values()


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
    if _outage(old.outage) != _outage(new.outage):
        source = f" ({new.outage.source})" if new.outage and new.outage.seconds is not None else ""
        yield f"outage: {_outage(old.outage)} → {_outage(new.outage)}{source}"


def _outage(expected: Outage | None) -> str:
    if expected is None or expected.seconds is None:
        return "not known"
    return f"about {duration(expected.seconds)}"


def _predictions(old: HostChange, new: HostChange) -> Iterator[str]:
    if (old.prediction is None) != (new.prediction is None):
        asked = ("not asked", "asked")
        was, now = old.prediction is not None, new.prediction is not None
        yield f"check mode: {asked[was]} → {asked[now]}"
    before, after = _predicted(old), _predicted(new)
    for path in dict.fromkeys((*before, *after)):
        was_there, is_there = before.get(path, ()), after.get(path, ())
        yield from (f"{path}, predicted now: {line}" for line in is_there if line not in was_there)
        yield from (
            f"{path}, predicted no more: {line}" for line in was_there if line not in is_there
        )


def _predicted(host: HostChange) -> Mapping[str, tuple[str, ...]]:
    found = host.prediction.differences if host.prediction else ()
    return {one.path: changed_lines(one.text) for one in found}


def _leaves(path: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, below)
    else:
        yield path, value


def _short(value: JsonValue) -> str:
    text = "nothing" if value in (None, "", []) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
