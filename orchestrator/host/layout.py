"""Where things lie on the host, all of it outside what a restore puts back."""

from __future__ import annotations

import re
from pathlib import Path

from .outcome import RefusedError
from .system import System

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.-]{0,80}")


class Layout:
    """The paths of the program's own state."""

    def __init__(self, system: System) -> None:
        self.state = system.at("/var/lib/wardship")
        self.epoch = self.state / "epoch"
        self.lock = self.state / "lock"
        self.mutate_lock = self.state / "mutate.lock"
        self.ballast = self.state / "ballast"
        self.hold = self.state / "hold"
        self.door = self.state / "door.json"
        self.changes = self.state / "changes"
        self.run = system.at("/run/wardship")
        self.may_start = self.run / "may-start"
        self.units = system.at("/etc/systemd/system")

    def change(self, identifier: str) -> ChangeLayout:
        """The paths of one change.

        Raises:
            RefusedError: the name is not one.
        """
        if not IDENTIFIER.fullmatch(identifier):
            raise RefusedError("unknown-change", f"{identifier!r} is not the name of a change")
        return ChangeLayout(self.changes / identifier)

    def answering(self, port: int) -> Path:
        """There while a unit answers the members of sets on this port."""
        return self.state / f"answering-{port}.json"

    def heard(self, identifier: str) -> Path:
        """What an anchor heard from the members of a set since this host booted."""
        return self.run / f"heard-{identifier}.json"

    def unheard(self, identifier: str) -> Path:
        """Why a member does not hear its anchor."""
        return self.run / f"unheard-{identifier}.json"


class ChangeLayout:
    """The paths of one change's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest = directory / "change.json"
        self.prepared = directory / "prepared.json"
        self.scripts = directory / "scripts"
        self.files = directory / "files"
        self.hops = directory / "hops"
        self.key = directory / "key"
        self.phases = directory / "phases"
        self.decision = directory / "decision.json"
        self.reversal = directory / "reversal.json"
        self.finished = directory / "finished.json"
        self.cleaned = directory / "cleaned.json"
        self.watched = directory / "watched.json"
        self.hands = directory / "hands.json"
        self.intent = directory / "intent.json"
        self.answering = directory / "answering.json"
        self.over = directory / "over.json"
        self.parking = directory / "parking.json"
        self.returned = directory / "returned.json"
        self.saved = directory / "saved"
        self.saved_aside = directory / "saved.tmp"
        self.listings = directory / "listings"
        self.databases = directory / "databases.json"
        self.evidence = directory / "evidence"
        self.census_before = directory / "census-before.json"

    def phase(self, name: str) -> Path:
        return self.phases / f"{name}.json"

    def log(self, name: str) -> Path:
        return self.phases / f"{name}.log"
