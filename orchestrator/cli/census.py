"""``wardship census`` and ``wardship reconcile``: what is there, and whether all of it still is."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from orchestrator.cli import complete
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.errors import CensusError, UsageError
from orchestrator.files import require_regular
from orchestrator.survey.listing import Counts, Listing

if TYPE_CHECKING:
    from orchestrator.survey.reconcile import Found
    from orchestrator.survey.reconciled import Reconciled

_SHOWN = 20
_COLUMNS = ("what", "level", "study", "series", "instance", "record", "key", "field", "objects",
            "allowed")  # fmt: skip

Facility = Annotated[
    str | None,
    typer.Argument(metavar="[FACILITY]", help="Whose.", autocompletion=complete.facilities),
]
Retrieve = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Fetch about N objects too, and note what they hold."),
]
Archive = Annotated[
    str | None,
    typer.Option(metavar="AE@HOST:PORT", help="Of any archive instead, over DICOM alone."),
]
Calling = Annotated[str, typer.Option(metavar="AE", help="Our AE title at that archive.")]
File = Annotated[Path, typer.Argument(metavar="LISTING", help="That wardship census wrote.")]
Allow = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Differences that are allowed, and why.")
]
Table = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Every difference as a table.")
]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="To print and to sign.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(census)
    app.command()(reconcile)


def census(
    context: typer.Context,
    facility: Facility = None,
    retrieve: Retrieve = 0,
    archive: Archive = None,
    calling: Calling = "WARDSHIP",
) -> None:
    """List every study, series and object, or every record, of a facility's hosts."""
    # Imported here: Ansible and DICOM take long to import.
    from orchestrator.wiring import census as wired
    from orchestrator.wiring.survey import wanted

    if (facility is None) == (archive is None):
        raise UsageError(
            "whose census?", hint="wardship census FACILITY, or --archive AE@HOST:PORT"
        )
    fleet = of(context).fleet()
    moving = console.moving()
    moving.start()

    def heard(done: int, total: int) -> None:
        moving.update(f"{done} of {total} studies")

    try:
        if archive is not None:
            peer = wired.any_archive(archive, calling=calling)
            taken = wired.take_archive(fleet, peer, retrieve=retrieve, heard=heard)
        else:
            (name,) = wanted(fleet, [str(facility)])
            taken = wired.take(fleet, name, retrieve=retrieve, say=console.say, heard=heard)
    finally:
        moving.stop()
    listed: list[JsonValue] = [
        {"listing": str(path), "counts": counts.model_dump(mode="json")}
        for path, counts in taken.items()
    ]
    console.answer({"taken": listed}, (line for one in taken.items() for line in _taken(*one)))
    if not taken:
        console.closing("nothing there can be listed. next: wardship survey")
        return
    console.closing(
        "nothing was changed there. next: change or migrate, take the census again, then:"
        f" wardship reconcile {next(iter(taken))} LISTING"
    )


def reconcile(
    before: File, after: File, allow: Allow = None, table: Table = None, page: Page = None
) -> None:
    """Compare two listings: everything is there, or every difference is told."""
    from orchestrator.files import write_whole
    from orchestrator.report import reconciled_html
    from orchestrator.survey.allowed import read_allowed
    from orchestrator.survey.reconciled import reconcile as compared

    against: list[tuple[Found, str | None]] = []
    allowed: list[tuple[Found, str | None]] = []
    rules = read_allowed(allow) if allow else ()
    with ExitStack() as stack:
        write = stack.enter_context(_Table(table)) if table else None

        def hear(found: Found, why: str | None) -> None:
            told = against if why is None else allowed
            if len(told) < reconciled_html.MOST:
                told.append((found, why))
            if write:
                write(found, why)

        found = compared(Listing(before), Listing(after), allowed=rules, hear=hear)
    if page:
        shown = [*against, *allowed]
        text = reconciled_html.to_html(found, shown, table=table.name if table else None)
        write_whole(page, [text.encode()], mode=0o600)
    console.answer(found, _lines(found, against))
    kept = f"; all of them are in {table}" if table else ""
    kept += f"; to print and to sign: {page}" if page else ""
    if not found.is_whole:
        raise CensusError(
            f"{sum(found.differences.values())} differences between {before.name} and"
            f" {after.name}{kept}; nothing was changed",
            hint="mend what is missing, or allow it with its reason: --allow FILE"
            + ("" if table else "; every one of them: --csv FILE"),
        )
    console.closing(f"everything is there{kept}; nothing was changed. next: keep both listings")


class _Table:
    """Writes differences as they are found: there may be a million."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> _Table:
        require_regular(self._path)
        try:
            descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            error.filename = str(self._path)
            raise
        self._file = os.fdopen(descriptor, "w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(_COLUMNS)
        return self

    def __call__(self, found: Found, why: str | None) -> None:
        self._writer.writerow((*found, why or ""))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)


def _taken(path: Path, counts: Counts) -> Iterator[str]:
    yield f"{path}"
    if counts.studies:
        yield (
            f"  {counts.patients} patients, {counts.studies} studies, {counts.series} series,"
            f" {counts.instances} objects, {counts.content} of them fetched"
        )
        yield "  " + ", ".join(f"{name} {number}" for name, number in counts.modalities.items())
        if counts.uncounted:
            yield f"  {counts.uncounted} studies whose number of objects it does not tell"
    if counts.records:
        yield "  " + ", ".join(f"{number} {kind}" for kind, number in counts.records.items())
    if not counts.studies and not counts.records:
        yield "  empty"


def _lines(found: Reconciled, against: list[tuple[Found, str | None]]) -> Iterator[str]:
    from orchestrator.report.reconciled_html import share
    from orchestrator.survey.reconciled import kind

    for head, counts in ((found.before, found.counts_before), (found.after, found.counts_after)):
        numbers = {
            "studies": counts.studies,
            "series": counts.series,
            "objects": counts.instances,
            **counts.records,
        }
        told = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
        yield f"{head.source} · {head.taken_at:%Y-%m-%d %H:%M:%S} UTC · {told or 'empty'}"
    if found.counts_before.instances:
        yield f"{share(found)} of the objects are there, {found.contents} compared by content"
    for name, number in found.differences.items():
        yield f"  {name}: {number}"
    for name, number in found.allowed.items():
        yield f"  {name}: {number} (allowed)"
    for one, _ in against[:_SHOWN]:
        yield f"    {kind(one)}: {one.instance or one.series or one.study or one.key}"
    for head, counts in ((found.before, found.counts_before), (found.after, found.counts_after)):
        if counts.uncounted:
            yield (
                f"  {head.source} did not say of {counts.uncounted} studies how many objects"
                " they have: whether they are listed whole is not known"
            )
    for why in found.unused:
        yield f"  allowed and not found: {why}"
