"""Reaches hosts over ssh: the host program's verbs, files, tunnels to the product.

All through the fleet's one configuration (``ssh_config``), so over one shared connection a host.
Refuses to guess: an answer that is no JSON object is *unreachable* or *broken*, never *done*.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from orchestrator.adapters.reach import why_unreachable
from orchestrator.adapters.ssh_config import CONNECT_TIMEOUT
from orchestrator.errors import WardshipError
from orchestrator.fleet.model import Model
from orchestrator.survey.model import ClockSurvey

#: Where stage lays down the host program (docs/host-program.md).
PROGRAM = "/usr/local/lib/wardship/wardship-host"
#: A program that gets this dies with the thread that started it.
_DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
_SSH_FAILED = 255
#: Ends the ssh sessions that hold a port of the host's loopback, and nothing else that may hold it.
_END_HOLDER = """
for pid in $(ss -Hltnp "sport = :$0" | grep -o 'pid=[0-9]*' | cut -d= -f2); do
  case $(cat "/proc/$pid/comm") in sshd*) kill "$pid" ;; esac
done
"""


class Done(Model):
    """The host program answered: look at the object."""

    kind: Literal["done"] = "done"
    data: dict[str, JsonValue]


class Refused(Model):
    """The host program refused, and nothing was done."""

    kind: Literal["refused"] = "refused"
    refused: str
    because: str


class Unreachable(Model):
    """No answer: what was asked for may or may not have happened there."""

    kind: Literal["unreachable"] = "unreachable"
    because: str


class Broken(Model):
    """It answered against its contract, or is not there: a bug, or a host that was never staged."""

    kind: Literal["broken"] = "broken"
    because: str
    exit_code: int


Reply = Done | Refused | Unreachable | Broken


class Tunnel(Model):
    """Open forwards. ``local``: port of the host's loopback → port here;
    ``remote``: port that listens on the host's loopback → port here that it leads to."""

    local: dict[int, int]
    remote: dict[int, int]


