"""Build the host program."""

from __future__ import annotations

from pathlib import Path

from orchestrator.adapters.zipapps import write_program

PACKAGE = "wardship_host"
MAIN = f"from {PACKAGE}.main import entry\n\nentry()\n"
SOURCES = Path(__file__).resolve().parent.parent / "host"


def build_host_program(dest: Path) -> str:
    """Write the host program to ``dest`` (0755, whole or not at all); its SHA-256 in hex."""
    own = ((f"{PACKAGE}/{one.name}", one.read_bytes()) for one in sorted(SOURCES.glob("*.py")))
    return write_program(dest, [("__main__.py", MAIN.encode()), *own], compressed=False)
