"""``wardship init``: begin a fleet, which holds as it is and orders nothing."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from orchestrator import resources
from orchestrator.cli.console import console
from orchestrator.fleet.begin import fleet_files, name_for, write


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Not there yet, or empty.")],
) -> None:
    """Begin a fleet of one's own: commented files that fleet check finds in order."""
    name = name_for(directory)
    files = fleet_files(resources.templates() / "fleet", name)
    write(files, directory)
    invented = directory / "facilities" / "hospital-a.yml"
    written = sorted(str(directory / path) for path in files)
    console.answer({"fleet": name, "directory": str(directory), "files": [*written]}, written)
    console.closing(
        f"the fleet {name} is in {directory}, with one invented hospital and nothing ordered; no"
        f" host was touched. next: change {shlex.quote(str(invented))}, or remove it and bring"
        f" your own: wardship fleet import FILE --into {shlex.quote(str(directory))}; then:"
        f" wardship --fleet {shlex.quote(str(directory))} fleet check"
    )
