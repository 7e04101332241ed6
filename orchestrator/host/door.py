"""The door: an nftables table of our own that lets only the verifier reach the product's ports.

From other machines: refused with a reset, both ends of what is established too, so no connection
tracking is asked. Over loopback: whoever is neither the verifier's uid, nor root, as whom the
scripts prove their start, nor an account of the product's own services. Packets without an owner
(the end of a closed connection) pass, else the verifier's own connections could not close; and
resets pass, which are how we refuse.

Where it closes on a clinic, nobody new is let in first; who is in has a few seconds to end. What
stays is then ended on both sides: a product whose peer only fell silent would wait for it, half a
minute and more, before it stops. Where intake is parked (parking.py), who is new is turned to the
spool; at the opening who is with the spool has a few seconds to end.
"""

from __future__ import annotations

import json
from typing import List, Optional, Sequence

from . import guests, nft, records
from .host import Host
from .manifest import Manifest
from .nft import Turned
from .outcome import FailedError
from .records import Record
from .system import System

OPEN, SHUT, UNKNOWN = "open", "shut", "unknown"
#: How long those who are in may take to end, in seconds.
GRACE = 5.0
#: How long those who are with the spool may take to end when the door opens, in seconds.
LEAVING = 10.0


def shut(host: Host, manifest: Manifest, turned: Optional[Turned] = None) -> str:
    """Shut the door, now and at every boot; again does no harm. What became of who was in.

    ``turned``: to where who is new is turned instead of being refused.

    Raises:
        FailedError: it is not proved shut.
    """
    record = {
        "change": manifest.change_set,
        "tcp": list(manifest.ports),
        "verifier_uid": manifest.verifier_uid,
        "uids": _uids(host.system, manifest.door_users),
        "turned": [list(each) for each in turned.ports] if turned else [],
        "spool_uid": turned.uid if turned else None,
    }
    if records.read(host.layout.door) != {"schema": 1, **record}:
        records.write(host.disk, host.layout.door, record)
    told = "" if _is_in_kernel(host) else _let_end(host, manifest.ports, turned)
    load(host)
    return told + _end(host, manifest.ports)


def _uids(system: System, users: Sequence[str]) -> List[int]:
    """The uids of accounts; one that is not there is nobody, and reaches nothing."""
    asked = [system.run(["id", "-u", "--", user]) for user in users]
    return [int(ran.out) for ran in asked if ran.code == 0 and ran.out.strip().isdigit()]


def _let_end(host: Host, ports: Sequence[int], turned: Optional[Turned]) -> str:
    """Let nobody new in, and wait for those who are."""
    if host.system.run(["nft", "-f", "-"], stdin=nft.nobody_new(ports, turned)).code != 0:
        return ""  # the door itself says why
    return _wait(host, ports, seconds=GRACE)


def _wait(host: Host, ports: Sequence[int], *, seconds: float) -> str:
    began = host.system.monotonic()
    waited = 0.0
    while waited < seconds and guests.connected(host.system, ports):
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
    uids = [record["verifier_uid"], *record.get("uids", [])]
    text = nft.shut(record["tcp"], uids, _turned(record))
    ran = host.system.run(["nft", "-f", "-"], stdin=text)
    if ran.code != 0:
        raise FailedError(f"the door could not be shut: nft: {ran.reason}")
    if not _is_in_kernel(host):
        raise FailedError("the door is not shut: nft took the table and does not list it")


def turn_back(host: Host) -> str:
    """Let who is new reach the product, and who is with the spool end; what became of them.

    The door counts as shut until ``open_up``: what the spool has is given to the product before.
    """
    turned = _turned(records.read(host.layout.door) or {})
    if turned is None:
        return ""
    ran = host.system.run(["nft", "-f", "-"], stdin=nft.turned_back(turned))
    if ran.code != 0:
        raise FailedError(f"the door could not be turned back: nft: {ran.reason}")
    ports = [to for _, to in turned.ports]
    return _wait(host, ports, seconds=LEAVING) + _end(host, ports)


def _turned(record: Record) -> Optional[Turned]:
    ports = record.get("turned")
    if not ports:
        return None
    return Turned(tuple((port, to) for port, to in ports), record["spool_uid"])


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
