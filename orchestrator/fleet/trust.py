"""Host keys, recorded once under the host's own name and never replaced silently. Pure.

The file is OpenSSH's ``known_hosts`` (sshd(8)), one line a host: ``NAME TYPE KEY``.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from orchestrator.errors import FleetError

#: The first that a host offers is recorded.
KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)


@dataclass(frozen=True)
class HostKey:
    """A host's public key."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def read_keys(text: str) -> list[HostKey]:
    """The keys in the output of ``ssh-keyscan``, a ``known_hosts`` file or a ``.pub`` file."""
    return [key for _, key in _entries(text) if key.kind in KEY_TYPES]


def best(keys: list[HostKey]) -> HostKey | None:
    """The key to record."""
    return min(keys, key=lambda key: KEY_TYPES.index(key.kind), default=None)


def recorded(known_hosts: str, host: str) -> HostKey | None:
    """The key that is recorded for a host."""
    return next((key for name, key in _entries(known_hosts) if name == host), None)


def record(known_hosts: str, host: str, key: HostKey, *, replace: bool) -> str:
    """``known_hosts`` with this key for this host.

    Raises:
        FleetError: another key is recorded and is not to be replaced.
    """
    before = recorded(known_hosts, host)
    if before == key:
        return known_hosts
    if before is not None and not replace:
        raise FleetError(
            f"{host} shows the key {key.fingerprint}, but {before.fingerprint} is recorded",
            hint=(
                "find out why before anything else: a reinstalled host, or another machine in its"
                f" place; if it is right: wardship fleet trust {host} --replace"
            ),
        )
    others = [line for line in known_hosts.splitlines() if line.split()[:1] != [host]]
    return "\n".join([*others, f"{host} {key.kind} {key.blob}"]) + "\n"


def _entries(text: str) -> list[tuple[str, HostKey]]:
    """(name, key) a line; the name is empty in a ``.pub`` file."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith(("#", "@")):
            continue
        if words[0] in KEY_TYPES:
            words = ["", *words]
        if len(words) >= 3 and _is_key(words[2], words[1]):
            found.append((words[0], HostKey(words[1], words[2])))
    return found


def _is_key(blob: str, kind: str) -> bool:
    """Whether the blob is a key of this type: it begins with its own name (RFC 4253, 6.6)."""
    try:
        data = base64.b64decode(blob, validate=True)
    except ValueError:  # not base64, not even ASCII
        return False
    return data[4 : 4 + int.from_bytes(data[:4], "big")] == kind.encode()
