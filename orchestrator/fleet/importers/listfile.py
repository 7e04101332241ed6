"""A ministry's file as rows, whichever form it has."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import FleetError
from orchestrator.fleet.importers import csvfile, workbook
from orchestrator.fleet.importers.rows import LARGEST_FILE, Row, Told
from orchestrator.fleet.importers.table import read_rows
from orchestrator.fleet.problems import printable


def read(path: Path, sheet: str | None = None) -> tuple[list[Row], list[Told]]:
    """The rows of a file, and what is wrong with its header.

    Raises:
        FleetError: it cannot be read as a list of hospitals.
    """
    name, form = printable(path.name), path.suffix.lower()
    if form not in (".csv", ".xlsx", ".xlsm"):
        raise FleetError(
            f"{name}: neither .csv nor .xlsx", hint="save it as .xlsx or as CSV (UTF-8)"
        )
    if sheet is not None and form == ".csv":
        raise FleetError(f"{name}: CSV has no sheets", hint="the same again without --sheet")
    content = _content(path, name)
    if form == ".csv":
        return read_rows(csvfile.read(content, name))
    return read_rows(workbook.read(content, name, sheet))


def _content(path: Path, name: str) -> bytes:
    if not path.is_file():
        raise FleetError(f"{path}: no such file", hint="name the list: wardship fleet import FILE")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise FleetError(
            f"{path}: cannot be read ({error.strerror})", hint="let the user who runs this read it"
        ) from error
    if len(content) > LARGEST_FILE:
        raise FleetError(
            f"{name}: larger than {LARGEST_FILE >> 20} MiB, which no list of hospitals is",
            hint="import a smaller list: several, one after the other",
        )
    return content
