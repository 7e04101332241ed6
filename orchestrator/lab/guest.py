"""A host of the lab as its content sees it: something that runs a command and gives its output."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orchestrator.errors import LabError

Clock = Callable[[], float]


class Run(Protocol):
    """Run a command as root on the host; its standard output.

    Raises:
        LabError: it could not be started, or ended with anything but 0.
    """

    def __call__(self, argv: Sequence[str], *, input: bytes | None = None) -> bytes: ...  # noqa: A002 - as subprocess


def put(
    run: Run, path: str, content: bytes, *, mode: int = 0o644, owner: str = "root:root"
) -> None:
    """Write a file on the host, its directories too. The content never shows in an argument."""
    user, _, group = owner.partition(":")
    how = ["install", "-D", f"-m{mode:04o}", f"-o{user}", f"-g{group}", "/dev/stdin", path]
    run(how, input=content)


class Rest:
    """The archive's own web service, asked from the host itself so that any door lets it pass."""

    _BODY = "/run/lab-archive.body"

    def __init__(self, run: Run, *, user: str, password: str, port: int = 8042) -> None:
        self._run = run
        self._root = f"http://127.0.0.1:{port}"
        self._login = f'user = "{user}:{password}"\n'.encode()

    def get(self, path: str) -> bytes:
        """What is there.

        Raises:
            LabError: no answer, or one that is not a success.
        """
        return self._run(self._curl(path), input=self._login)

    def post(self, path: str, body: bytes, *, method: str = "POST") -> bytes:
        """What the service answers. Raises as ``get`` does."""
        put(self._run, self._BODY, body, mode=0o600)
        try:
            sent = ["--request", method, "--data-binary", f"@{self._BODY}"]
            return self._run([*self._curl(path), *sent], input=self._login)
        finally:
            self._run(["rm", "-f", self._BODY])

    def json(self, path: str) -> Any:
        """As ``get``, read as JSON."""
        return json.loads(self.get(path))

    def _curl(self, path: str) -> list[str]:
        quiet = ["curl", "--silent", "--show-error", "--fail", "--max-time", "120"]
        return [*quiet, "--config", "-", f"{self._root}{path}"]


def wait_until(
    claim: Callable[[], bool],
    *,
    what: str,
    seconds: float,
    clock: Clock = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Ask until it holds.

    Raises:
        LabError: it did not within ``seconds``.
    """
    deadline = clock() + seconds
    while True:
        try:
            if claim():
                return
        except LabError:
            if clock() >= deadline:
                raise
        if clock() >= deadline:
            raise LabError(f"{what}: not within {seconds:.0f} s", hint="look at the host's journal")
        pause(0.2)
