"""flock: one at a time, let go by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .outcome import RefusedError
from .system import System

SHORT = 30.0


@contextmanager
def locked(system: System, path: Path, *, seconds: float = SHORT) -> Iterator[None]:
    """Hold ``path`` exclusively; wait for it at most ``seconds``.

    Raises:
        RefusedError: somebody else held it all that time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(system, path, descriptor, seconds)
        yield
    finally:
        os.close(descriptor)


def _acquire(system: System, path: Path, descriptor: int, seconds: float) -> None:
    deadline = system.monotonic() + seconds
    while not _try(descriptor):
        if system.monotonic() >= deadline:
            because = f"{path} was held by another process for {seconds:.0f} s"
            raise RefusedError("locked", because)
        system.sleep(0.05)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
