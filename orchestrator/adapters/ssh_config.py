"""The one ssh configuration of a fleet, which Ansible, the checks and the host program share.

Decides how a host is spoken to: one shared connection a host, host keys only from the fleet's
``known_hosts``, never a question to a terminal.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import FleetError
from orchestrator.files import write_whole
from orchestrator.fleet.model import Model, Ssh

#: How long an idle shared connection stays, in seconds: longer than a change's longest silence.
PERSIST = 900
CONNECT_TIMEOUT = 10


class Target(Model):
    """How one host is reached. ``name`` is its alias everywhere and the name of its host key."""

    name: str
    address: str
    ssh: Ssh


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
    write_whole(path, ["\n".join(parts).encode()], mode=0o600)
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
        "ServerAliveCountMax": "3",
        "ControlMaster": "auto",
        "ControlPath": f'"{control_dir}/%C"',
        "ControlPersist": str(PERSIST),
        "ExitOnForwardFailure": "yes",
        "RequestTTY": "no",
        "ForwardAgent": "no",
        "LogLevel": "ERROR",
    }
    return "Host *\n" + "".join(f"  {name} {value}\n" for name, value in options.items())