class HostProgram:
    """The hosts of one fleet, through one ssh configuration."""

    def __init__(self, ssh_config: Path, *, become: Mapping[str, bool] | None = None) -> None:
        """``become``: hosts whose ssh user is not root and calls the program by ``sudo -n``."""
        self._config = ssh_config
        self._become = dict(become or {})

    def call(
        self,
        host: str,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60,
        fresh: bool = False,
    ) -> Reply:
        """Run a verb on a host. ``timeout`` in seconds for the whole call.

        ``fresh`` opens a connection of its own, which proves that the host can be reached now.
        """
        ended = self._remote(host, [PROGRAM, *arguments], stdin=stdin, timeout=timeout, fresh=fresh)
        if isinstance(ended, Unreachable):
            return ended
        return understood(host, ended.returncode, ended.stdout, ended.stderr)

    def fetch(self, host: str, path: str, *, timeout: float = 60) -> bytes | Unreachable:
        """A file's content (a census); no answer and no such file are both Unreachable."""
        ended = self._remote(host, ["cat", "--", path], timeout=timeout)
        if isinstance(ended, Unreachable):
            return ended
        if ended.returncode:
            return Unreachable(because=f"{host}: {path}: {_last_line(ended.stderr)}")
        return ended.stdout

    def clock(self, host: str, *, timeout: float = 20) -> ClockSurvey | Unreachable:
        """The host's clock against ours, known to half of the quickest of three round trips."""
        best: ClockSurvey | None = None
        for _ in range(3):
            asked = time.time()
            ended = self._remote(host, ["date", "-u", "+%s.%N"], timeout=timeout)
            answered = time.time()
            if isinstance(ended, Unreachable):
                return ended
            try:
                there = float(ended.stdout)
            except ValueError:
                return Unreachable(because=f"{host}: date: {_last_line(ended.stderr)}")
            half = (answered - asked) / 2
            if best is None or half < best.give_or_take:
                best = ClockSurvey(offset=there - (asked + half), give_or_take=half)
        assert best is not None
        return best

    @contextmanager
    def forward(
        self, host: str, *, local: Sequence[int] = (), remote: Sequence[int] = ()
    ) -> Iterator[Tunnel]:
        """Ports of the host's loopback, reachable from here on free ports; and ports on the host's
        loopback that lead to free ports here. Gone when the block ends.

        Raises:
            WardshipError: the tunnel could not be made.
        """
        tunnel = Tunnel(
            local={port: _free_port() for port in local},
            remote={port: _free_port() for port in remote},
        )
        wanted = [
            *(("-L", f"127.0.0.1:{here}:127.0.0.1:{port}") for port, here in tunnel.local.items()),
            *(("-R", f"127.0.0.1:{port}:127.0.0.1:{here}") for port, here in tunnel.remote.items()),
        ]
        self._open(host, wanted)
        try:
            yield tunnel
        finally:
            for kind, what in wanted:
                self._control(host, "cancel", kind, what)

    def close(self, host: str) -> None:
        """End the shared connection, if there is one."""
        self._control(host, "exit")

    def _open(self, host: str, wanted: Sequence[tuple[str, str]]) -> None:
        """A controller that was killed may have left its forwards on the shared connection, which
        outlives it: the second try begins with a new connection. One that lost its power, or its
        line, may have left a session there that still holds the port: it is ended before that."""
        for is_last in (False, True):
            problem = self._master(host)
            for kind, what in wanted:
                problem = problem or self._control(host, "forward", kind, what)
            if not problem:
                return
            self.close(host)
            for kind, what in wanted:
                if kind == "-R" and not is_last:
                    self._remote(host, ["sh", "-c", _END_HOLDER, what.split(":")[1]], timeout=20)
            if is_last:
                raise WardshipError(
                    f"{host}: no tunnel to the product: {problem}",
                    hint="sshd there must allow forwarding (AllowTcpForwarding yes), and nothing "
                    "else may listen on the probe's port",
                )

    def _master(self, host: str) -> str:
        try:
            ended = self._ssh(host, "--", "true", timeout=2 * CONNECT_TIMEOUT)
        except subprocess.TimeoutExpired:
            return "no answer"
        said = ended.stderr.decode(errors="replace")
        return (why_unreachable(host, said) or "no connection") if ended.returncode else ""

    def _control(self, host: str, what: str, *arguments: str) -> str:
        """Ask the shared connection's master; its complaint, or nothing."""
        try:
            ended = self._ssh("-O", what, *arguments, host, timeout=CONNECT_TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"ssh -O {what}: no answer"
        return _last_line(ended.stderr) or f"ssh -O {what} failed" if ended.returncode else ""

    def _remote(
        self,
        host: str,
        argv: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        fresh: bool = False,
    ) -> subprocess.CompletedProcess[bytes] | Unreachable:
        command = shlex.join(["sudo", "-n", *argv] if self._become.get(host) else argv)
        sharing = ["-o", "ControlPath=none"] if fresh else []
        try:
            return self._ssh(*sharing, host, "--", command, stdin=stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            return Unreachable(because=f"{host} gave no answer within {timeout:.0f} s")

    def _ssh(
        self, *arguments: str, stdin: bytes = b"", timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*_DIES_WITH_PARENT, "ssh", "-F", str(self._config), *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            start_new_session=True,  # a Ctrl-C at the terminal is a question, not a cut line
        )


def understood(host: str, exit_code: int, stdout: bytes, stderr: bytes) -> Reply:
    """What an answer of the host program means (its exit codes are in docs/host-program.md)."""
    because = _last_line(stderr)
    if exit_code == _SSH_FAILED or exit_code < 0:  # a signal ended ssh here, not the program there
        because = why_unreachable(host, stderr.decode(errors="replace"))
        return Unreachable(because=f"{host}: {because or 'the connection broke'}")
    try:
        found = json.loads(stdout)
    except ValueError:
        found = None
    if exit_code == 0 and isinstance(found, dict):
        return Done(data=found)
    if exit_code == 3 and isinstance(found, dict):
        return Refused(
            refused=str(found.get("refused", "?")),
            because=str(found.get("because", "it gave no reason")),
        )
    if exit_code == 0:
        return Unreachable(because=f"{host}: the answer was cut off or is no JSON object")
    if isinstance(found, dict):
        because = str(found.get("because") or because or found)[:500]
    return Broken(because=f"{host}: {because or 'no reason given'}", exit_code=exit_code)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:500] if lines else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
