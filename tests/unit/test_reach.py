"""ssh's words about a host become one sentence that says what to do."""

from __future__ import annotations

import pytest

from orchestrator.adapters.reach import why_unreachable
from orchestrator.adapters.ssh import Unreachable, understood

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
The fingerprint for the ED25519 key sent by the remote host is
SHA256:wtfo0NipPPn3nbAVnN1q1eXYL3g9exk22RrAweJ0hc8.\r
Host key for pacs-a has changed and you have requested strict checking.\r
Host key verification failed.\r
"""
UNKNOWN = (
    "No ED25519 host key is known for pacs-a and you have requested strict checking.\r\n"
    "Host key verification failed.\r\n"
)
WRAPPED = (
    'Task failed: Data could not be sent to remote host "pacs-a".'
    " Make sure this host can be reached over ssh: "
)


@pytest.mark.parametrize("wrapped", ["", WRAPPED])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (CHANGED, "wardship fleet trust pacs-a --replace"),
        (CHANGED, "another host key (SHA256:wtfo0NipPPn3nbAVnN1q1eXYL3g9exk22RrAweJ0hc8)"),
        (UNKNOWN, "no host key is recorded for pacs-a; compare it, then: wardship fleet trust"),
        ("root@10.0.0.1: Permission denied (publickey).\r\n", "pacs-a does not let us in"),
        (
            "ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n",
            "ssh: connect to host 10.0.0.1 port 22: Connection refused",
        ),
    ],
)
def test_what_ssh_says_becomes_what_to_do(wrapped: str, said: str, told: str) -> None:
    found = why_unreachable("pacs-a", wrapped + said)
    assert told in found
    assert found.isprintable()
    assert "Make sure" not in found


def test_the_host_programs_caller_tells_the_same() -> None:
    reply = understood("pacs-a", 255, b"", CHANGED.encode())
    assert isinstance(reply, Unreachable)
    assert "wardship fleet trust pacs-a --replace" in reply.because


def test_nothing_said_is_nothing_told() -> None:
    assert why_unreachable("pacs-a", " \n") == ""
