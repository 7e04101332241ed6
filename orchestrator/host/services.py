"""The product's services: stopped, and proved stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, List, Sequence

from . import units
from .outcome import FailedError
from .system import System

AT_REST = ("inactive", "failed")


def active(system: System, services: Iterable[str]) -> List[str]:
    """Those that are not at rest, each with its state. A unit that does not exist is at rest."""
    states = [(s, units.show(system, s, "ActiveState")["ActiveState"]) for s in services]
    return [f"{service} is {state}" for service, state in states if state not in AT_REST]


def unknown(system: System, services: Iterable[str]) -> List[str]:
    """Those that systemd cannot load."""
    loads = [(s, units.show(system, s, "LoadState")["LoadState"]) for s in services]
    return [f"service {service} is {load}" for service, load in loads if load != "loaded"]


def stop(system: System, services: Sequence[str], *, seconds: float = 60.0) -> None:
    """Stop services, last started first, and wait; what does not go is killed.

    Raises:
        FailedError: one is not at rest even so.
    """
    for service in reversed(services):
        system.run(["systemctl", "stop", "--", service], timeout=seconds)
        if active(system, [service]):
            system.run(["systemctl", "kill", "--signal=SIGKILL", "--", service])
            system.run(["systemctl", "stop", "--", service], timeout=seconds)
    still = active(system, services)
    if still:
        raise FailedError(f"not stopped: {'; '.join(still)}")


def holders(system: System, paths: Sequence[str]) -> List[str]:
    """Processes that hold a file open, mapped, or as their directory below one of ``paths``."""
    found = []
    for process in sorted(system.at("/proc").glob("[0-9]*")):
        if process.name == str(os.getpid()):
            continue
        held = next((f for f in _files_of(process) if _is_below(f, paths)), None)
        if held is not None:
            found.append(f"process {process.name} ({_name(process)}) holds {held}")
    return found


def _files_of(process: Path) -> Iterable[str]:
    """Every path a process refers to; none when it ended meanwhile."""
    try:
        for link in [process / "cwd", process / "root", *(process / "fd").iterdir()]:
            yield _target(link)
        for line in (process / "maps").read_text(errors="replace").splitlines():
            yield line[line.find("/") :] if "/" in line else ""
    except (FileNotFoundError, ProcessLookupError):
        return


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


def _is_below(file: str, paths: Sequence[str]) -> bool:
    return any(file == path or file.startswith(path + "/") for path in paths)


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "ended"
