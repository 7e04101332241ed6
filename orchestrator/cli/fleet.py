"""``wardship fleet``: check, show and render what is declared; trust a host's key."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.adapters import hostkeys
from orchestrator.adapters.secrets import vault_names
from orchestrator.cli import complete, fleet_import
from orchestrator.cli.console import console
from orchestrator.cli.context import of
from orchestrator.errors import FleetError
from orchestrator.files import write_whole
from orchestrator.fleet import inventory
from orchestrator.fleet.load import check as check_fleet
from orchestrator.fleet.model import Fleet, Model
from orchestrator.fleet.schema import DECLARED, schemas
from orchestrator.fleet.trust import recorded

#: RFC 5737: addresses that stand for none.
EXAMPLES = ("192.0.2.", "198.51.100.", "203.0.113.")

commands = typer.Typer(help="What is declared.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    fleet_import.add_to(commands)
    app.add_typer(commands, name="fleet")


class CheckAnswer(Model):
    """The answer of ``fleet check``."""

    fleet: str
    digest: str
    facilities: int
    hosts: int
    notes: tuple[str, ...]


@commands.command()
def check(context: typer.Context) -> None:
    """Tell every problem of the declaration at once."""
    found = check_fleet(of(context).directory, vault_names=vault_names)
    fleet = found.fleet
    notes = (*found.notes, *_invented(fleet), *_without_key(fleet))
    answer = CheckAnswer(
        fleet=fleet.settings.fleet,
        digest=fleet.digest,
        facilities=len(fleet.facilities),
        hosts=sum(len(facility.hosts) for facility in fleet.facilities.values()),
        notes=notes,
    )
    console.answer(answer, (f"note: {note}" for note in notes))
    console.closing(
        f"{answer.fleet}: {_count(answer.facilities, 'facility', 'facilities')},"
        f" {_count(answer.hosts, 'host', 'hosts')}, no problem; nothing was changed."
        f" next: {_next(fleet)}"
    )


@commands.command()
def show(context: typer.Context) -> None:
    """Show facilities, hosts, and what is ordered for each."""
    fleet = of(context).fleet()
    console.answer(fleet, _shown(fleet))
    console.closing(f"declaration {fleet.digest[:12]}; nothing was changed. next: {_next(fleet)}")


@commands.command()
def render(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to.")] = None,
) -> None:
    """Write each facility's Ansible inventory, for plain ansible-playbook -i DIR/FACILITY."""
    fleet = of(context).fleet()
    target = to or fleet.state / "inventory"
    if to is None:
        fleet.state.mkdir(mode=0o700, exist_ok=True)
    written = []
    for facility in fleet.facilities:
        inventory.write(inventory.render(fleet, facility), target / facility)
        written.append(str(target / facility))
    console.answer({"inventories": [*written]}, written)
    vault = " --vault-password-file FILE" if fleet.settings.vault else ""
    console.closing(
        f"{_count(len(written), 'inventory', 'inventories')} written, no host was touched."
        f" next: ansible-playbook -i {written[0]}{vault} PLAYBOOK"
    )


