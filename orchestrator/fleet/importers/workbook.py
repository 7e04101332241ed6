"""A sheet of an .xlsx workbook as a table.

Refuses to guess: formulas, dates, errors and merged cells become ``Strange``. What would unpack to
more than a list of hospitals ever does is not unpacked.
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from typing import Any

import openpyxl
from openpyxl.utils import column_index_from_string

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.csvfile import letters
from orchestrator.fleet.importers.rows import (
    MOST_COLUMNS,
    MOST_ROWS,
    Cell,
    Strange,
    Table,
    Value,
    shown,
)

#: The sheet that is read where there are several.
SHEET = "fleet"
LARGEST_UNPACKED, MOST_PARTS = 24 << 20, 1000
_MOST_MERGED = 50_000
#: A sheet ends there, whatever a file says.
_LAST_ROW = 1 << 20
_OLD = b"\xd0\xcf\x11\xe0"
_MERGED = re.compile(
    rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"
)
_AS_VALUES = "copy it and paste it as a value"
_AS_TEXT = "format the cell as text and write it again"
_UNMERGE = "unmerge it and fill each row"


def read(content: bytes, name: str, sheet: str | None = None) -> Table:
    """The cells of ``sheet``, else of the sheet *fleet*, else of the only one.

    Raises:
        FleetError: it is no workbook, is too large, or it is not clear which sheet.
    """
    _refuse_what_is_none(content, name)
    try:
        return _read(content, name, sheet)
    except FleetError:
        raise
    # The library tells a broken workbook by whatever it stumbled over: KeyError, ParseError, …
    except Exception as error:
        raise FleetError(
            f"{name}: cannot be read as a workbook ({type(error).__name__})",
            hint="open it, save it again as .xlsx or as CSV (UTF-8), and import that",
        ) from error


def _refuse_what_is_none(content: bytes, name: str) -> None:
    if content.startswith(_OLD):
        raise FleetError(
            f"{name}: an old .xls, or protected by a password",
            hint="save it as .xlsx without a password",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise FleetError(
            f"{name}: no workbook, expected an .xlsx", hint="save it as .xlsx or as CSV (UTF-8)"
        ) from error
    # No part gives more than it declares: zipfile stops there.
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
        raise FleetError(
            f"{name}: unpacks to more than {LARGEST_UNPACKED >> 20} MiB, which no list of hospitals"
            " does; nothing of it was read",
            hint="copy the list into a new workbook, or save it as CSV (UTF-8)",
        )


def _read(content: bytes, name: str, wanted: str | None) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of extensions that are not read
        book: Any = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        try:
            sheet = _chosen(book, name, wanted)
            cells = _cells(sheet, name)
            merged = _merged(content, sheet, name, rows=len(cells))
        finally:
            book.close()
    rows = []
    for at, values in enumerate(cells):
        found = [merged.get((at, i), value) for i, value in enumerate(values)]
        rows.append(
            tuple(
                Cell(f"{sheet.title}!{letters(i + 1)}{at + 1}", (at, i), value)
                for i, value in enumerate(found or [None])
            )
        )
    return Table(f"{name}, sheet {sheet.title}", tuple(rows))


def _chosen(book: Any, name: str, wanted: str | None) -> Any:
    sheets = {str(sheet.title): sheet for sheet in book.worksheets}
    listed = ", ".join(map(shown, sheets))
    if wanted is not None:
        if wanted not in sheets:
            raise FleetError(f"{name}: no sheet {shown(wanted)}", hint=f"there are: {listed}")
        return sheets[wanted]
    if SHEET in sheets:
        return sheets[SHEET]
    if len(sheets) == 1:
        return next(iter(sheets.values()))
    raise FleetError(
        f"{name}: {len(sheets)} sheets, and none of them is named {SHEET}",
        hint=f"say which: --sheet NAME, one of {listed}" if sheets else "save it again",
    )


def _cells(sheet: Any, name: str) -> list[list[Value]]:
    sheet.reset_dimensions()  # what a file says of its own size may be anything
    found: list[list[Value]] = []
    last = 0
    for at, row in enumerate(sheet.iter_rows()):
        values = [_value(cell) for cell in row[:MOST_COLUMNS]]
        is_empty = all(value is None for value in values)
        is_wide = any(cell.value is not None for cell in row[MOST_COLUMNS:])
        if is_wide or at >= _LAST_ROW or (at >= MOST_ROWS and not is_empty):
            raise _too_large(name)
        if at < MOST_ROWS:  # behind that, empty rows that somebody once formatted
            found.append(values)
            last = last if is_empty else len(found)
    return found[:last]


def _too_large(name: str) -> FleetError:
    return FleetError(
        f"{name}: more than {MOST_ROWS} rows or {MOST_COLUMNS} columns, which no list of hospitals"
        " has; nothing of it was taken",
        hint="import a smaller list: several, one after the other",
    )


def _value(cell: Any) -> Value:
    value, kind = cell.value, cell.data_type
    if value is None:
        return None
    if kind == "f":
        return Strange("a formula", _AS_VALUES)
    if kind == "e":
        return Strange(f"an error of the spreadsheet ({shown(str(value))})", "write the value")
    if isinstance(value, datetime.datetime | datetime.date):
        return Strange(f"a date ({value})", _AS_TEXT)
    if isinstance(value, datetime.time | datetime.timedelta):
        return Strange(f"a time ({value})", _AS_TEXT)
    if isinstance(value, str | bool | int | float):
        return value
    return Strange("something that is no text and no number", _AS_TEXT)


def _merged(content: bytes, sheet: Any, name: str, *, rows: int) -> dict[tuple[int, int], Strange]:
    """Each merged cell by row and column: the library does not tell them when it only reads."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read(sheet._worksheet_path)
    found: dict[tuple[int, int], Strange] = {}
    for match in _MERGED.finditer(text):
        left, top, right, bottom = (part.decode() for part in match.groups())
        strange = Strange(f"merged cells ({left}{top}:{right}{bottom})", _UNMERGE)
        down = range(int(top), min(int(bottom), rows) + 1)
        last = min(column_index_from_string(right), MOST_COLUMNS)
        across = range(column_index_from_string(left), last + 1)
        if len(found) + len(down) * len(across) > _MOST_MERGED:
            raise FleetError(
                f"{name}: more than {_MOST_MERGED} merged cells", hint=f"{_UNMERGE}, then again"
            )
        found |= {(row - 1, column - 1): strange for row in down for column in across}
    return found
