"""The spool as the host program sees it: its rules (orchestrator/spool), without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from orchestrator.host.disk import Disk
from orchestrator.host.system import Ran
from tests.fakes.postgresql import FakePostgresql


class Machine(Protocol):
    """What it needs of a fake host."""

    running: dict[str, str]
    failing: set[str]
    ran: list[str]
    given: list[str]
    postgresql: FakePostgresql

    @property
    def disk(self) -> Disk: ...


def listening(units: Mapping[str, tuple[str, str]]) -> Ran:
    """What ``ss -Hltn`` lists: the spool, while its unit runs."""
    is_up = any("-spool." in unit and how[0] == "active" for unit, how in units.items())
    return Ran(0, "LISTEN 0 5 0.0.0.0:11042 0.0.0.0:*\n" if is_up else "", "")


def park(directory: Path, number: int, uid: str, *, kind: str = "object") -> None:
    """An item that a modality has sent."""
    (directory / "parked" / f"{number:010d}.{kind}.CT1").write_text(uid)


def install(machine: Machine, words: list[str], _: str) -> Ran:
    if "-d" in words:
        for path in words[words.index("-d") + 1 :]:
            Path(path).mkdir(parents=True, exist_ok=True)
    return Ran(0, "", "")


def runuser(machine: Machine, words: list[str], stdin: str) -> Ran:
    """What runs under an account of its own: PostgreSQL's programs, and the spool."""
    if words[1] == "postgres":
        return machine.postgresql.run(words[words.index("--") + 1 :], stdin)
    return _spool(machine, words)


def _spool(machine: Machine, words: list[str]) -> Ran:
    """The spool: gives the product what is parked, if that runs, and says what became of it."""
    verb, place = words[-2], Path(words[-1])
    machine.ran.append(f"spool {verb}")
    if verb in machine.failing or (verb != "status" and "pacs.service" not in machine.running):
        return Ran(1, json.dumps({"failed": verb, "because": "the product does not answer"}), "")
    if verb == "learn":
        (place / "parked").mkdir(exist_ok=True)
    outcomes = place / "outcomes.jsonl"
    settled = outcomes.read_text().splitlines() if outcomes.exists() else []
    known = {json.loads(line)["number"] for line in settled}
    items = sorted((place / "parked").iterdir()) if (place / "parked").is_dir() else []
    waiting = [item for item in items if int(item.name[:10]) not in known]
    if verb == "replay":
        for item in waiting:
            line = {"number": int(item.name[:10]), "state": "stored", "because": item.read_text()}
            with outcomes.open("a") as file:
                file.write(json.dumps(line) + "\n")
            machine.given.append(f"{item.read_text()} to {machine.running['pacs.service']}")
            machine.disk.effect("given", item)
    told = {"given": len(waiting), "set_aside_count": 0, "waiting": len(waiting)}
    return Ran(0, json.dumps(told), "")
