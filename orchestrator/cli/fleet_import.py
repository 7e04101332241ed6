"""``wardship fleet import``: facilities from a ministry's list. Nothing is ordered by it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.adapters.secrets import vault_names
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.errors import FleetError
from orchestrator.files import write_whole
from orchestrator.fleet.load import foundations
from orchestrator.fleet.model import Model

if TYPE_CHECKING:
    from orchestrator.fleet.importers.draft import Draft


class ImportAnswer(Model):
    """The answer of ``fleet import``: the files by what became of them."""

    fleet: str
    written: tuple[str, ...]
    replaced: tuple[str, ...]
    unchanged: tuple[str, ...]
    notes: tuple[str, ...]


def add_to(commands: typer.Typer) -> None:
    """Add the command."""
    commands.command(name="import")(import_)


def import_(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A list as .csv or .xlsx.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The fleet, in place of --fleet.")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which sheet of a workbook.")
    ] = None,
    netbox: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="From NetBox, in place of a list; its token is in NETBOX_TOKEN."
        ),
    ] = None,
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="KIND=SLUG",
            help="NetBox's role of host (pacs), modality, workstation; may be repeated.",
        ),
    ] = None,
    to_fill_in: Annotated[
        Path | None,
        typer.Option("--template", metavar="FILE", help="Write a table to fill in, and end."),
    ] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Facilities that are declared may change.")
    ] = False,
) -> None:
    """Declare facilities from a list: every wrong cell at once, or files that hold."""
    if to_fill_in is not None:
        _write_template(to_fill_in)
        return
    directory = into or of(context).directory
    if netbox is not None:
        if file is not None or sheet is not None:
            raise FleetError("a list and NetBox", hint="one import after the other")
        _bring_netbox(netbox, directory, roles or [], replace=replace)
        return
    if file is None:
        raise FleetError(
            "nothing to import",
            hint="name a list: wardship fleet import FILE; a table to fill in:"
            " wardship fleet import --template FILE.xlsx",
        )
    _bring(file, directory, sheet=sheet, replace=replace)


def _bring(file: Path, directory: Path, *, sheet: str | None, replace: bool) -> None:
    # Imported here: only this command needs a spreadsheet's library.
    from orchestrator.fleet.importers import listfile
    from orchestrator.fleet.importers.draft import draft

    upon = foundations(directory)
    rows, told = listfile.read(file, sheet)
    made = draft(rows, upon)
    made.told += told
    _take_over(made, directory, source=file.name, replace=replace)


def _bring_netbox(url: str, directory: Path, said: list[str], *, replace: bool) -> None:
    from orchestrator.adapters import netbox
    from orchestrator.fleet.importers.draft import draft

    roles = dict(netbox.ROLES)
    for each in said:
        kind, _, slug = each.partition("=")
        if kind not in roles or not slug:
            raise FleetError(
                f"--role {each}: no role of a kind",
                hint=f"KIND=SLUG, KIND one of {', '.join(roles)}",
            )
        roles[kind] = slug
    upon = foundations(directory)
    with console.status("asking NetBox"):
        rows = netbox.read(url, roles)
    if not rows:
        raise FleetError(
            f"NetBox has no machine with a role of {', '.join(roles.values())}",
            hint="--role host=SLUG names your own",
        )
    _take_over(draft(rows, upon), directory, source="NetBox", replace=replace)


def _take_over(made: Draft, directory: Path, *, source: str, replace: bool) -> None:
    from orchestrator.fleet.importers.into import compare, write
    from orchestrator.fleet.importers.proposal import propose

    proposal = propose(made, directory, source=source, vault_names=vault_names)
    difference = compare(proposal, directory)
    write(proposal, difference, directory, replace=replace)
    answer = ImportAnswer(
        fleet=made.foundations.settings.fleet,
        written=difference.new,
        replaced=difference.changed,
        unchanged=difference.same,
        notes=(*proposal.notes, *proposal.checked.notes),
    )
    lines = [f"{name}: written" for name in answer.written]
    lines += [f"{change}" for change in difference.changes]
    lines += [f"{name}: replaced" for name in answer.replaced]
    lines += [f"{name}: unchanged" for name in answer.unchanged]
    console.answer(answer, [*lines, *(f"note: {note}" for note in answer.notes)])
    count = len(answer.written) + len(answer.replaced)
    files = "1 facility" if count == 1 else f"{count} facilities"
    console.closing(
        f"{files} written, {len(answer.unchanged)} unchanged, nothing ordered; no host was touched."
        f" next: wardship --fleet {shlex.quote(str(directory))} fleet check"
    )


def _write_template(path: Path) -> None:
    from orchestrator.fleet.importers.template import template

    content = template(path)
    try:
        write_whole(path, [content], is_new=True)
    except FileExistsError:
        raise FleetError(
            f"{path}: is there already, and stays as it is", hint="choose another name"
        ) from None
    console.answer({"template": str(path)}, [str(path)])
    console.closing(
        "the table is written, with one invented hospital; nothing else was changed."
        f" next: fill it in, then: wardship fleet import {shlex.quote(str(path))} --into DIR"
    )
