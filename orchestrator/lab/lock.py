"""One at a time: a lock on a file that ends with the process that holds it, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab.run import until

#: The longest that another builder is waited for, in seconds: a cold build and some.
PATIENCE = 900.0


@contextmanager
def locked(path: Path, what: str, *, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at ``path``; say so when somebody else has it, and wait.

    The file may be removed by its holder: whoever waited for it then takes the new one.

    Raises:
        LabError: it stayed with another process for ``PATIENCE`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = _try(path)
    if held is None:
        say(f"waiting for another process that works on {what}")
        found: list[int] = []
        until(lambda: _keep(found, _try(path)), timeout=PATIENCE)
        if not found:
            raise LabError(
                f"another process has been working on {what} for {PATIENCE / 60:.0f} minutes",
                hint=f"see who holds it: fuser -v {path}",
            )
        held = found[0]
    try:
        yield
    finally:
        os.close(held)


def _try(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _keep(found: list[int], held: int | None) -> bool:
    if held is not None:
        found.append(held)
    return held is not None
