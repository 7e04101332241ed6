"""``wardship backup stamp``: read a backup to its end, and date it. No hospital is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.errors import FleetError
from orchestrator.fleet.model import Fleet, Host

Moment = Annotated[
    datetime | None,
    typer.Option(
        "--taken-at", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], help="UTC; else the file's own time."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Backups that are kept off the hosts.", no_args_is_help=True)
    group.command("stamp")(stamp)
    app.add_typer(group, name="backup")


def stamp(
    context: typer.Context, facility: str, host: str, file: Path, taken_at: Moment = None
) -> None:
    """Read a backup to its end and write its stamp, which the gate looks at."""
    from orchestrator.adapters.backups import stamp_path, write_stamp

    fleet = of(context).fleet()
    path = stamp_path(fleet, facility, host, _host(fleet, facility, host))
    if path is None:
        raise FleetError(
            f"{facility}/{host} has no backup declared",
            hint="declare one in fleet.yml: gates: backup: {stamp: PATH, max_age_hours: HOURS}",
        )
    try:
        of_file = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError as error:
        raise FleetError(f"{file}: {error.strerror}", hint="name the backup itself") from error
    taken = taken_at.replace(tzinfo=UTC) if taken_at else of_file
    made = write_stamp(path, file, facility=facility, host=host, taken_at=taken, say=console.say)
    console.answer(made, [f"{file}: {made.size} bytes, taken at {taken:%Y-%m-%d %H:%M} UTC"])
    console.closing(f"stamped: {path}. next: wardship plan {facility}")


def _host(fleet: Fleet, facility: str, host: str) -> Host:
    found = fleet.facilities.get(facility)
    if found is None or host not in found.hosts:
        known = ", ".join(sorted(found.hosts if found else fleet.facilities))
        raise FleetError(
            f"no {'host ' + host if found else 'facility ' + facility}", hint=f"there is: {known}"
        )
    return found.hosts[host]
