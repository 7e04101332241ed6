"""A parked object: what must be known of it to offer it, and the digest of its data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info


@dataclass(frozen=True)
class Header:
    """An object's file header (PS3.10 section 7.1)."""

    sop_class: str
    uid: str
    syntax: str


def header(path: Path) -> Header | None:
    """Read it; None where it cannot be."""
    try:
        meta = read_file_meta_info(path)
        return Header(
            str(meta.MediaStorageSOPClassUID),
            str(meta.MediaStorageSOPInstanceUID),
            str(meta.TransferSyntaxUID),
        )
    except (InvalidDicomError, AttributeError, ValueError, OSError):
        return None


def digest(path: Path) -> str:
    """SHA-256 in hex of the data set's bytes.

    Who wrote the file, and in whose name, makes no other object of it.
    """
    made = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(144)
        # Group length (0002,0000): UL, 4 bytes, always explicit little endian.
        file.seek(144 + int.from_bytes(head[140:144], "little"))
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest()
