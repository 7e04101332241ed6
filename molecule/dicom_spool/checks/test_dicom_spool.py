"""What the role promises: the spool is there, whole, and answers as a user who can do no more."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from orchestrator.adapters.spoolprogram import build_spool_program

PROGRAM = "/usr/local/lib/wardship/wardship-spool"


def test_spool_is_ours(host: Any) -> None:
    """The program on the host is, byte for byte, the one that this checkout builds."""
    with tempfile.TemporaryDirectory() as scratch:
        built = build_spool_program(Path(scratch, "wardship-spool"))
    found = host.file(PROGRAM)
    assert (found.sha256sum, found.user, found.mode) == (built, "root", 0o755)


def test_spool_answers_as_its_user(host: Any) -> None:
    """It runs on the host's own Python, with the libraries that it brings."""
    said = host.check_output(f"runuser -u wardship-spool -- {PROGRAM} version /tmp")
    assert set(json.loads(said)) == {"version"}


def test_user_cannot_log_in(host: Any) -> None:
    """Nobody comes in as the spool's user, and it is in no other group."""
    user = host.user("wardship-spool")
    assert (user.shell, user.groups) == ("/usr/sbin/nologin", ["wardship-spool"])
    assert host.check_output("getent shadow wardship-spool").split(":")[1].startswith("!")
