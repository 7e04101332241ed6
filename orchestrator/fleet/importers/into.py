"""Writes proposed facilities into a fleet: new ones, and others only where that was said.

A facility whose values are the declared ones already keeps its file as it is. Every file is written
aside before the first takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.proposal import Proposal
from orchestrator.fleet.model import Facility
from orchestrator.fleet.problems import quoted
from orchestrator.fleet.yamlfile import read_yaml

_MOST_SHOWN = 200


@dataclass(frozen=True)
class Difference:
    """What a proposal would do to a fleet's files. ``changes``: a line a value."""

    new: tuple[str, ...]
    same: tuple[str, ...]
    changed: tuple[str, ...]
    changes: tuple[str, ...]


def compare(proposal: Proposal, directory: Path) -> Difference:
    """Which of the proposed files are new, the same in their values, or other."""
    new, same, changed = [], [], []
    changes: list[str] = []
    for file in sorted(proposal.files):
        if not (directory / file).exists():
            new.append(file)
            continue
        after = _flat(proposal.checked.fleet.facilities[Path(file).stem])
        before = _declared(directory, file)
        if before == after:
            same.append(file)
            continue
        changed.append(file)
        if before is None:
            changes.append(f"{file}: does not hold as it is, and would be replaced whole")
        else:
            changes += [f"{file}: {line}" for line in _changes(before, after)]
    return Difference(tuple(new), tuple(same), tuple(changed), tuple(changes))


def write(proposal: Proposal, difference: Difference, directory: Path, *, replace: bool) -> None:
    """Write what is new, and what changes where it is to be replaced.

    Raises:
        FleetError: a file that is there would change, and is not to be replaced.
    """
    if difference.changed and not replace:
        told = [*difference.changes[:_MOST_SHOWN]]
        if more := len(difference.changes) - len(told):
            told.append(f"{more} more values")
        raise FleetError(
            f"{', '.join(difference.changed)}: would change; nothing was written",
            hint="if that is right, the same again with --replace; comments there, and every value"
            " that is told to go, are then lost",
            problems=told,
        )
    targets = [directory / file for file in (*difference.new, *difference.changed)]
    partials = {path: path.with_name(f".{path.name}.partial") for path in targets}
    try:
        for path, partial in partials.items():
            path.parent.mkdir(exist_ok=True)
            partial.write_text(proposal.files[f"facilities/{path.name}"], encoding="utf-8")
        for path, partial in partials.items():
            partial.replace(path)
    except OSError:
        for partial in partials.values():
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        raise


def _declared(directory: Path, file: str) -> dict[str, object] | None:
    document, problems = read_yaml(directory, file)
    if document is None or problems:
        return None
    try:
        return _flat(Facility.model_validate(document.value))
    except ValidationError:
        return None


def _flat(facility: Facility) -> dict[str, object]:
    return dict(_leaves("", facility.model_dump(mode="json")))


def _leaves(at: str, value: object) -> Iterator[tuple[str, object]]:
    """Each value by its place; an AE by its title, since their order says nothing."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(f"{at}.{key}" if at else str(key), part)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for each in value:
            yield from _leaves(f"{at}.{each.get('ae_title', '?')}", each)
    elif value is not None and value not in ({}, []):
        yield at, value


def _changes(before: dict[str, object], after: dict[str, object]) -> Iterator[str]:
    for place in sorted({*before, *after}):
        old, new = before.get(place), after.get(place)
        if old == new:
            continue
        if place not in after:
            yield f"{quoted(place)}: {quoted(old)} goes"
        elif place not in before:
            yield f"{quoted(place)}: {quoted(new)} comes"
        else:
            yield f"{quoted(place)}: {quoted(old)} → {quoted(new)}"
