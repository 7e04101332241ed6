"""Programs that run on hosts, each one executable file whose bytes depend on its sources only.

They run isolated (``-I``: no environment, no user site) and write no bytecode (``-B``).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

SHEBANG = b"#!/usr/bin/python3 -IB\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold


def write_program(dest: Path, files: Iterable[tuple[str, bytes]], *, compressed: bool) -> str:
    """Write a program of these files to ``dest`` (0755, whole or not at all); its SHA-256."""
    held = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(held, "w", how) as archive:
        for name, content in files:
            _add(archive, name, content)
    program = SHEBANG + held.getvalue()
    aside = dest.with_name(f".{dest.name}.new")
    aside.write_bytes(program)
    aside.chmod(0o755)
    aside.rename(dest)
    return hashlib.sha256(program).hexdigest()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    entry.create_system = 3  # Unix, wherever it is built
    entry.external_attr = 0o644 << 16
    entry.compress_type = archive.compression
    archive.writestr(entry, content)
