"""Programs run on this machine: every failure an error that says which, every child short-lived.

A child is killed when we die: on a lab that was cut off half way, nobody is still at work.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import LabError

#: How often a condition is looked at again, in seconds.
POLL = 0.05


@dataclass(frozen=True)
class Ran:
    """What a program did. ``argv`` is as it was asked for."""

    argv: tuple[str, ...]
    returncode: int
    output: bytes
    stderr: str

    @property
    def stdout(self) -> str:
        """Its output as text; undecodable bytes are replaced."""
        return self.output.decode(errors="replace")

    @property
    def is_ok(self) -> bool:
        """Whether it ended with 0."""
        return self.returncode == 0


def attempt(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run a program and tell how it ended, whatever that is.

    ``timeout`` is in seconds.

    Raises:
        LabError: the program is not there, or it did not end in time and was killed.
    """
    try:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            check=False,
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        )
    except FileNotFoundError as missing:
        raise LabError(
            "setpriv is not on this machine", hint="the lab runs on Debian 12 or later"
        ) from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(
            f"{_short(argv)} did not end within {timeout:.0f} s",
            hint="is the machine overloaded, or the host stuck? Look at its log",
        ) from late
    return Ran(tuple(argv), done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run a program that has to end well.

    Raises:
        LabError: it did not; the last lines of what it said are in the error.
    """
    return must(attempt(argv, stdin=stdin, timeout=timeout, env=env))


def must(done: Ran) -> Ran:
    """What a program did, if it ended well.

    Raises:
        LabError: it did not.
    """
    if done.is_ok:
        return done
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-4:]
    said = " / ".join(lines) or "it said nothing"
    raise LabError(
        f"{_short(done.argv)} ended with {done.returncode}: {said}",
        hint="wardship lab down, then up again, begins from nothing",
    )


def until(condition: Callable[[], bool], *, timeout: float) -> bool:
    """Wait until something holds, for at most ``timeout`` seconds; whether it does."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True


def _short(argv: Sequence[str]) -> str:
    line = " ".join(argv)
    return line if len(line) <= 160 else f"{line[:157]}..."
