"""The epoch: a takeover raises it first, and every call with a lower one is refused from then on.

This is what stops a controller that was paused, lost its facility to another, and wakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import records
from .host import Host
from .locks import locked
from .outcome import RefusedError


def current(host: Host) -> int:
    """The highest epoch ever seen here; 0 before the first."""
    record = records.read(host.layout.epoch)
    return int(record["epoch"]) if record else 0


@contextmanager
def admitted(host: Host, epoch: int) -> Iterator[None]:
    """Hold the lock with the caller's epoch let in, before anything else happens.

    Raises:
        RefusedError: a higher epoch was seen.
    """
    host.disk.make_dir(host.layout.changes)
    with locked(host.system, host.layout.lock):
        known = current(host)
        if epoch < known:
            raise RefusedError("epoch", f"epoch {epoch} is over: {known} took this host over")
        if epoch > known:
            records.write(host.disk, host.layout.epoch, {"epoch": epoch})
        yield


def take(host: Host, epoch: int) -> "dict[str, int]":
    """Only raise the epoch."""
    with admitted(host, epoch):
        return {"epoch": current(host)}
