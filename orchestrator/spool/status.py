"""What is parked, and what became of it: counts and UIDs, no patient's data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from .store import COMMITMENT, SET_ASIDE, STORED, Store

#: How many of a list are told; the count beside it is of all.
SHOWN = 100


def status(directory: Path) -> dict[str, Any]:
    """See docs/parking.md."""
    store = Store(directory, quota=0)
    known = store.outcomes()
    items = list(store.items())
    aside = [one for one in items if one.number in known and known[one.number].state == SET_ASIDE]
    waiting = [one for one in items if one.number not in known]
    refused = store.refusals()
    return {
        "parked": dict(Counter(one.kind for one in items)),
        "bytes": sum(one.path.stat().st_size for one in items),
        "stored": dict(
            Counter(i.kind for i in items if i.number in known and known[i.number].state == STORED)
        ),
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
        "refused_count": len(refused),
        "refused": refused[:SHOWN],
    }
