"""Reaches hosts over ssh: the configuration that everybody shares, the host program, the tunnels.

Decides how a host is spoken to: one shared connection a host (Ansible, the checks and the host
program use the same ``ssh_config``), host keys only from the fleet's ``known_hosts``, never a
question to a terminal. Refuses to guess: an answer that is no JSON object is *unreachable* or
*broken*, never *done*.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from orchestrator.errors import FleetError, WardshipError
from orchestrator.fleet.model import Model, Ssh

#: Where stage lays down the host program (docs/host-program.md).
PROGRAM = "/usr/local/lib/wardship/wardship-host"
#: How long an idle shared connection stays, in seconds: longer than a change's longest silence.
PERSIST = 900
CONNECT_TIMEOUT = 10
#: A program that gets this dies with the thread that started it.
_DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
_SSH_FAILED = 255


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


class Target(Model):
    """How one host is reached. ``name`` is its alias everywhere and the name of its host key."""

    name: str
    address: str
    ssh: Ssh


class Tunnel(Model):
    """Open forwards. ``local``: port of the host's loopback → port here;
    ``remote``: port that listens on the host's loopback → port here that it leads to."""

    local: dict[int, int]
    remote: dict[int, int]


def control_directory(fleet: Path) -> Path:
    """A short directory (a socket's path has at most 107 bytes) that is the same for every command.

    Raises:
        FleetError: somebody else owns it, or others may enter it.
    """
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    digest = hashlib.sha256(str(fleet.resolve()).encode()).hexdigest()[:8]
    directory = base / f"wardship-{os.getuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not mine or stat.S_IMODE(found.st_mode) != 0o700:
        raise FleetError(
            f"{directory} is not a directory that only you may enter",
            hint=f"look at what is there, then remove it: ls -ld {directory}",
        )
    return directory


def write_ssh_config(
    path: Path,
    targets: Sequence[Target],
    *,
    fleet: Path,
    known_hosts: Path,
    control_dir: Path,
) -> Path:
    """Write the one ssh configuration of a fleet, 0600, atomically. Keys are relative to ``fleet``.

    A host is known by its name only: behind different jump hosts an address may be two machines.
    """
    parts = [_host_section(target, fleet=fleet) for target in targets]
    parts.append(_common_section(known_hosts=known_hosts, control_dir=control_dir))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(parts))
    temporary.replace(path)
    return path


def _host_section(target: Target, *, fleet: Path) -> str:
    ssh = target.ssh
    lines = [
        f"Host {target.name}",
        f"  HostName {target.address}",
        f"  HostKeyAlias {target.name}",
        f"  User {ssh.user}",
        f"  Port {ssh.port}",
    ]
    if ssh.key:
        lines += [f'  IdentityFile "{(fleet / ssh.key).absolute()}"', "  IdentitiesOnly yes"]
    if ssh.jump:
        lines.append(f"  ProxyJump {ssh.jump}")
    return "\n".join(lines) + "\n"


def _common_section(*, known_hosts: Path, control_dir: Path) -> str:
    options = {
        "UserKnownHostsFile": f'"{known_hosts.absolute()}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "BatchMode": "yes",
        "PreferredAuthentications": "publickey",
        "ConnectTimeout": str(CONNECT_TIMEOUT),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "4",
        "ControlMaster": "auto",
        "ControlPath": f'"{control_dir}/%C"',
        "ControlPersist": str(PERSIST),
        "ExitOnForwardFailure": "yes",
        "RequestTTY": "no",
        "ForwardAgent": "no",
        "LogLevel": "ERROR",
    }
    return "Host *\n" + "".join(f"  {name} {value}\n" for name, value in options.items())


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
        sudo = ["sudo", "-n"] if self._become.get(host) else []
        command = shlex.join([*sudo, PROGRAM, *arguments])
        sharing = ["-o", "ControlPath=none"] if fresh else []
        try:
            ended = self._ssh(*sharing, host, "--", command, stdin=stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            return Unreachable(because=f"{host} gave no answer within {timeout:.0f} s")
        return understood(host, ended.returncode, ended.stdout, ended.stderr)

    def fetch(self, host: str, path: str, *, timeout: float = 60) -> bytes | Unreachable:
        """A file's content (a census); no answer and no such file are both Unreachable."""
        sudo = ["sudo", "-n"] if self._become.get(host) else []
        command = shlex.join([*sudo, "cat", "--", path])
        try:
            ended = self._ssh(host, "--", command, timeout=timeout)
        except subprocess.TimeoutExpired:
            return Unreachable(because=f"{host} gave no answer within {timeout:.0f} s")
        if ended.returncode:
            return Unreachable(because=f"{host}: {path}: {_last_line(ended.stderr)}")
        return ended.stdout

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
        outlives it: the second try begins with a new connection."""
        for is_last in (False, True):
            problem = self._master(host)
            for kind, what in wanted:
                problem = problem or self._control(host, "forward", kind, what)
            if not problem:
                return
            self.close(host)
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
        return _last_line(ended.stderr) if ended.returncode else ""

    def _control(self, host: str, what: str, *arguments: str) -> str:
        """Ask the shared connection's master; its complaint, or nothing."""
        try:
            ended = self._ssh("-O", what, *arguments, host, timeout=CONNECT_TIMEOUT)
        except subprocess.TimeoutExpired:
            return f"ssh -O {what}: no answer"
        return _last_line(ended.stderr) or f"ssh -O {what} failed" if ended.returncode else ""

    def _ssh(
        self, *arguments: str, stdin: bytes = b"", timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*_DIES_WITH_PARENT, "ssh", "-F", str(self._config), *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )


def understood(host: str, exit_code: int, stdout: bytes, stderr: bytes) -> Reply:
    """What an answer of the host program means (its exit codes are in docs/host-program.md)."""
    because = _last_line(stderr)
    if exit_code == _SSH_FAILED:
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