@commands.command()
def trust(
    context: typer.Context,
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="Its name in the fleet.", autocompletion=complete.hosts
        ),
    ],
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the key from here, not from the host.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="The fingerprint was compared.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Another key is recorded.")] = False,
) -> None:
    """Record a host's key under its name, once; every later connection is checked against it."""
    fleet = of(context).fleet()
    declared = next((f.hosts[host] for f in fleet.facilities.values() if host in f.hosts), None)
    if declared is None:
        names = [name for facility in fleet.facilities.values() for name in facility.hosts]
        raise FleetError(f"no host {host}", hint=f"declared are: {', '.join(sorted(names))}")
    if key_file:
        key = hostkeys.read(key_file)
    else:
        key = hostkeys.scan(declared.address, fleet.ssh_of(declared))
    answer = {"host": host, "type": key.kind, "fingerprint": key.fingerprint}
    hostkeys.check(fleet.known_hosts, host, key, replace=replace)
    shows = f"{key_file} holds" if key_file else f"{host} ({declared.address}) shows"
    console.say(f"{shows} {key.kind} {key.fingerprint}")
    question = "Is that the host's key, compared with what its owner says?"
    given = ["--key-file", str(key_file)] if key_file else []
    given += ["--replace"] if replace else []
    again = shlex.join(["wardship", "fleet", "trust", host, *given, "--yes"])
    otherwise = f"compare the fingerprint, then: {again}"
    if not yes and not console.ask(question, otherwise=otherwise):
        raise FleetError(f"{host}: not recorded", hint=otherwise)
    changed = hostkeys.record(fleet.known_hosts, host, key, replace=replace)
    console.answer({**answer, "changed": changed}, [f"{host} {key.kind} {key.fingerprint}"])
    what = "recorded in" if changed else "already in"
    console.closing(f"{what} {fleet.known_hosts.name}. next: wardship survey")


@commands.command()
def schema(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Show only this one.", autocompletion=lambda: [*DECLARED]
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Write them there.")] = None,
) -> None:
    """Give the JSON Schemas of the declared files, for editors."""
    made = schemas()
    if name is not None and name not in DECLARED:
        raise FleetError(f"no schema {name}", hint=f"there are {', '.join(DECLARED)}")
    chosen = {f"{one}.schema.json": DECLARED[one][1] for one in DECLARED if name in (None, one)}
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        for file in chosen:
            write_whole(to / file, [made[file]])
        paths = [str(to / file) for file in chosen]
        console.answer({"schemas": [*paths]}, paths)
        console.closing(
            f"{_count(len(chosen), 'schema', 'schemas')} written, nothing else was changed. next:"
            f" a first line such as # yaml-language-server: $schema={paths[0]}"
        )
    elif name is not None:
        text = made[f"{name}.schema.json"].decode()
        console.answer(json.loads(text), text.splitlines())
        console.closing("nothing was changed. next: wardship fleet schema --to DIR")
    else:
        console.answer({"schemas": {**chosen}}, (f"{a} · {b}" for a, b in chosen.items()))
        console.closing("nothing was changed. next: wardship fleet schema --to DIR")


def _invented(fleet: Fleet) -> Iterator[str]:
    for name, facility in fleet.facilities.items():
        for host, declared in facility.hosts.items():
            if declared.address.startswith(EXAMPLES):
                file = f"facilities/{name}.yml"
                yield f"{host}: {declared.address} is of an example; name its own, or remove {file}"


def _next(fleet: Fleet) -> str:
    """What leads on: an order is only planned where there is one, of hosts that are known."""
    if unknown := next(_hosts_without_key(fleet), None):
        return f"wardship fleet trust {unknown}"
    return "wardship plan" if fleet.mandate.orders else "wardship survey"


def _without_key(fleet: Fleet) -> Iterator[str]:
    for name in _hosts_without_key(fleet):
        yield f"{name}: no host key recorded; wardship fleet trust {name}"


def _hosts_without_key(fleet: Fleet) -> Iterator[str]:
    known = hostkeys.known(fleet.known_hosts)
    for facility in fleet.facilities.values():
        yield from (name for name in facility.hosts if recorded(known, name) is None)


def _shown(fleet: Fleet) -> Iterator[str]:
    yield f"{fleet.settings.fleet}: {fleet.mandate.mandate}"
    for name, facility in fleet.facilities.items():
        title = f" · {facility.title}" if facility.title else ""
        yield f"{name}{title} · {facility.country} · {facility.timezone}"
        for host_name, host in facility.hosts.items():
            ordered = fleet.mandate.release_for(name, host.product)
            what = f"{ordered} ordered" if ordered else "nothing ordered"
            yield f"  {host_name} · {host.address} · {host.product} · {what}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
