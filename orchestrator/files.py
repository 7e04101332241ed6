"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def require_regular(path: Path) -> None:
    """Refuse to put a file in the place of what is none: a device would be gone for everybody.

    Raises:
        OSError: something is there that is no regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def write_whole(
    path: Path, parts: Iterable[bytes], *, mode: int = 0o666, is_new: bool = False
) -> None:
    """Write a file in place of the one that is there; ``mode`` is less the process's umask.

    Raises:
        FileExistsError: ``is_new``, and something of that name is there.
        OSError: it could not be written; it names the file, and nothing of it is left.
    """
    if is_new and (path.exists() or path.is_symlink()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    require_regular(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
        partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk does not name one
        raise
