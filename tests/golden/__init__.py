"""What people and Ansible see, kept byte by byte: ``WARDSHIP_GOLDEN=write`` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

EXPECTED = Path(__file__).parent / "expected"


def assert_golden(name: str, found: str) -> None:
    """The text is what ``expected/<name>`` has."""
    path = EXPECTED / name
    if os.environ.get("WARDSHIP_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == found, f"{path} differs from what is said now"
