"""Host keys from the network, from files, and into the fleet's ``known_hosts``."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.errors import FleetError, SurveyError
from orchestrator.files import write_whole
from orchestrator.fleet import trust
from orchestrator.fleet.model import Ssh
from orchestrator.fleet.trust import HostKey

_TIMEOUT = 10
#: A line a host; a fleet of 30,000 hosts needs 3 MB.
_LARGEST = 16 << 20


def scan(address: str, ssh: Ssh) -> HostKey:
    """Ask the host itself, once: what it shows must be compared by a person.

    Raises:
        SurveyError: it shows no key.
    """
    if ssh.jump:
        raise SurveyError(
            f"{address} is behind {ssh.jump}, its key cannot be asked for from here",
            hint="fetch /etc/ssh/ssh_host_ed25519_key.pub from it and give it with --key-file",
        )
    asked = subprocess.run(
        ["ssh-keyscan", "-T", str(_TIMEOUT), "-p", str(ssh.port), "-t", "ed25519,ecdsa,rsa",
         "--", address],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        timeout=6 * _TIMEOUT,
    )  # fmt: skip
    key = trust.best(trust.read_keys(asked.stdout))
    if key is None:
        said = asked.stderr.strip().splitlines()
        because = f": {said[-1]}" if said else ""
        raise SurveyError(
            f"{address} port {ssh.port} shows no host key{because}",
            hint="is it on, and reachable from here? then try again",
        )
    return key


def read(path: Path) -> HostKey:
    """The key in a ``.pub`` file, or in a line as ``ssh-keyscan`` prints it.

    Raises:
        FleetError: there is no key in it.
    """
    try:
        key = trust.best(trust.read_keys(_content(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: cannot be read", hint="expected a host's .pub file") from error
    if key is None:
        raise FleetError(f"{path}: no host key in it", hint="expected a host's .pub file")
    return key


def check(known_hosts: Path, host: str, key: HostKey, *, replace: bool) -> None:
    """Refuse before anybody is asked.

    Raises:
        FleetError: another key is recorded and is not to be replaced.
    """
    trust.record(known(known_hosts), host, key, replace=replace)


def record(known_hosts: Path, host: str, key: HostKey, *, replace: bool) -> bool:
    """Write the key down; whether that changed anything."""
    before = known(known_hosts)
    after = trust.record(before, host, key, replace=replace)
    if after == before:
        return False
    write_whole(known_hosts, [after.encode()])
    return True


def known(known_hosts: Path) -> str:
    """The fleet's ``known_hosts``; empty where there is none yet.

    Raises:
        FleetError: there is something of that name, and it cannot be read as text.
    """
    try:
        return _content(known_hosts) if known_hosts.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(
            f"{known_hosts}: cannot be read as text",
            hint="expected a file of OpenSSH's kind, as wardship fleet trust HOST writes it",
        ) from error


def _content(path: Path) -> str:
    """A file's text. Only a file: a device or a pipe would not end."""
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise OSError(f"{path} is not a file of at most {_LARGEST >> 20} MiB")
    return path.read_text(encoding="utf-8")
