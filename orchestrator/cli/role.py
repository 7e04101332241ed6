"""``wardship role``: begin a product's role, and look whether it keeps the contract."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator import resources
from orchestrator.cli.console import console
from orchestrator.fleet.scaffold import KINDS, scaffold, write

if TYPE_CHECKING:
    from orchestrator.wiring.role import RoleAnswer

commands = typer.Typer(help="Roles of products.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands, name="role")


@commands.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The role's name.")],
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND", help=f"One of {', '.join(KINDS)}.", autocompletion=lambda: [*KINDS]
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="In place of the roles' own directory.")
    ] = None,
) -> None:
    """Begin a product's role: it keeps the contract, and refuses until it is written."""
    files = scaffold(resources.templates() / "role", name, kind)
    directory = (to or resources.roles()).absolute() / name
    write(files, directory)
    written = [str(path) for path in files]
    console.answer({"role": name, "directory": str(directory), "files": [*written]}, written)
    console.closing(
        f"the role {name} is in {directory}, and no change with it begins until it is written."
        f" next: wardship role check {shlex.quote(str(directory))} names what is left"
    )


@commands.command()
def check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The role's directory.")],
) -> None:
    """Tell every breach of the contract at once, and what is left to write."""
    from orchestrator.wiring.role import check_role

    found = check_role(directory)
    console.answer(found, _lines(found))
    kept = f"{found.role} keeps the contract"
    if found.notes:
        kept += " as far as it was looked at"
    if left := len(found.left):
        parts = "1 part is" if left == 1 else f"{left} parts are"
        again = f"wardship role check {shlex.quote(str(directory))}"
        console.closing(
            f"{kept}; {parts} not written, so no change with it begins."
            f" next: write what is told above (docs/roles.md), then: {again}"
        )
        return
    console.closing(f"{kept}; nothing was changed. next: wardship survey, then wardship plan")


def _lines(found: RoleAnswer) -> Iterator[str]:
    yield f"{found.role} · {found.kind} · {len(found.checks)} checks"
    for note in found.notes:
        yield f"note: {note}"
    for left in found.left:
        yield f"not written: {left}"
