"""The units that look after a change: the undo timer, and on an anchor the one that answers.

The timer is there from before quiesce until nothing is left for it to do. Who answers does so for
all changes of a port, from *prepare* on.
"""

from __future__ import annotations

from typing import Optional

from . import records, units
from .change import Change
from .host import Host

#: They come back however they were ended, but for systemctl stop and their own last word.
AGAIN = (
    "Restart=always",
    "RestartPreventExitStatus=0",
    "RestartSec=10",
    "StartLimitIntervalSec=0",
)


def keep(change: Change) -> None:
    """Start what looks after a change, unless it does. Call it under the lock.

    Raises:
        FailedError: systemd did not start it.
    """
    answer(change)
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


def answer(change: Change) -> None:
    """Have the other hosts of a set answered, where this host is its anchor; as ``keep``.

    What answers for an older change answers for this one too.
    """
    port = port_of(change)
    if port is None:
        return
    host, unit = change.host, units.name("anchor", str(port))
    record = {"since": host.stamp(), "boot_id": host.system.boot_id()}
    now = host.system.monotonic()
    records.write(host.disk, change.paths.answering, {**record, "at": now})
    if host.layout.answering(port).exists() and units.look(host.system, unit).alive:
        return
    units.kill(host.system, unit)
    records.write(host.disk, host.layout.answering(port), record)
    argv = [host.system.program, "answer", "--port", str(port)]
    units.start(host.system, unit, *AGAIN, argv=argv)


def leave_answering(host: Host, port: int) -> None:
    """Nobody is left who would ask. Call it under the lock in which that was seen."""
    host.disk.remove(host.layout.answering(port))


def asked_to_answer(change: Change) -> Optional[float]:
    """When it was last asked to be answered for, by this boot's clock; None where it was not."""
    record = records.read(change.paths.answering)
    if record is None or record["boot_id"] != change.host.system.boot_id():
        return None
    return float(record["at"])


def port_of(change: Change) -> Optional[int]:
    """Where this host answers for a change; None where it decides for no other."""
    together = change.manifest.together
    return together.port if together is not None and change.is_anchor else None
