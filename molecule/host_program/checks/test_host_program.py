"""What the role promises: the host program is there, whole, and answers; nobody else writes it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.adapters.ssh import PROGRAM


def test_host_program_is_ours(host: Any) -> None:
    """The program on the host is, byte for byte, the one that this checkout builds."""
    with tempfile.TemporaryDirectory() as scratch:
        built = build_host_program(Path(scratch, "wardship-host"))
    assert host.file(PROGRAM).sha256sum == built


def test_host_program_answers(host: Any) -> None:
    """It runs on the host's own Python, holds nothing, and knows of no change."""
    says = json.loads(host.check_output(f"{PROGRAM} status"))
    assert (says["door"], says["hold"], says["changes"]) == ("open", False, [])


def test_host_program_is_roots(host: Any) -> None:
    """Only root writes the program, and only root sees what it keeps."""
    for path, mode in ((PROGRAM, 0o755), ("/var/lib/wardship", 0o700)):
        found = host.file(path)
        assert (found.user, found.group, found.mode) == ("root", "root", mode), path
