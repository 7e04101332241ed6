"""The part of a manifest that names the hosts which change together, and who decides for them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, List, Mapping, Tuple

KEYS = {"anchor", "address", "port", "hosts"}


@dataclass(frozen=True)
class Together:
    """The hosts of a set. The anchor keeps the decision and tells it at ``address``, ``port``."""

    anchor: str
    address: str
    port: int
    hosts: Tuple[str, ...]


def parse(found: Mapping[str, Any]) -> Together:
    """Read one that has no problems."""
    return Together(found["anchor"], found["address"], found["port"], tuple(found["hosts"]))


def problems(found: Mapping[str, Any], *, host: str, door: List[int]) -> List[str]:
    """Everything that is wrong with it. Raises as a dictionary does where it has another shape."""
    if set(found) != KEYS:
        return [f"together has {sorted(found)}, not {sorted(KEYS)}"]
    wrong: List[str] = []
    hosts, port = found["hosts"], found["port"]
    if not isinstance(hosts, list) or not all(isinstance(one, str) for one in hosts):
        return [f"together names {hosts!r}, not hosts"]
    if len(set(hosts)) < max(len(hosts), 2):
        wrong.append(f"together names {hosts!r}, not two hosts or more")
    wrong += [
        f"together does not name {one}" for one in (host, found["anchor"]) if one not in hosts
    ]
    try:
        ipaddress.IPv4Address(found["address"])
    except ValueError:
        wrong.append(f"the anchor's address is {found['address']!r}")
    if not isinstance(port, int) or not 1024 <= port < 65536 or port in door:
        wrong.append(f"the anchor's port is {port!r}: from 1024 on, and none of the door's")
    return wrong
