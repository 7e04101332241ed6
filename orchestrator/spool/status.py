"""What is parked, and what became of it: counts and UIDs, no patient's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .contexts import kept
from .objects import header
from .settings import load
from .store import COMMITMENT, OBJECT, SET_ASIDE, STORED, Item, Outcome, Store

#: How many of a list are told; the count beside it is of all.
SHOWN = 100


def status(directory: Path) -> dict[str, Any]:
    """See docs/parking.md. ``refused``: what did not come again while it could be parked."""
    store = Store(directory, quota=0)
    known = store.outcomes()
    items = list(store.items())
    aside = _with(SET_ASIDE, items, known)
    waiting = [one for one in items if one.number not in known]
    declared = [one.ae_title for one in load(directory).dicom.modalities]
    refused = _not_come_since(store.refusals(), items)
    return {
        "parked": dict(Counter(one.kind for one in items)),
        "bytes": sum(one.path.stat().st_size for one in items),
        "stored": dict(Counter(one.kind for one in _with(STORED, items, known))),
        "waiting": sum(one.kind != COMMITMENT for one in waiting),
        "unreported": sum(one.kind == COMMITMENT for one in waiting),
        "set_aside_count": len(aside),
        "set_aside": [
            {
                "number": one.number,
                "kind": one.kind,
                "source": one.source,
                "because": known[one.number].because,
            }
            for one in aside[:SHOWN]
        ],
        "not_let_in": [one for one in declared if one not in kept(directory).callers],
        "refused_count": len(refused),
        "refused_by": dict(Counter(one["caller"] for one in refused)),
        "refused": refused[:SHOWN],
    }


def _with(state: str, items: Iterable[Item], known: Mapping[int, Outcome]) -> list[Item]:
    return [one for one in items if one.number in known and known[one.number].state == state]


def _not_come_since(refused: list[dict[str, Any]], items: Iterable[Item]) -> list[dict[str, Any]]:
    if not any(line["what"] == OBJECT for line in refused):
        return refused
    there = {head.uid for one in items if one.kind == OBJECT and (head := header(one.path))}
    return [line for line in refused if line["uid"] not in there]
