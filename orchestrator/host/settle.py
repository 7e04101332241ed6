"""settle: what others wrote is on its disk, before anything is promised that needs it.

This program's own writes are fsynced one by one. What Ansible staged, what systemctl linked, what a
role's script wrote is not: a power cut half a minute later would leave a script of no bytes, and a
host that cannot put itself back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from .outcome import FailedError
from .system import System

#: Seconds: a file system may have much to write that is none of ours.
PATIENCE = 300.0


def settle(system: System, paths: Sequence[Path]) -> None:
    """Write out the file systems of ``paths``; of one that is not there, that of its directory.

    Raises:
        FailedError: not everything could be written.
    """
    present = sorted({str(_present(path)) for path in paths})
    ran = system.run(["sync", "--file-system", "--", *present], timeout=PATIENCE)
    if ran.code != 0:
        raise FailedError(f"not everything is on its disk: {ran.reason}")


def _present(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())
