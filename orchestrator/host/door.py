"""The door: an nftables table of our own that lets only the verifier reach the product's ports.

From other machines: refused with a reset, both ends of what is established too, so no connection
tracking is asked. Over loopback: whoever is neither the verifier's uid nor root, as whom the
scripts prove their start. Packets without an owner (the end of a closed connection) pass, else the
verifier's own connections could not close; and resets pass, which are how we refuse.
"""

from __future__ import annotations

import json
from typing import Sequence

from . import records
from .host import Host
from .manifest import Manifest
from .outcome import FailedError

TABLE = "inet wardship"
OPEN, SHUT, UNKNOWN = "open", "shut", "unknown"


def rules(ports: Sequence[int], verifier_uid: int) -> str:
    """What nft loads, in one transaction, in place of what was there."""
    these = "{ " + ", ".join(str(port) for port in ports) + " }"
    refuse = "reject with tcp reset"
    insiders = "{ " + ", ".join(str(uid) for uid in sorted({0, verifier_uid})) + " }"
    return f"""table {TABLE}
delete table {TABLE}
table {TABLE} {{
  chain from_outside {{
    type filter hook input priority -10; policy accept;
    iif != lo tcp dport {these} {refuse}
  }}
  chain from_here {{
    type filter hook output priority -10; policy accept;
    oif lo tcp dport {these} meta skuid != {insiders} {refuse}
    oif != lo tcp sport {these} tcp flags & rst != rst {refuse}
  }}
}}
"""


def shut(host: Host, manifest: Manifest) -> None:
    """Shut the door, now and at every boot; again does no harm.

    Raises:
        FailedError: it is not proved shut.
    """
    record = {
        "change": manifest.change_set,
        "tcp": list(manifest.ports),
        "verifier_uid": manifest.verifier_uid,
    }
    if records.read(host.layout.door) != {"schema": 1, **record}:
        records.write(host.disk, host.layout.door, record)
    load(host)


def load(host: Host) -> None:
    """Make the kernel do what ``door.json`` says; nothing when there is none."""
    record = records.read(host.layout.door)
    if record is None:
        return
    text = rules(record["tcp"], record["verifier_uid"])
    ran = host.system.run(["nft", "-f", "-"], stdin=text)
    if ran.code != 0:
        raise FailedError(f"the door could not be shut: nft: {ran.reason}")
    if not _is_in_kernel(host):
        raise FailedError("the door is not shut: nft took the table and does not list it")


def open_up(host: Host) -> None:
    """Open the door: first for the next boot, then now.

    Raises:
        FailedError: it is not proved open.
    """
    host.disk.remove(host.layout.door)
    if _is_in_kernel(host):
        host.system.run(["nft", "delete", "table", "inet", "wardship"])
    if _is_in_kernel(host):
        raise FailedError("the door is not open: nft still lists the table")


def state(host: Host) -> str:
    """``open`` or ``shut`` when record and kernel agree, ``unknown`` otherwise."""
    try:
        in_kernel = _is_in_kernel(host)
    except FailedError:
        return UNKNOWN
    if host.layout.door.exists() != in_kernel:
        return UNKNOWN
    return SHUT if in_kernel else OPEN


def _is_in_kernel(host: Host) -> bool:
    ran = host.system.run(["nft", "-j", "list", "tables"])
    try:
        listed = json.loads(ran.out)["nftables"] if ran.code == 0 else None
    except (ValueError, KeyError):
        listed = None
    if listed is None:
        raise FailedError(f"nft does not list its tables: {ran.reason}")
    tables = [each["table"] for each in listed if "table" in each]
    return any(t["family"] == "inet" and t["name"] == "wardship" for t in tables)
