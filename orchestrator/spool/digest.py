"""The bytes of an object's data set, apart from the file's own header (PS3.10 section 7.1)."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(path: Path) -> str:
    """SHA-256 in hex. Who wrote the file, and in whose name, makes no other object of it."""
    made = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(144)
        # Group length (0002,0000): UL, 4 bytes, always explicit little endian.
        file.seek(144 + int.from_bytes(head[140:144], "little"))
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest()
