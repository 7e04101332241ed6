"""A change on this host: its manifest, its records, and the facts they amount to."""

from __future__ import annotations

from typing import List, Optional

from . import records, units
from .host import Host
from .layout import ChangeLayout
from .manifest import PHASES, Manifest, parse
from .outcome import RefusedError
from .phases import Facts, judge
from .records import Record


class Change:
    """One change that was prepared here."""

    def __init__(self, host: Host, manifest: Manifest, paths: ChangeLayout) -> None:
        self.host = host
        self.manifest = manifest
        self.id = manifest.change_set
        self.paths = paths

    @property
    def sequence(self) -> int:
        """Its place among the changes of this host: a higher one is younger."""
        record = records.read(self.paths.prepared)
        return int(record["sequence"]) if record else 0

    @property
    def is_anchor(self) -> bool:
        """Whether this host decides for others too."""
        together = self.manifest.together
        return together is not None and together.anchor == self.manifest.host

    @property
    def is_member(self) -> bool:
        """Whether another host decides for this one."""
        return self.manifest.together is not None and not self.is_anchor

    def decided(self) -> Optional[Record]:
        return records.read(self.paths.decision)

    def reversal(self) -> Optional[Record]:
        return records.read(self.paths.reversal)

    def finished(self) -> Optional[Record]:
        return records.read(self.paths.finished)


def load(host: Host, identifier: str) -> Change:
    """The change of that name.

    Raises:
        RefusedError: there is none here.
    """
    paths = host.layout.change(identifier)
    document = records.read(paths.manifest)
    if document is None:
        raise RefusedError("unknown-change", f"no change {identifier} was prepared on this host")
    return Change(host, parse(document), paths)


def everything(host: Host) -> List[Change]:
    """All changes of this host, oldest first."""
    if not host.layout.changes.is_dir():
        return []
    names = [d.name for d in host.layout.changes.iterdir() if (d / "change.json").exists()]
    return sorted((load(host, name) for name in names), key=lambda change: change.sequence)


def look(change: Change, phase: str) -> "tuple[str, Record]":
    """The state of a phase now, and its record with the reason filled in."""
    path = change.paths.phase(phase)
    record = records.read(path)
    unit, same_boot = units.GONE, True
    if record is not None and record["state"] == "started":
        same_boot = record["boot_id"] == change.host.system.boot_id()
        if same_boot:
            unit = units.look(change.host.system, record["unit"])
        if not unit.alive:  # it may have ended between the two looks
            record = records.read(path)
    said = None if record is None else str(record["state"])
    limit = change.manifest.limits[phase]
    state, because = judge(said, same_boot=same_boot, unit=unit, limit=limit)
    return state, {**(record or {}), **({"because": because} if because else {})}


def own_facts(change: Change) -> Facts:
    """The facts of a change by itself, whatever other changes there are."""
    decision, finished = change.decided(), change.finished()
    return Facts(
        phases={phase: look(change, phase)[0] for phase in PHASES},
        decision=decision["decision"] if decision else None,
        reversal=change.reversal() is not None,
        finished=finished["end"] if finished else None,
        cleaned=change.paths.cleaned.exists(),
        hands=change.paths.hands.exists(),
    )


def facts(change: Change) -> Facts:
    """The facts of a change among the others of this host."""
    own = own_facts(change)
    others = [other for other in everything(change.host) if other.id != change.id]
    known = {other.id: own_facts(other) for other in others}
    unfinished = next((name for name, each in known.items() if not each.is_over), None)
    younger = [other for other in others if other.sequence > change.sequence]
    return Facts(
        phases=own.phases,
        decision=own.decision,
        reversal=own.reversal,
        finished=own.finished,
        cleaned=own.cleaned,
        hands=own.hands,
        unfinished=unfinished,
        is_newest=not any(known[other.id].has_begun for other in younger),
    )


def unfinished(host: Host) -> Optional[Change]:
    """The change that is not over; at most one, by the rules of prepare and quiesce."""
    return next((c for c in everything(host) if not own_facts(c).is_over), None)
