"""A sheet's cells as rows of known columns. Pure.

Finds the header, refuses what is no column, leaves out rows in which nothing stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.columns import COLUMNS, Column, column, names
from orchestrator.fleet.importers.rows import Cell, Row, Strange, Table, Told, shown, tell

#: Rows in which the header may be, under a title; and how many columns make a header.
_LATEST_HEADER, _ENOUGH = 20, 3


def read_rows(table: Table) -> tuple[list[Row], list[Told]]:
    """The rows below the header, and what is wrong with the header.

    Raises:
        FleetError: there is no header.
    """
    at = _header(table)
    columns, told = _columns(table.rows[at])
    rows = []
    for cells in table.rows[at + 1 :]:
        if all(cell.is_blank for cell in cells):
            continue
        named = {columns[i].name: cell for i, cell in enumerate(cells) if i in columns}
        told += [
            tell(cell, "a value in a column without a name, expected a name in the header")
            for i, cell in enumerate(cells)
            if i not in columns and not cell.is_blank and _is_unnamed(table.rows[at], i)
        ]
        rows.append(Row(cells[0], named))
    return rows, told


def _header(table: Table) -> int:
    for at, cells in enumerate(table.rows[:_LATEST_HEADER]):
        known = [cell for cell in cells if isinstance(cell.value, str) and column(cell.value)]
        if len(known) >= _ENOUGH:
            return at
    raise FleetError(
        f"{table.name}: no header, expected a row with the names of columns: {names()}",
        hint="a table to fill in: wardship fleet import --template FILE.xlsx",
    )


def _columns(header: Sequence[Cell]) -> tuple[dict[int, Column], list[Told]]:
    found: dict[int, Column] = {}
    first: dict[str, Cell] = {}
    told: list[Told] = []
    for at, cell in enumerate(header):
        if cell.is_blank:
            continue
        if isinstance(cell.value, Strange):
            told.append(tell(cell, f"{cell.value.what}, expected a column's name"))
        elif (named := column(str(cell.value))) is None:
            told.append(tell(cell, f"no column {shown(cell.value)}, expected {_closest(cell)}"))
        elif named.name in first:
            before = first[named.name].where
            told.append(tell(cell, f"the column {named.name} is in {before} too, expected it once"))
        else:
            first[named.name] = cell
            found[at] = named
    return found, told


def _closest(cell: Cell) -> str:
    close = get_close_matches(str(cell.value).strip().lower()[:60], [c.name for c in COLUMNS], n=1)
    return f"{close[0]}, or remarks for what is not to be read" if close else (
        f"one of {names()}"
    )  # fmt: skip


def _is_unnamed(header: Sequence[Cell], at: int) -> bool:
    return at >= len(header) or header[at].is_blank
