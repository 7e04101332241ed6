"""A draft as the files that would be written, held to everything that a fleet is held to.

Decides nothing about what is legal: ``fleet.load`` does. Tells each of its problems at the cell
that the line came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.draft import Draft
from orchestrator.fleet.importers.rows import MOST_TOLD, Cell, Order, Told
from orchestrator.fleet.load import Checked, VaultNames, check
from orchestrator.fleet.problems import printable
from orchestrator.fleet.yamlfile import outside, parse_yaml

_LINE = re.compile(r"(facilities/[a-z][a-z0-9-]*\.yml):([0-9]+)")
#: How ``fleet.explain`` tells what is not there.
_MISSING = ": missing, expected it here"
_SCHEMA = "schemas/facility.schema.json"
_LAST: Order = (1 << 30, 0)


@dataclass(frozen=True)
class Proposal:
    """``files``: the text of each facility's file by name, which nobody has written yet."""

    files: dict[str, str]
    checked: Checked
    notes: tuple[str, ...]


def propose(draft: Draft, directory: Path, *, source: str, vault_names: VaultNames) -> Proposal:
    """The files of a draft, with the fleet that they would make.

    Raises:
        FleetError: with every problem, each at its cell; there is then nothing to write.
    """
    if not draft.facilities and not draft.told:
        raise FleetError(f"{source}: no rows below the header", hint="fill one in for each machine")
    files = {f"facilities/{name}.yml": _text(draft, name, directory, source)
             for name in draft.facilities}  # fmt: skip
    told = list(draft.told)
    told += [Told(_LAST, file, because) for file in files if (because := outside(directory, file))]
    checked = None
    try:
        checked = check(directory, vault_names=vault_names, proposed=files)
    except FleetError as error:
        told += _at_cells(draft, files, error)
    if checked is None or told:
        raise _refused(told, source)
    return Proposal(files, checked, tuple(_orders(draft)))


def _text(draft: Draft, facility: str, directory: Path, source: str) -> str:
    head = (
        f"# Written by: wardship fleet import, from {printable(source)}. A later import changes it"
        " only with --replace.\n"
    )
    if (directory / _SCHEMA).is_file():
        head = f"# yaml-language-server: $schema=../{_SCHEMA}\n{head}"
    body = yaml.dump(
        draft.facilities[facility],
        Dumper=_Plain,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=10_000,
    )
    return head + body


class _Plain(yaml.CSafeDumper):
    """No aliases: a fleet's files have none."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's own signature
        return True


def _at_cells(draft: Draft, files: dict[str, str], error: FleetError) -> Iterator[Told]:
    """The problems of the files, each told at the cell its line came from."""
    if not error.problems:
        raise error
    lines = {
        file: cells
        for file, text in files.items()
        if (cells := _cells(draft, Path(file).stem, file, text))
    }
    wrong = {each.where for each in draft.told}

    def cell_of(match: re.Match[str]) -> Cell | None:
        return lines.get(match[1], {}).get(int(match[2]))

    def named(match: re.Match[str]) -> str:
        found = cell_of(match)
        return found.where if found else match[0]

    for problem in error.problems:
        begins = _LINE.match(problem)
        cell = cell_of(begins) if begins else None
        if begins and begins[1] in files and not draft.is_whole and _MISSING in problem:
            continue
        if begins and cell:
            # What is wrong with a cell was told where the cell was read.
            if cell.where not in wrong:
                rest = problem[begins.end() :].removeprefix(":").strip()
                yield Told(cell.order, cell.where, _LINE.sub(named, rest))
        else:
            where, _, rest = problem.partition(": ")
            yield Told(_LAST, where, _LINE.sub(named, rest))


def _cells(draft: Draft, facility: str, file: str, text: str) -> dict[int, Cell]:
    """By line of a file, the cell: the innermost value's, where several begin in one line."""
    document, _ = parse_yaml(file, text)
    found: dict[int, Cell] = {}
    for loc in sorted(draft.origins[facility], key=len) if document else ():
        assert document
        found[document.line(loc)] = draft.origins[facility][loc]
    return found


def _refused(told: list[Told], source: str) -> FleetError:
    ordered = sorted(set(told))
    count = len(ordered)
    problems = [str(each) for each in ordered[:MOST_TOLD]]
    if more := count - len(problems):
        problems.append(f"{more} more: mend these first")
    return FleetError(
        f"{source}: {count} problem{'s' if count != 1 else ''}; nothing was written",
        hint="mend them there, then the same again",
        problems=problems,
    )


def _orders(draft: Draft) -> Iterator[str]:
    """What the list wants to run and the mandate does not order: an import never orders."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for wish in draft.wishes:
        ordered = draft.foundations.mandate.release_for(wish.facility, wish.product)
        if ordered is None:
            names = wanted.setdefault((wish.product, wish.release), [])
            names += [wish.facility] if wish.facility not in names else []
        elif ordered != wish.release:
            yield (
                f"{wish.cell.where}: {wish.release} for {wish.facility}, but mandate.yml orders"
                f" {ordered}; an import orders nothing"
            )
    for (product, release), names in wanted.items():
        listed = ", ".join(names)
        yield (
            "not ordered yet; under orders in mandate.yml it would be:"
            f' - {{product: {product}, release: "{release}", facilities: [{listed}]}}'
        )
