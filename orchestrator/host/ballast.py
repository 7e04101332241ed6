"""Room kept back on the disk of our own state, so that a full disk cannot stop a restore.

Taken up before the clinic feels anything, given back as soon as something is to be put back.
"""

from __future__ import annotations

import os

from .host import Host

SIZE = 16 * 1024 * 1024
"""Bytes: our records, the saved paths once more, what a service writes while it starts."""


def keep(host: Host) -> None:
    """Take the room up.

    Raises:
        OSError: there is none.
    """
    path = host.layout.ballast
    if path.exists() and path.stat().st_size >= SIZE:
        return
    host.disk.effect("ballast", path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give(host: Host) -> None:
    """Give the room back; again does no harm."""
    host.disk.remove(host.layout.ballast)
