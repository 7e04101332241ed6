"""diagnose: what is wrong around a product that does not do what it should, in sentences.

For the person who has to mend it. Decides nothing and changes nothing: a verdict comes from phases
and checks. Every look has a time limit; what could not be looked at is said, never left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Set

from . import member
from .change import Change, load
from .decide import alone
from .host import Host
from .restore import ROOM
from .work import Work, current_release, environment

SCRIPT = "diagnose"
SECONDS = 20.0
FULL = 16 * 1024 * 1024
"""Bytes: less than this, and a database cannot even write its log."""
MIB = 1024 * 1024


def diagnose(host: Host, identifier: str) -> Dict[str, Any]:
    """``found``: what is wrong; ``unknown``: what could not be looked at."""
    change = load(host, identifier)
    found: List[str] = [*_went_alone(change), *filter(None, [member.unheard(change)])]
    unknown: List[str] = []
    seen: Set[int] = set()
    for path in _paths(change):
        _look(host, path, seen, found, unknown)
    _ask_role(change, found, unknown)
    return {"found": list(dict.fromkeys(found)), "unknown": unknown}


def _went_alone(change: Change) -> List[str]:
    """What became of the product without a controller, which sees only that it is another."""
    decision = alone(change)
    if decision is None:
        return []
    why = f"{decision['by']}: {decision['because']}"
    together = change.manifest.together
    who = together.anchor if together and change.is_member else "this host"
    return [f"{who} went back by itself at {decision['at']} ({why})"]


def _look(host: Host, path: Path, seen: Set[int], found: List[str], unknown: List[str]) -> None:
    """What stops a writer there. ``seen``: file systems, since one that is full is told once."""
    try:
        device = path.stat().st_dev
        found += _shut(host, path) or ([] if device in seen else _room(host, path))
        seen.add(device)
    except OSError as error:
        unknown.append(f"{_told(host, path)}: {error.strerror}")


def _paths(change: Change) -> List[Path]:
    """The volumes, what is mounted or kept apart in them, and our own state."""
    paths: List[Path] = []
    for place in Work(change, SCRIPT).places:
        paths += [place.live, *(place.live / name for name in place.volume.objects)]
    return [*paths, change.host.layout.state]


def _shut(host: Host, path: Path) -> List[str]:
    """Whether nobody can write there, and from which directory on that is so."""
    if not host.system.is_read_only(path):
        return []
    while path != host.system.root and host.system.is_read_only(path.parent):
        path = path.parent
    return [f"the storage {_told(host, path)} is read-only"]


def _room(host: Host, path: Path) -> List[str]:
    free, name = host.system.free(path), _told(host, path)
    if free < FULL:
        return [f"the volume of {name} is full ({free} B free)"]
    if not host.system.has_names_left(path):
        return [f"the volume of {name} takes no more files (no inodes left)"]
    if free < ROOM:
        return [f"the volume of {name} is nearly full ({free // MIB} MiB free)"]
    return []


def _ask_role(change: Change, found: List[str], unknown: List[str]) -> None:
    """What the product's own script sees, a line each; a role need not have one."""
    path = change.paths.scripts / SCRIPT
    if not path.is_file():
        return
    release = current_release(change) or change.manifest.from_release
    words = environment(change, SCRIPT, release)
    ran = change.host.system.run([str(path)], env=words, timeout=SECONDS)
    found += [line.strip() for line in ran.out.splitlines() if line.strip()]
    if ran.code != 0:
        unknown.append(f"script {SCRIPT}: {ran.reason}")


def _told(host: Host, path: Path) -> str:
    inside = path.relative_to(host.system.root)
    return f"/{inside}" if inside.parts else "/"
