"""``wardship lab``: two hospitals on this machine, to try things on. No real one is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import JsonValue

from orchestrator.cli.console import console
from orchestrator.errors import LabError

if TYPE_CHECKING:
    from orchestrator.lab.hospital import Lab
    from orchestrator.lab.model import LabStatus

STATE = Path("/var/lib/wardship-lab")

commands = typer.Typer(
    help="Two hospitals on this machine, to try everything on (root, Debian 12).",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Option("--name", metavar="LAB", envvar="WARDSHIP_LAB", help="Which.")]
Host = Annotated[str, typer.Argument(metavar="HOST", help="Such as pacs-a.")]
Command = Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]")]
PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands, name="lab")


@commands.command()
def up(name: Name = "dev") -> None:
    """Bring up two hospitals as wardship finds them; finishes or mends an up that was cut off."""
    from orchestrator.lab.demo import Demo

    lab = _lab(name)
    fleet = Demo(lab, say=console.say).up().directory
    _answer(lab.status())
    console.closing(
        f"the lab {name} is up, its fleet is {fleet}."
        f" next: wardship lab exec --name {name} -- wardship --fleet {fleet} plan"
    )


@commands.command()
def reset(host: Host, name: Name = "dev") -> None:
    """Put a host back to the hospital that up made; what happened there since is lost."""
    from orchestrator.lab.demo import Demo

    lab = _lab(name)
    with console.status(f"{host}: going back"):
        Demo(lab, say=console.say).reset(host)
    _answer(lab.status())
    console.closing(f"{host} is as it was found. next: wardship survey")


@commands.command()
def down(name: Name = "dev") -> None:
    """Remove everything that the lab made on this machine; downloads are kept."""
    _lab(name).down()
    console.answer({"lab": name, "removed": True}, ())
    console.closing(f"the lab {name} is gone. next: wardship lab up --name {name}")


@commands.command()
def status(name: Name = "dev") -> None:
    """Which hosts there are, and whether they run."""
    found = _lab(name).status()
    _answer(found)
    if not found.hosts:
        console.closing(f"there is no lab {name}. next: wardship lab up --name {name}")
    elif found.is_running:
        console.closing(f"nothing was changed. next: wardship lab ssh --name {name} HOST")
    else:
        console.closing(f"not every host runs. next: wardship lab up --name {name}")


@commands.command(context_settings=PASS_ON)
def ssh(host: Host, command: Command = None, name: Name = "dev") -> None:
    """Log in to a host as root, or run one command there."""
    _become([*_lab(name).ssh_argv(host), *_without_dashes(command or [])])


@commands.command(name="exec", context_settings=PASS_ON)
def execute(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...")], name: Name = "dev"
) -> None:
    """Run a command of this machine in the controller's network, from where hosts are reached."""
    _become([*_lab(name).enter_argv(), *_without_dashes(command)])


@commands.command(name="break")
def break_host(
    host: Host,
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="See lab faults.")],
    name: Name = "dev",
    when: Annotated[
        str, typer.Option(metavar="now|on-switch", help="At once, or by another release's start.")
    ] = "on-switch",
    release: Annotated[
        str | None, typer.Option(metavar="RELEASE", help="Only by this one's start.")
    ] = None,
    *,
    stays: Annotated[
        bool, typer.Option("--stays", help="Also for the old release, until it is lifted.")
    ] = False,
) -> None:
    """Break a host as a bad release would, or arm it to break when another release starts."""
    from orchestrator.lab import faults

    guest, moment = _lab(name).guest(host), _moment(when)
    faults.break_(guest, fault, when=moment, release=release, stays=stays)
    told = {"host": host, "fault": fault, "when": when, "release": release, "stays": stays}
    console.answer(told, ())
    what = "is broken" if when == "now" else "will break when another release starts"
    console.closing(f"{host} {what}: {fault}. next: wardship lab lift --name {name} {host} {fault}")


@commands.command()
def lift(
    host: Host,
    fault: Annotated[str | None, typer.Argument(metavar="[FAULT]", help="Or all.")] = None,
    name: Name = "dev",
) -> None:
    """End a fault, or all of them, and undo what nobody has undone yet."""
    from orchestrator.lab import faults

    guest = _lab(name).guest(host)
    if fault:
        faults.lift(guest, fault)
    else:
        faults.lift_all(guest)
    console.answer({"host": host, "lifted": fault or "all"}, ())
    console.closing(f"{host}: {fault or 'every fault'} lifted. next: wardship survey")


@commands.command(name="faults")
def list_faults() -> None:
    """The faults that break knows."""
    from orchestrator.lab.faults import NAMES

    console.answer({"faults": [*NAMES]}, NAMES)
    console.closing("nothing was changed. next: wardship lab break HOST FAULT")


def _without_dashes(command: list[str]) -> list[str]:
    """Typer leaves ``--`` in place after another argument."""
    return command[1:] if command[:1] == ["--"] else command


def _moment(when: str) -> Literal["now", "on-switch"]:
    if when == "now":
        return "now"
    if when == "on-switch":
        return "on-switch"
    raise LabError(f"{when} is no moment", hint="--when now, or --when on-switch")


def _lab(name: str) -> Lab:
    from orchestrator.lab.hospital import Lab

    if os.geteuid() != 0:
        raise LabError("a lab needs root", hint="run it as root, on a machine to try things on")
    cache = os.environ.get("WARDSHIP_CACHE")
    directory = Path(cache) if cache else Path("~/.cache/wardship").expanduser()
    return Lab(name, state=STATE, cache=directory, say=console.say)


def _become(argv: list[str]) -> None:
    """Replace this process: signals, the terminal and the exit code are the command's."""
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        raise LabError(f"{argv[0]}: {error.strerror}", hint="wardship lab up") from error


def _answer(found: LabStatus) -> None:
    hosts: list[JsonValue] = [
        {
            "host": host.spec.name,
            "address": str(host.spec.address),
            "state": host.state.value,
            "is_frozen": host.is_frozen,
        }
        for host in found.hosts
    ]
    console.answer({"lab": found.name, "hosts": hosts}, _lines(found))


def _lines(found: LabStatus) -> Iterator[str]:
    for host in found.hosts:
        golden = ", has a golden state" if host.is_frozen else ""
        yield f"{host.spec.name} · {host.spec.address} · {host.state.value}{golden}"
