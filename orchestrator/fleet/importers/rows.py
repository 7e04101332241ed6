"""What a list holds before anything is made of it: cells that know where they stand, rows of them.

A value that is not what it seems (a formula, a date, a merged cell) is ``Strange`` and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.fleet.problems import printable, quoted

#: What a list may be: more is no list of hospitals.
LARGEST_FILE = 10 << 20
MOST_ROWS, MOST_COLUMNS = 20_000, 200
#: Problems that are told of one list.
MOST_TOLD = 500

#: Row and column, to tell problems in a reader's order.
Order = tuple[int, int]


@dataclass(frozen=True)
class Strange:
    """Something that no declaration holds; ``what`` says what it is, and ``mend`` what to do."""

    what: str
    mend: str


Value = str | int | float | bool | Strange | None


@dataclass(frozen=True)
class Cell:
    """``where``: as a person finds it, such as ``fleet!C12``."""

    where: str
    order: Order
    value: Value

    @property
    def is_blank(self) -> bool:
        """Whether nothing is in it; blanks around a value are not part of it."""
        return self.value is None or (isinstance(self.value, str) and not self.value.strip())


class Told(NamedTuple):
    """A problem of a list."""

    order: Order
    where: str
    text: str

    def __str__(self) -> str:
        return f"{printable(self.where)}: {printable(self.text)}"


def tell(cell: Cell, text: str) -> Told:
    """A problem of this cell."""
    return Told(cell.order, cell.where, text)


@dataclass(frozen=True)
class Row:
    """A machine: its cells by column. ``name``: the row itself, for what is missing in it."""

    name: Cell
    cells: Mapping[str, Cell]

    def get(self, column: str) -> Cell | None:
        """The cell, if something is in it."""
        found = self.cells.get(column)
        return None if found is None or found.is_blank else found


@dataclass(frozen=True)
class Table:
    """A sheet as it was read, row by row from the first."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]


def shown(value: Value) -> str:
    """A value for a message."""
    return value.what if isinstance(value, Strange) else quoted(value)
