"""What the bridge is told: the RIS, the listener, the stations. One JSON file, with a password."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Ris:
    """GNU Health's web service, and the bridge's own account there."""

    url: str
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Hl7:
    """The listener, and the hospital's system. ``charset``: of messages that name none (MSH-18).

    ``authority``: who gives patients' numbers (PID-3.4); ``placer``: whose order numbers come
    (ORC-2.2); empty: only what names nobody is taken. ``doctor``: code of who orders where a
    message names nobody that the RIS knows.
    """

    port: int
    charset: str
    authority: str
    placer: str
    doctor: str | None


@dataclass(frozen=True)
class Station:
    """A modality, and the codes of the imaging tests that are made there."""

    ae_title: str
    modality: str
    tests: frozenset[str]


@dataclass(frozen=True)
class Worklist:
    """Where the worklist is exported to, in a directory named as its AE."""

    directory: Path
    stations: tuple[Station, ...]
    every_seconds: float
    days_back: int
    days_ahead: int


@dataclass(frozen=True)
class Settings:
    """All of it. ``facility`` makes identifiers that no other hospital makes."""

    facility: str
    timezone: ZoneInfo
    ris: Ris
    hl7: Hl7 | None
    worklist: Worklist | None


def load(path: Path) -> Settings:
    """Read the settings.

    Raises:
        OSError, ValueError, KeyError, TypeError: they are not there, or not settings.
    """
    given = json.loads(path.read_text(encoding="utf-8"))
    hl7, worklist = given["hl7"], given["worklist"]
    return Settings(
        facility=str(given["facility"]),
        timezone=ZoneInfo(given["timezone"]),
        ris=Ris(**given["ris"]),
        hl7=Hl7(**hl7) if hl7 else None,
        worklist=_worklist(worklist) if worklist else None,
    )


def _worklist(given: Mapping[str, Any]) -> Worklist:
    stations = tuple(
        Station(ae_title, one["modality"], frozenset(one["tests"]))
        for ae_title, one in sorted(given["stations"].items())
    )
    more = {name: given[name] for name in ("every_seconds", "days_back", "days_ahead")}
    return Worklist(Path(given["directory"], given["ae_title"]), stations, **more)
