"""``wardship survey``: look at what is really there. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from orchestrator.cli import complete
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.errors import SurveyError
from orchestrator.fleet.model import Fleet
from orchestrator.survey.model import FacilitySurvey, HostSurvey

Facilities = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FACILITY]...",
        help="All of them if none is named.",
        autocompletion=complete.facilities,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(survey)


def survey(context: typer.Context, facilities: Facilities = None) -> None:
    """Look at the hosts: releases, volumes, services, configuration."""
    surveys = look(of(context).fleet(), facilities or [])
    console.answer(
        {name: found.model_dump(mode="json") for name, found in surveys.items()},
        (line for found in surveys.values() for line in shown(found)),
    )
    unknown = [name for name, found in surveys.items() if found.problems]
    if unknown:
        raise SurveyError(
            f"{len(unknown)} of {len(surveys)} facilities could not be looked at whole:"
            f" {', '.join(unknown)}; nothing was changed",
            hint="mend what is told above, then survey again",
        )
    console.closing("nothing was changed. next: wardship plan")


def look(fleet: Fleet, facilities: list[str]) -> dict[str, FacilitySurvey]:
    """Survey these facilities, or all."""
    # Imported here: Ansible takes long to import, and most commands do without.
    from orchestrator.wiring.survey import survey_fleet

    return survey_fleet(fleet, facilities, console.say)


def shown(found: FacilitySurvey) -> Iterator[str]:
    """One facility's survey as lines."""
    yield f"{found.facility} · looked at {found.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    for host in found.hosts:
        yield from _host(host)
    for problem in found.problems:
        yield f"  problem: {problem}"


def _host(host: HostSurvey) -> Iterator[str]:
    running = host.running or "not known"
    runs = "" if running == host.release else f" installed, running: {running}"
    yield f"  {host.host} · {host.product} {host.release}{runs} · {host.os}"
    for volume in host.volumes:
        kind = " subvolume" if volume.is_subvolume else ""
        free = f"{_gib(volume.free)} of {_gib(volume.size)} GiB free"
        yield f"    {volume.name} {volume.path} · {volume.filesystem}{kind} · {free}"
    services = ", ".join(f"{service.name} {service.active}" for service in host.services)
    yield f"    {services}"
    if host.counts:
        yield f"    {_counts(host.counts)}"
    yield from _callers(host)
    for each in host.certificates:
        yield f"    certificate of {', '.join(each.names)} until {each.not_after:%Y-%m-%d}"
    for difference in host.differences:
        yield f"    a change will make it another: {difference}"
    if host.locked_by:
        yield f"    held by change {host.locked_by}"


def _callers(host: HostSurvey) -> Iterator[str]:
    """The AE table, and whom it does not keep out."""
    if not host.ae_table:
        return
    strange = [one.ae_title for one in host.ae_table if not one.declared]
    declared = f"not as declared: {', '.join(strange)}" if strange else "all as declared"
    names = ", ".join(one.ae_title for one in host.ae_table)
    yield f"    AE table: {names} · {declared}"
    if host.callers and host.callers.anybody:
        where = "from its own address" if host.callers.checks_address else "from anywhere"
        yield f"    any other AE may {', '.join(host.callers.anybody)}; one of the table {where}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items())


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
