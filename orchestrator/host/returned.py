"""What was parked is in the product again: proved by its census, not by its answers.

An object that the product took and does not list is named and kept, as one that it refused is: no
reason to keep a clinic shut, and nothing of ours removes it.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

from . import ask, parking, records
from .census import objects
from .change import Change
from .outcome import FailedError
from .work import Work

#: As the spool names its items (orchestrator/spool/store.py): number, kind, source.
OBJECT, COMMITMENT = "object", "commitment"
STORED = "stored"


def give_back(work: Work) -> None:
    """Give the product that runs all that is parked, and prove it.

    Raises:
        FailedError: it cannot be given.
    """
    place = parking.directory(work.change)
    if place is None:
        return
    kinds = _items(place)
    settled = {line["number"] for line in _lines(place / "outcomes.jsonl")}
    waiting = [n for n, kind in kinds.items() if kind != COMMITMENT and n not in settled]
    if waiting:
        seconds = max(work.manifest.limits["open"] - 30.0, 30.0)
        work.note(f"parked: {parking.give(work.change, seconds=seconds)}")
    if waiting or COMMITMENT in kinds.values():
        prove(work, place, kinds)


def prove(work: Work, place: Path, kinds: Dict[int, str]) -> None:
    """Look for every object that was taken; whoever asked for commitment hears it from here."""
    stored = _stored(place, kinds)
    try:
        held, because = objects(ask.census(work.host, work.change.id)), ""
    except FailedError as error:
        held, because = set(), error.because
    missing = sorted(stored - held)
    if not because:
        _tell_spool(work, place, held)
    record = {"objects": len(stored), "unproved": missing, "because": because}
    records.write(work.disk, work.change.paths.returned, record)
    work.note(f"proved in the product: {len(stored) - len(missing)} of {len(stored)} objects")


def _tell_spool(work: Work, place: Path, held: Set[str]) -> None:
    """From this it reports storage commitment. A full disk there keeps no clinic shut."""
    try:
        work.disk.write(place / "held", "\n".join(sorted(held)).encode("ascii"), mode=0o644)
    except OSError as error:
        work.note(f"storage commitment is not reported: {place}: {error.strerror}")


def prove_what_came_later(work: Work) -> None:
    """Look once more where objects were given after the last census: when the clinic was open."""
    place = parking.directory(work.change)
    if place is None or not place.is_dir():
        return
    held: Set[str] = set()
    with contextlib.suppress(FileNotFoundError):
        held = set((place / "held").read_text(encoding="ascii").split())
    kinds = _items(place)
    if _stored(place, kinds) - held:
        prove(work, place, kinds)


def _stored(place: Path, kinds: Dict[int, str]) -> Set[str]:
    """The UIDs of the objects that the product took."""
    return {
        line["because"]
        for line in _lines(place / "outcomes.jsonl")
        if line["state"] == STORED and kinds.get(line["number"]) == OBJECT
    }


def unproved(change: Change) -> Dict[str, Any]:
    """The UIDs that the product took and does not list, and why that is not known if it is not."""
    found = records.read(change.paths.returned) or {}
    return {"unproved": found.get("unproved", []), "unproved_because": found.get("because", "")}


def clean(work: Work) -> List[str]:
    """Remove what the product is proved to have; what it has not is kept, and told."""
    place = parking.directory(work.change)
    if place is None or not place.is_dir():
        return []
    missing = set(unproved(work.change)["unproved"])
    given = {
        line["number"]
        for line in _lines(place / "outcomes.jsonl")
        if line["state"] == STORED and line["because"] not in missing
    }
    kinds = _items(place)
    kept = sorted(set(kinds) - given)
    if not kept:
        work.disk.remove_tree(place)
        return []
    for path in (place / "parked").iterdir():
        if _number(path) in given:
            path.unlink()
    work.disk.remove_tree(place / "tls")
    return [f"{len(kept)} parked items that the product does not have are kept in {place}"]


def _items(place: Path) -> Dict[int, str]:
    """The kind of each item by its number."""
    with contextlib.suppress(FileNotFoundError):
        return {_number(path): path.name.split(".")[1] for path in (place / "parked").iterdir()}
    return {}


def _number(path: Path) -> int:
    return int(path.name.partition(".")[0])


def _lines(path: Path) -> Iterator[Dict[str, Any]]:
    """A last line that was cut off says nothing: its item is given again."""
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)
