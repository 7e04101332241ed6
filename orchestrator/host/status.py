"""status: what this host knows, and what is left to do. Changes nothing."""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import VERSION, door, epoch, member
from .begin import report
from .change import Change, everything, facts, load
from .host import Host
from .manifest import PHASES
from .phases import ABSENT, needs


def status(host: Host, identifier: Optional[str] = None) -> Dict[str, Any]:
    """The whole host, or one change of it."""
    changes = [load(host, identifier)] if identifier else everything(host)
    return {
        "version": VERSION,
        "epoch": epoch.current(host),
        "boot_id": host.system.boot_id(),
        "door": door.state(host),
        "hold": host.layout.hold.exists(),
        "changes": [_about(change) for change in changes],
    }


def _about(change: Change) -> Dict[str, Any]:
    known, manifest = facts(change), change.manifest
    reports = [report(change, phase) for phase in PHASES]
    return {
        "change": change.id,
        "product": manifest.product,
        "from_release": manifest.from_release,
        "to_release": manifest.to_release,
        "hops": list(manifest.hops),
        "needs": needs(known),
        "waits": member.unheard(change),
        "phases": [each for each in reports if each["state"] != ABSENT],
        "decision": change.decided(),
        "reversal": change.reversal(),
        "finished": change.finished(),
        "cleaned": known.cleaned,
        "evidence": str(change.paths.evidence) if change.paths.evidence.exists() else None,
    }
