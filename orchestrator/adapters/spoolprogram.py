"""Build the spool: our package with pydicom, pynetdicom and hl7, as they are installed here."""

from __future__ import annotations

from pathlib import Path

from orchestrator.adapters.zipapps import libraries, parts, write_program

PACKAGE = "wardship_spool"
MAIN = f"from {PACKAGE}.main import entry\n\nentry()\n"
SOURCES = Path(__file__).resolve().parent.parent / "spool"
LIBRARIES = ("pydicom", "pynetdicom", "hl7")
#: What it shares with others of ours, by path in our package.
SHARED = ("wire/mllp.py",)


def build_spool_program(dest: Path) -> str:
    """Write the spool to ``dest`` (0755, whole or not at all); its SHA-256 in hex."""
    own = [(f"{PACKAGE}/{one.name}", one.read_bytes()) for one in sorted(SOURCES.glob("*.py"))]
    files = [("__main__.py", MAIN.encode()), *own, *parts(SHARED), *libraries(LIBRARIES)]
    return write_program(dest, files, compressed=True)
