"""Things that are costly to make, kept in a directory each: whole, or made again.

An entry is made under another name, sealed with the hash of every file in it, and renamed. It is
checked whenever it is used, so a damaged or half-made one is never taken for good.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import LabError

_SEAL = "sealed.json"


def keep(entry: Path, make: Callable[[Path], None]) -> Path:
    """The entry's directory; ``make`` fills an empty one where there is none that is whole.

    Safe beside another maker of the same entry, who waits.

    Raises:
        LabError: what was just made did not stay as it was made.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    with locked(entry.parent / f"{entry.name}.lock"):
        if _is_whole(entry):
            return entry
        shutil.rmtree(entry, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".making-") as scratch:
            made = Path(scratch) / "entry"
            made.mkdir()
            make(made)
            (made / _SEAL).write_text(json.dumps(_digests(made), indent=1, sort_keys=True))
            made.rename(entry)
        if not _is_whole(entry):
            raise LabError(
                f"{entry} changed while it was made", hint="keep others out of the lab's cache"
            )
    return entry


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with this file's name, until the block ends or the process does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_whole(entry: Path) -> bool:
    try:
        return bool(json.loads((entry / _SEAL).read_text()) == _digests(entry))
    except (OSError, ValueError):
        return False


def _digests(entry: Path) -> dict[str, str]:
    return {
        path.relative_to(entry).as_posix(): digest(path)
        for path in entry.rglob("*")
        if path.is_file() and path.name != _SEAL
    }
