"""Build the bridge: our package with what it shares with others of ours, and its libraries."""

from __future__ import annotations

from pathlib import Path

from orchestrator.adapters.zipapps import OURS, libraries, parts, write_program

MAIN = b"from orchestrator.bridge.main import entry\n\nentry()\n"
SHARED = ("errors.py", "wire/errors.py", "wire/mllp.py", "wire/tryton.py")
LIBRARIES = ("certifi", "h11", "hl7", "httpcore", "httpx", "idna", "pydicom")


def build_bridge_program(dest: Path) -> str:
    """Write the bridge to ``dest`` (0755, whole or not at all); its SHA-256 in hex."""
    own = sorted(f"bridge/{one.name}" for one in (OURS / "bridge").glob("*.py"))
    files = [("__main__.py", MAIN), *parts([*own, *SHARED]), *libraries(LIBRARIES)]
    return write_program(dest, files, compressed=True)
