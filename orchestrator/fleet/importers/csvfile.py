"""A CSV file as a table: UTF-8, separated by commas, semicolons or tabs. All in it is text."""

from __future__ import annotations

import csv
import io
import re

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.columns import column
from orchestrator.fleet.importers.rows import MOST_COLUMNS, MOST_ROWS, Cell, Table

_SEPARATORS = ",;\t"
#: What spreadsheet programs write to remember the separator.
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
#: How far the separator is looked for.
_BEGINNING = 64 << 10


def read(content: bytes, name: str) -> Table:
    """The file's cells; ``name`` stands before each cell's own, as in ``hospitals.csv!C12``.

    Raises:
        FleetError: it cannot be taken as CSV.
    """
    text = _text(content, name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    says_separator = bool(_SEP.fullmatch(_first_line(text)))
    rows: list[tuple[Cell, ...]] = []
    try:
        for values in reader:
            if len(rows) >= MOST_ROWS or len(values) > MOST_COLUMNS:
                raise FleetError(
                    f"{name}:{reader.line_num}: more than {MOST_ROWS} rows or {MOST_COLUMNS}"
                    " columns, expected a list of hospitals",
                    hint="give a smaller file: several, one after the other",
                )
            rows.append(_row(name, len(rows), [] if not rows and says_separator else values))
    except csv.Error as error:
        raise FleetError(
            f"{name}:{reader.line_num}: not CSV ({error})",
            hint="look at the quotes in that line, or save the file as .xlsx",
        ) from error
    return Table(name, tuple(rows))


def _row(name: str, at: int, values: list[str]) -> tuple[Cell, ...]:
    return tuple(
        Cell(f"{name}!{letters(i + 1)}{at + 1}", (at, i), value)
        for i, value in enumerate(values or [""])
    )


def _text(content: bytes, name: str) -> str:
    if content[:2] == b"PK":
        raise FleetError(
            f"{name}: a workbook, not CSV", hint="name it .xlsx, or save it as CSV (UTF-8)"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FleetError(
            f"{name}:{line}: not UTF-8, expected text saved as UTF-8",
            hint='save it again as "CSV UTF-8", or as .xlsx',
        ) from error


def _separator(text: str) -> str:
    """The one with which most columns are known."""
    beginning = text[:_BEGINNING]
    if said := _SEP.fullmatch(_first_line(text)):
        return said[1] if said[1] in _SEPARATORS else ","

    def known(separator: str) -> int:
        lines = beginning.splitlines()[:40]
        return max(
            (sum(column(part.strip('" ')) is not None for part in line.split(separator))
             for line in lines),
            default=0,
        )  # fmt: skip

    return max(_SEPARATORS, key=known)


def _first_line(text: str) -> str:
    return text[:80].partition("\n")[0].strip()


def letters(column_number: int) -> str:
    """A column's name in a spreadsheet; the first is 1."""
    found = ""
    while column_number:
        column_number, rest = divmod(column_number - 1, 26)
        found = chr(ord("A") + rest) + found
    return found
