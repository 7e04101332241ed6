"""Build the host program: one executable file whose bytes depend on its sources only.

It runs isolated (``-I``: no environment, no user site) and writes no bytecode (``-B``).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

SHEBANG = b"#!/usr/bin/python3 -IB\n"
PACKAGE = "wardship_host"
MAIN = f"from {PACKAGE}.main import entry\n\nentry()\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
SOURCES = Path(__file__).resolve().parent.parent / "host"


def build_host_program(dest: Path) -> str:
    """Write the host program to ``dest`` (0755, whole or not at all); its SHA-256 in hex."""
    program = _program()
    aside = dest.with_name(f".{dest.name}.new")
    aside.write_bytes(program)
    aside.chmod(0o755)
    aside.rename(dest)
    return hashlib.sha256(program).hexdigest()


def _program() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", MAIN.encode())
        for source in sorted(SOURCES.glob("*.py")):
            _add(archive, f"{PACKAGE}/{source.name}", source.read_bytes())
    return SHEBANG + held.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    entry.create_system = 3  # Unix, wherever it is built
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
