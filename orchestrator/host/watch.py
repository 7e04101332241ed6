"""The units that look after a change: the undo timer, and on an anchor the one that answers.

Each is there from before quiesce until nothing is left for it to do.
"""

from __future__ import annotations

from pathlib import Path

from . import records, units
from .change import Change

#: They come back however they were ended, but for systemctl stop and their own last word.
AGAIN = (
    "Restart=always",
    "RestartPreventExitStatus=0",
    "RestartSec=10",
    "StartLimitIntervalSec=0",
)
UNDO, ANSWER = "undo", "answer"


def keep(change: Change) -> None:
    """Start the units, unless they run and have not taken their leave. Call it under the lock.

    Raises:
        FailedError: systemd did not start one.
    """
    answer(change)
    _keep(change, UNDO)


def answer(change: Change) -> None:
    """Start only the unit that answers the other hosts of a set, where this host is its anchor."""
    if change.is_anchor:
        _keep(change, ANSWER)


def leave(change: Change, which: str = UNDO) -> None:
    """Nothing is left to do for it. Call it under the lock in which that was seen."""
    change.host.disk.remove(_mark(change, which))


def _keep(change: Change, which: str) -> None:
    host, unit, mark = change.host, units.name(change.id, which), _mark(change, which)
    if mark.exists() and units.look(host.system, unit).alive:
        return
    units.kill(host.system, unit)  # one that has taken its leave may still be on its way out
    records.write(host.disk, mark, {"since": host.stamp()})
    argv = [host.system.program, which, "--change", change.id]
    units.start(host.system, unit, *AGAIN, argv=argv)


def _mark(change: Change, which: str) -> Path:
    return change.paths.watched if which == UNDO else change.paths.answering
