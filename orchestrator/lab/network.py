"""The lab's network: namespaces, one bridge, no way out.

The controller's namespace has the bridge; the modalities' and each host's hang on it. A host's
namespace is made anew at every boot by its boot script (``host_lines``): addresses, packet filter
and traffic shaping do not survive a power cut in a hospital either.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from orchestrator.lab.model import (
    CONTROLLER,
    CONTROLLER_NAME,
    MODALITY,
    MODALITY_NAME,
    NETWORK,
    HostSpec,
)
from orchestrator.lab.run import attempt, run, until

_RUN = Path("/run/netns")
_BRIDGE = "br0"
#: IFNAMSIZ in linux/if.h, less the terminating zero.
_LONGEST = 15


def namespace(lab: str, name: str) -> str:
    """The namespace of a host, of ``ctl`` or of ``mod``."""
    return f"ws-{lab}-{name}"


def enter_argv(lab: str, name: str) -> list[str]:
    """What to put before a command so that it runs in a namespace.

    Not ``ip netns exec``: that makes a mount namespace, which keeps unmounted disks busy.
    """
    return ["nsenter", f"--net={_RUN / namespace(lab, name)}", "--"]


def port(name: str) -> str:
    """The bridge's port for a host; a long name becomes a short digest."""
    plain = f"p-{name}"
    if len(plain) <= _LONGEST:
        return plain
    return f"p-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def hardware_address(address: str) -> str:
    """The same at every boot: a peer that remembers an old one would not be answered for seconds.

    Locally administered, unicast (IEEE 802, section 8.4); its end is the end of ``address``.
    """
    return ":".join(["02", "57", *(f"{octet:02x}" for octet in IPv4Address(address).packed)])


def raise_network(lab: str) -> None:
    """Make the controller's and the modalities' namespaces, unless they are there and whole."""
    if _is_whole(lab):
        return
    for name in (MODALITY_NAME, CONTROLLER_NAME):
        _remove(namespace(lab, name))
    controller = namespace(lab, CONTROLLER_NAME)
    steps = [
        f"ip netns add {controller}",
        f"ip -n {controller} link set lo up",
        f"ip -n {controller} link add {_BRIDGE} type bridge",
        f"ip -n {controller} link set {_BRIDGE} up",
        *wire_lines(lab, MODALITY_NAME, f"{MODALITY}"),
        # The controller's address comes last: with it, the network is whole.
        f"ip -n {controller} addr add {CONTROLLER}/{NETWORK.prefixlen} dev {_BRIDGE}",
    ]
    for step in steps:
        run(step.split())


def wire_lines(lab: str, name: str, address: str) -> list[str]:
    """The commands that make a namespace and hang it on the bridge as ``address``."""
    controller, own, outer = namespace(lab, CONTROLLER_NAME), namespace(lab, name), port(name)
    return [
        f"ip netns add {own}",
        f"ip link add {outer} netns {controller} type veth"
        f" peer name host0 address {hardware_address(address)} netns {own}",
        f"ip -n {controller} link set {outer} master {_BRIDGE} up",
        f"ip -n {own} link set lo up",
        f"ip -n {own} addr add {address}/{NETWORK.prefixlen} dev host0",
        f"ip -n {own} link set host0 up",
    ]


def unwire_lines(lab: str, name: str) -> list[str]:
    """The commands that undo ``wire_lines``; each fails where there is nothing to undo.

    The port is removed by name because a namespace lets go of its own some time later.
    """
    controller, own = namespace(lab, CONTROLLER_NAME), namespace(lab, name)
    return [f"ip -n {controller} link del {port(name)}", f"ip netns del {own}"]


def host_lines(lab: str, host: HostSpec) -> tuple[list[str], list[str]]:
    """For a host's boot script: what may fail, and what then has to work."""
    return unwire_lines(lab, host.name), wire_lines(lab, host.name, str(host.address))


def lower_network(lab: str, say: Callable[[str], None]) -> None:
    """Remove every namespace of a lab, and end what still runs in them (ourselves excepted)."""
    names = sorted(path.name for path in _RUN.glob(f"ws-{lab}-*"))
    for name in names:
        _end_inhabitants(name, say)
    for name in names:
        _remove(name)


def _is_whole(lab: str) -> bool:
    asked = attempt(["ip", "-n", namespace(lab, CONTROLLER_NAME), "-o", "addr", "show", _BRIDGE])
    return asked.is_ok and f" {CONTROLLER}/" in asked.stdout


def _remove(name: str) -> None:
    if not (_RUN / name).exists():
        return
    attempt(["ip", "netns", "del", name])
    # A boot of this machine, or a killed ``ip netns add``, leaves a name that is no mount.
    (_RUN / name).unlink(missing_ok=True)


def _end_inhabitants(name: str, say: Callable[[str], None]) -> None:
    inhabitants = _inhabitants(_RUN / name)
    if not inhabitants:
        return
    say(f"ending {len(inhabitants)} processes left in {name}")
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in _inhabitants(_RUN / name):
            _send(pid, sent)
        if until(lambda: not _inhabitants(_RUN / name), timeout=3.0):
            return


def _inhabitants(mounted: Path) -> list[int]:
    """Who lives in a namespace, other than this process and those it descends from."""
    try:
        wanted = mounted.stat()
    except FileNotFoundError:
        return []
    spared = _ancestry(os.getpid())
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in spared:
            continue
        try:
            if os.path.samestat(wanted, (entry / "ns/net").stat()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _ancestry(pid: int) -> set[int]:
    line = {pid}
    while pid > 1:
        status = Path(f"/proc/{pid}/stat").read_text()
        pid = int(status.rpartition(")")[2].split()[1])
        line.add(pid)
    return line


def _send(pid: int, sent: signal.Signals) -> None:
    try:
        os.kill(pid, sent)
    except ProcessLookupError:
        return
