"""The hold: a product does not start by itself while its host is undecided.

A drop-in on each service with two conditions, of which one must hold: there is no ``hold`` file, or
``/run/wardship/may-start`` exists. The second is gone after each boot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from . import units
from .host import Host
from .outcome import FailedError

NAME = "50-wardship-hold.conf"


def text(host: Host) -> str:
    return f"""# A change is under way: see `wardship-host status`.
[Unit]
ConditionPathExists=|!{_real(host, host.layout.hold)}
ConditionPathExists=|{_real(host, host.layout.may_start)}
"""


def hold(host: Host, services: Sequence[str]) -> None:
    """Hold the autostart of ``services``; again does no harm.

    Raises:
        FailedError: systemd did not read it.
    """
    wanted = text(host).encode()
    if not host.layout.hold.exists():
        host.disk.write(host.layout.hold, b"")
    for service in services:
        drop_in = _drop_in(host, service)
        if not drop_in.exists() or drop_in.read_bytes() != wanted:
            host.disk.make_dir(drop_in.parent, mode=0o755)
            host.disk.write(drop_in, wanted, mode=0o644)
    if any(_is_stale(host, service) for service in services):
        reload(host)


def release(host: Host, services: Sequence[str]) -> None:
    """Give the services their autostart back."""
    host.disk.remove(host.layout.hold)
    for service in services:
        host.disk.remove(_drop_in(host, service))
        host.disk.remove_dir(_drop_in(host, service).parent)
    reload(host)


def may_start(host: Host) -> bool:
    """Was a start allowed since this boot?"""
    return host.layout.may_start.exists()


def allow_start(host: Host) -> None:
    host.disk.make_dir(host.layout.may_start.parent)
    host.disk.write(host.layout.may_start, b"")


def forbid_start(host: Host) -> None:
    host.disk.remove(host.layout.may_start)


def reload(host: Host) -> None:
    ran = host.system.run(["systemctl", "daemon-reload"])
    if ran.code != 0:
        raise FailedError(f"systemd did not reload its units: {ran.reason}")


def _is_stale(host: Host, service: str) -> bool:
    """Does systemd know another content of the unit than lies on the disk?"""
    return units.show(host.system, service, "NeedDaemonReload")["NeedDaemonReload"] != "no"


def _drop_in(host: Host, service: str) -> Path:
    return host.layout.units / f"{service}.d" / NAME


def _real(host: Host, path: Path) -> str:
    return "/" + str(path.relative_to(host.system.root))
