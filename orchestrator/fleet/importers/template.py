"""A table to fill in, as CSV or as a workbook whose cells are all text: 1.10 stays 1.10 there."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
from openpyxl.styles import Font

from orchestrator.errors import FleetError
from orchestrator.fleet.importers.columns import COLUMNS, FAMILIES, Column
from orchestrator.fleet.importers.csvfile import letters
from orchestrator.fleet.importers.workbook import SHEET

#: Rows that are formatted as text below the header.
_ROWS = 500
#: Two rows after the example of each column: a modality, and a workstation.
_MORE = (
    {"facility": "hospital-b", "kind": "modality", "host": "pacs-b", "address": "192.0.2.22",
     "ae_title": "CT1", "port": "104"},
    {"facility": "hospital-b", "kind": "workstation", "host": "pacs-b", "address": "192.0.2.102",
     "ae_title": "WS1", "port": "11112"},
)  # fmt: skip
_WHERE = {"any": "", "host": "in rows of kind host", "ae": "in rows of other kinds"}


def template(path: Path) -> bytes:
    """The table, in the form that the file's name asks for.

    Raises:
        FleetError: it is neither .csv nor .xlsx.
    """
    if path.suffix.lower() == ".csv":
        return _csv()
    if path.suffix.lower() == ".xlsx":
        return _workbook()
    raise FleetError(
        f"{path.name}: neither .csv nor .xlsx", hint="wardship fleet import --template FILE.xlsx"
    )


def _table() -> list[list[str]]:
    first = [column.example for column in COLUMNS]
    more = [[row.get(column.name, "") for column in COLUMNS] for row in _MORE]
    return [[column.name for column in COLUMNS], first, *more]


def _csv() -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_table())
    return text.getvalue().encode("utf-8-sig")  # so that spreadsheet programs see what it is


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = SHEET
    rows = [*_table(), *([[]] * _ROWS)]
    for at, row in enumerate(rows, start=1):
        for column in range(1, len(COLUMNS) + 1):
            cell = sheet.cell(at, column, row[column - 1] if row else "")
            cell.value = cell.value or None
            cell.number_format = "@"
            cell.font = Font(bold=at == 1)
    for column in range(1, len(COLUMNS) + 1):
        sheet.column_dimensions[letters(column)].width = 16
    sheet.freeze_panes = "A2"
    about = book.create_sheet("about")
    about.append(["column", "what stands there", "where"])
    for each in (*COLUMNS, *FAMILIES.values()):
        about.append([each.name, each.about, _where(each)])
    about.column_dimensions["A"].width, about.column_dimensions["B"].width = 20, 70
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _where(column: Column) -> str:
    return _WHERE[column.rows]
