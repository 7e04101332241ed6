"""The door: an nftables table of our own that lets only the verifier reach the product's ports.

From other machines: refused with a reset, both ends of what is established too, so no connection
tracking is asked. Over loopback: whoever is neither the verifier's uid nor root, as whom the
scripts prove their start. Packets without an owner (the end of a closed connection) pass, else the
verifier's own connections could not close; and resets pass, which are how we refuse.

Where it closes on a clinic, nobody new is let in first; who is in has a few seconds to end. What
stays is then ended on both sides: a product whose peer only fell silent would wait for it, half a
minute and more, before it stops.
"""

from __future__ import annotations

import json
from typing import Sequence

from . import guests, records
from .host import Host
from .manifest import Manifest
from .outcome import FailedError

TABLE = "inet wardship"
OPEN, SHUT, UNKNOWN = "open", "shut", "unknown"
#: How long those who are in may take to end, in seconds.
GRACE = 5.0


def nobody_new(ports: Sequence[int]) -> str:
    """What nft loads while those who are in may end: no connection begins from outside."""
    return f"""table {TABLE}
delete table {TABLE}
table {TABLE} {{
  chain from_outside {{
    type filter hook input priority -10; policy accept;
    iif != lo tcp dport {_set(ports)} tcp flags & (syn | ack) == syn reject with tcp reset
  }}
}}
"""


def rules(ports: Sequence[int], verifier_uid: int) -> str:
    """What nft loads, in one transaction, in place of what was there."""
    these = _set(ports)
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


def _set(ports: Sequence[int]) -> str:
    return "{ " + ", ".join(str(port) for port in ports) + " }"


def shut(host: Host, manifest: Manifest) -> str:
    """Shut the door, now and at every boot; again does no harm. What became of who was in.

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
    told = "" if _is_in_kernel(host) else _let_end(host, manifest.ports)
    load(host)
    return told + _end(host, manifest.ports)


def _let_end(host: Host, ports: Sequence[int]) -> str:
    """Let nobody new in, and wait for those who are."""
    if host.system.run(["nft", "-f", "-"], stdin=nobody_new(ports)).code != 0:
        return ""  # the door itself says why
    began = host.system.monotonic()
    waited = 0.0
    while waited < GRACE and guests.connected(host.system, ports):
        host.system.sleep(0.1)
        waited = host.system.monotonic() - began
    return f"; waited {waited:.1f} s for who was connected" if waited else ""


def _end(host: Host, ports: Sequence[int]) -> str:
    """End what is left; it only makes the stop quicker, so that nothing fails by it."""
    left = guests.connected(host.system, ports)
    if left is None:
        return "; who is connected is not known: ss does not tell"
    if not left:
        return ""
    guests.end(host.system, ports)
    return f"; ended for {', '.join(left[:5])}{' and others' if len(left) > 5 else ''}"


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
