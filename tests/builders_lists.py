"""A ministry's list of hospitals, as cells, CSV and workbooks."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

import openpyxl

HEADER = ("facility", "title", "country", "timezone", "kind", "host", "address", "product",
          "release", "ae_title", "port")  # fmt: skip
#: Two hospitals: an archive with a modality and a workstation, an archive with a modality.
LIST: tuple[tuple[object, ...], ...] = (
    HEADER,
    ("north", "North", "SZ", "Africa/Mbabane", "host", "pacs-n", "10.9.0.1", "orthanc", "1.12.7",
     "NORTH", 4242),
    ("north", None, None, None, "modality", "pacs-n", "10.9.0.2", None, None, "CT1", 104),
    ("north", None, None, None, "workstation", "pacs-n", "10.9.0.3", None, None, "WS1", 11112),
    ("south", "South", "MZ", "Africa/Maputo", "host", "pacs-s", "10.9.1.1", "orthanc", None,
     "SOUTH", None),
    ("south", None, None, None, "modality", None, "10.9.1.2", None, None, "MR1", 104),
)  # fmt: skip
Table = Sequence[Sequence[object]]


def changed(cells: Mapping[str, object], table: Table = LIST) -> list[list[object]]:
    """The list with other cells, each named as in a spreadsheet."""
    rows = [list(row) for row in table]
    for name, value in cells.items():
        column, row = ord(name[0]) - ord("A"), int(name[1:]) - 1
        while len(rows) <= row:
            rows.append([None] * len(rows[0]))
        while len(rows[row]) <= column:
            rows[row].append(None)
        rows[row][column] = value
    return rows


def as_csv(table: Table = LIST, separator: str = ",") -> bytes:
    """As CSV, a blank for nothing."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(
        [["" if value is None else value for value in row] for row in table]
    )
    return text.getvalue().encode()


def as_workbook(
    table: Table = LIST, *, merged: Sequence[str] = (), sheets: Sequence[str] = ("fleet",)
) -> bytes:
    """As a workbook; the list is on the first of the sheets."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = sheets[0]
    for at, row in enumerate(table, start=1):
        for column, value in enumerate(row, start=1):
            sheet.cell(at, column).value = value  # type: ignore[assignment]
    for span in merged:
        sheet.merge_cells(span)
    for title in sheets[1:]:
        book.create_sheet(title)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def parts(workbook: bytes) -> dict[str, bytes]:
    """What a workbook is made of."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(contents: Mapping[str, bytes]) -> bytes:
    """A workbook of these parts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in contents.items():
            archive.writestr(name, part)
    return content.getvalue()
