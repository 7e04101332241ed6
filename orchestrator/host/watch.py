"""The unit of the undo timer: there from before quiesce until the change is over."""

from __future__ import annotations

from . import records, units
from .change import Change

#: It comes back however it was ended, but for systemctl stop and its own last word.
AGAIN = (
    "Restart=always",
    "RestartPreventExitStatus=0",
    "RestartSec=10",
    "StartLimitIntervalSec=0",
)


def keep(change: Change) -> None:
    """Start the unit, unless it runs and has not taken its leave. Call it under the lock.

    Raises:
        FailedError: systemd did not start it.
    """
    host, unit = change.host, units.name(change.id, "undo")
    if change.paths.watched.exists() and units.look(host.system, unit).alive:
        return
    units.kill(host.system, unit)  # one that has taken its leave may still be on its way out
    records.write(host.disk, change.paths.watched, {"since": host.stamp()})
    argv = [host.system.program, "undo", "--change", change.id]
    units.start(host.system, unit, *AGAIN, argv=argv)


def leave(change: Change) -> None:
    """Nothing is left to watch over. Call it under the lock in which that was seen."""
    change.host.disk.remove(change.paths.watched)
