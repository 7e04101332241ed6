"""A preview as plain text that fits 100 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.plan.model import Basis, Room
from orchestrator.plan.preview import Group, Place, Preview, RefusedGroup, Variant, changes
from orchestrator.plan.room import mib

WIDTH = 100
#: Lines of one file's difference, names in one list, and kinds of predictions in one group, before
#: the rest is only counted.
MOST_LINES, MOST_NAMES, MOST_VARIANTS = 20, 12, 8


def lines(shown: Preview) -> Iterator[str]:
    """The preview, line by line."""
    name = f"plan {shown.plan[:12]}" if shown.groups else "no plan"  # kept only with a change
    yield from folded(f"{name}: {shown.mandate}")
    yield from folded(_summary(shown), "  ")
    for group in shown.groups:
        yield ""
        yield from _group(group)
    if shown.compliant:
        yield ""
        yield from folded(f"as ordered already: {names(shown.compliant)}", "  ")
    if shown.refusals:
        yield ""
        yield "REFUSED: nothing will be changed at these facilities"
        for refused in shown.refusals:
            yield from _refused(refused)


def _summary(shown: Preview) -> str:
    hosts = sum(len(group.hosts) for group in shown.groups)
    refused = {name for one in shown.refusals for name in one.facilities}
    told = [f"{hosts} {'host' if hosts == 1 else 'hosts'} to change"]
    if len(shown.groups) > 1:
        told.append(f"in {len(shown.groups)} groups of equal ones")
    told.append(f"{_facilities(len(shown.compliant))} as ordered")
    told.append(f"{_facilities(len(refused))} refused")
    return ", ".join(told)


def _facilities(count: int) -> str:
    return "1 facility" if count == 1 else f"{count} facilities"


def _group(group: Group) -> Iterator[str]:
    where = names([f"{one.facility}/{one.host}" for one in group.hosts])
    count = "" if len(group.hosts) == 1 else f"{len(group.hosts)} hosts: "
    hop = f"{group.product} {group.way}"
    yield from folded(f"{hop} · {count}{where}", "  ")
    yield "  certain"
    for step in group.steps:
        clinic = "OUT " if step.clinic == "out" else "open"
        yield from folded(f"    {clinic}  {step.phase:<9} {step.does}", " " * 20)
    yield from folded(f"    a restore puts back: {', '.join(group.captured)}", " " * 8)
    yield from _predicted(group)
    yield "  unknown until run"
    for unknown in group.unknown:
        yield from folded(f"    {unknown}", " " * 6)
    if others := together(group.hosts):
        yield from folded(f"  {others}", " " * 8)
    yield from folded(f"  outage: {outage(group.hosts)}", " " * 10)
    least = " (the least of all)" if len(group.hosts) > 1 else ""
    for one in room(group.hosts):
        yield from folded(f"  room{least}: {one}", " " * 8)


def _predicted(group: Group) -> Iterator[str]:
    if any(variant.predicted is not None for variant in group.variants):
        yield "  predicted by check mode"
    elif any(variant.intended for variant in group.variants):
        yield "  intended by the declaration"
    else:
        return
    for variant in group.variants[:MOST_VARIANTS]:
        indent = " " * 4
        if len(group.variants) > 1:
            count = "" if len(variant.hosts) == 1 else f"{len(variant.hosts)} hosts: "
            yield from folded(f"    at {count}{names(variant.hosts)}", " " * 8)
            indent = " " * 6
        yield from _variant(variant, indent)
    if further := group.variants[MOST_VARIANTS:]:
        hosts = sum(len(variant.hosts) for variant in further)
        yield f"    … {len(further)} more kinds, at {hosts} hosts: the page, or --json"


def _variant(variant: Variant, indent: str) -> Iterator[str]:
    if variant.predicted is None:
        for intended in variant.intended:
            yield from folded(f"{indent}{intended}", f"{indent}  ")
        return
    if not variant.predicted:
        yield f"{indent}no file of the configuration becomes another"
    like = f" (as at {variant.hosts[0]})" if len(variant.hosts) > 1 else ""
    for file in variant.predicted:
        told = changes(file.text)
        yield from folded(f"{indent}{file.path}: {counted(told)}{like}", f"{indent}  ")
        yield from (_cut(f"{indent}  {line}") for line in told[:MOST_LINES])
        if len(told) > MOST_LINES:
            yield f"{indent}  … {len(told) - MOST_LINES} more: the page, or --json"


def counted(told: Sequence[str]) -> str:
    """How much of a file becomes another, goes and comes, in words."""
    words = {
        "~": ("becomes another", "become another"), "-": ("goes", "go"), "+": ("comes", "come")
    }  # fmt: skip
    counts = Counter(line[0] for line in told)
    return ", ".join(
        f"{counts[sign]} {one if counts[sign] == 1 else many}"
        for sign, (one, many) in words.items()
        if counts[sign]
    )


def outage(hosts: Sequence[Place]) -> str:
    """What is expected of these hosts together, and what it is known from."""
    known = sorted({one.outage.seconds for one in hosts if one.outage.seconds is not None})
    bound = max(one.outage.bound for one in hosts)
    until = f"phases on the host are cut off after {duration(bound)}, then put back"
    if not known:
        return f"not known, {hosts[0].outage.source}; {until}"
    most = duration(known[-1])
    about = most if len(known) == 1 else f"{duration(known[0])} to {most}"
    return f"about {about} ({_sources(hosts)}); {until}"


def together(hosts: Sequence[Place]) -> str:
    """With which other hosts these are one set; empty where each changes by itself."""
    others = [f"{one.facility}/{other}" for one in hosts for other in one.together]
    return f"one set with {names(others)}: all commit, or all are put back" if others else ""


def _sources(hosts: Sequence[Place]) -> str:
    if len(sources := {one.outage.source for one in hosts}) == 1:
        return sources.pop()
    words: dict[Basis, str] = {
        "this hop here": "this hop was measured there",
        "this hop elsewhere": "it was at other hosts",
        "another hop here": "another hop was measured there",
        "bound": "nothing like it was measured, not known",
    }
    counts = Counter(one.outage.basis for one in hosts)
    return "; ".join(f"at {counts[basis]} {told}" for basis, told in words.items() if counts[basis])


def room(hosts: Sequence[Place]) -> list[str]:
    """What is needed and free at each place; of several hosts, where the least is to spare."""
    least: dict[str, Room] = {}
    for place in hosts:
        for one in place.room:
            before = least.get(one.path)
            if before is None or _spare(one) < _spare(before):
                least[one.path] = one
    return [
        f"{one.path} needs {mib(one.needed)} for {one.what}, free: {mib(one.free)}"
        for one in least.values()
    ]


def _spare(one: Room) -> int:
    return -1 if one.free is None else one.free - (one.needed or 0)


def _refused(refused: RefusedGroup) -> Iterator[str]:
    where = names(refused.hosts or refused.facilities)
    yield from folded(f"  {where}: {refused.because} [{refused.gate}]", " " * 4)
    yield from folded(f"    next: {refused.hint}", " " * 10)


def names(known: Sequence[str]) -> str:
    """Names in a row; of many, the first and how many more there are."""
    if len(known) <= MOST_NAMES:
        return ", ".join(known)
    return f"{', '.join(known[:MOST_NAMES])} and {len(known) - MOST_NAMES} more"


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def folded(text: str, further: str = "") -> list[str]:
    """A text in lines of at most ``WIDTH``; ``further`` stands before the second and later ones."""
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=further, break_on_hyphens=False, drop_whitespace=True,
        replace_whitespace=True,
    ) or [text]  # fmt: skip


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
