"""What was sent while a door was shut, and what became of it: the host's own word, read and told.

UIDs and AE titles only. What the archive does not have is named, and so is who has to send again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from orchestrator.fleet.model import Model
from orchestrator.plan.model import HostChange
from orchestrator.plan.parking import listed

#: What kinds of items are called for a person.
KINDS = {
    "object": "images",
    "commitment": "storage commitments asked",
    "create": "procedure steps begun",
    "set": "procedure steps changed",
    "hl7": "HL7 messages",
}


class SetAside(Model):
    """An item that the product does not take; it is kept on the host."""

    number: int
    kind: str
    source: str
    because: str


class Refused(Model):
    """Somebody who was sent away. ``uid`` is empty where no object was named."""

    caller: str
    what: str
    because: str
    uid: str = ""


class Parked(Model):
    """What a host says was parked. ``waiting``: not given yet; ``unproved``: in no census."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    parking: bool
    parked: dict[str, int] = Field(default_factory=dict)
    stored: dict[str, int] = Field(default_factory=dict)
    waiting: int = 0
    unreported: int = 0
    set_aside_count: int = 0
    set_aside: tuple[SetAside, ...] = ()
    refused_count: int = 0
    refused_by: dict[str, int] = Field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    not_let_in: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()
    unproved_because: str = ""

    @property
    def told(self) -> str:
        """What was parked, in a few words."""
        parts = [f"{count} {KINDS.get(kind, kind)}" for kind, count in sorted(self.parked.items())]
        return ", ".join(parts) or "nothing was sent"

    @property
    def is_whole(self) -> bool:
        """Whether the product is proved to have all of it."""
        return not (self.waiting or self.set_aside_count or self.unproved)


def read(body: str | None) -> Parked | None:
    """The host's word; None where nothing was to be parked.

    Raises:
        ValueError: it cannot be read.
    """
    if body is None:
        return None
    found = Parked.model_validate(_plain(body))
    return found if found.parking else None


def _plain(body: str) -> Any:
    found = json.loads(body)
    if isinstance(found, dict):
        found["refused"] = [
            {key: one.get(key, "") for key in ("caller", "what", "because", "uid")}
            for one in found.get("refused", [])
        ]
    return found


def remarks(seen: Mapping[str, tuple[HostChange, Parked]]) -> tuple[str, ...]:
    """What a person has to know of it, a sentence each; nothing where all went straight."""
    found: list[str] = []
    for name, (host, parked) in seen.items():
        place = host.parking.directory if host.parking else "the spool"
        if parked.waiting:
            found.append(
                f"{name}: {parked.waiting} parked items are not given to {host.product} yet; the "
                "host goes on trying."
            )
        if parked.set_aside_count:
            first = parked.set_aside[0].because if parked.set_aside else "no reason told"
            found.append(
                f"{name}: {host.product} does not take {parked.set_aside_count} parked items, kept "
                f"in {place}; the first: {first}."
            )
        if parked.unproved:
            why = parked.unproved_because or "they are not in its census"
            found.append(
                f"{name}: {len(parked.unproved)} parked images are not proved to be in "
                f"{host.product} ({why}); they are kept in {place}."
            )
        if parked.not_let_in:
            found.append(
                f"{name}: {host.product} did not let {listed(parked.not_let_in)} in before the "
                "change, so that nothing was parked for them."
            )
        found += _resend(name, host, parked)
    return tuple(found)


def _resend(name: str, host: HostChange, parked: Parked) -> list[str]:
    count = parked.refused_by
    by_hand = tuple(f"{ae} ({count[ae]})" for ae in host.by_hand if ae in count)
    unsaid = tuple(f"{ae} ({count[ae]})" for ae in host.unsaid if ae in count)
    told = []
    if by_hand:
        told.append(
            f"{name}: was refused, has not sent it again yet, and must by hand: {listed(by_hand)}."
        )
    if unsaid:
        told.append(
            f"{name}: was refused, has not sent it again yet, and nobody has said whether it does: "
            f"{listed(unsaid)}."
        )
    return told
