"""The systemd unit of a phase: started once, bounded in time, killed with all that it started.

``Type=exec``, because a maximum run time has no effect on ``oneshot`` (systemd.service(5)); not
collected, so that a reached maximum can still be told from a death.
"""

from __future__ import annotations

import contextlib
from typing import Dict

from .outcome import FailedError
from .phases import Unit
from .system import ENVIRONMENT, System

ALIVE = ("active", "activating", "deactivating", "reloading")
GONE = Unit(alive=False)


def name(change: str, phase: str) -> str:
    return f"wardship-{change}-{phase}.service"


def start(system: System, unit: str, *more: str, argv: "list[str]") -> None:
    """Start a unit that runs ``argv``; ``more``: its properties, such as its maximum run time.

    Raises:
        FailedError: systemd did not start it.
    """
    system.run(["systemctl", "reset-failed", unit])  # a former attempt's; often there is none
    properties = (
        *more,
        "KillMode=control-group",
        "TimeoutStopSec=10",
        "UMask=0077",
        "OOMScoreAdjust=-900",
    )
    ran = system.run(
        [
            "systemd-run",
            "--quiet",
            "--no-ask-password",
            f"--unit={unit}",
            "--service-type=exec",
            *(f"--property={each}" for each in properties),
            *(f"--setenv={key}={value}" for key, value in ENVIRONMENT.items()),
            "--",
            *argv,
        ]
    )
    if ran.code != 0:
        raise FailedError(f"systemd did not start {unit}: {ran.reason}")


def show(system: System, unit: str, *properties: str) -> Dict[str, str]:
    """Properties of a unit by name; one that was never loaded has them too.

    Raises:
        FailedError: systemd did not answer. Silence is not "not running".
    """
    ran = system.run(["systemctl", "show", f"--property={','.join(properties)}", "--", unit])
    pairs = dict(line.split("=", 1) for line in ran.out.splitlines() if "=" in line)
    if ran.code != 0 or set(pairs) != set(properties):
        raise FailedError(f"systemd did not tell of {unit}: {ran.reason}")
    return pairs


def look(system: System, unit: str) -> Unit:
    known = show(system, unit, "ActiveState", "Result")
    return Unit(alive=known["ActiveState"] in ALIVE, result=known["Result"])


def kill(system: System, unit: str, *, seconds: float = 30.0) -> None:
    """Kill a unit and everything in its cgroup, and wait until that is empty.

    Raises:
        FailedError: something in it still lives.
    """
    group = show(system, unit, "ControlGroup")["ControlGroup"]
    if look(system, unit).alive:
        system.run(["systemctl", "kill", "--signal=SIGKILL", "--", unit])
        system.run(["systemctl", "stop", "--", unit])
    deadline = system.monotonic() + seconds
    while look(system, unit).alive or _members(system, group):
        if system.monotonic() >= deadline:
            raise FailedError(f"{unit} could not be killed: {' '.join(_members(system, group))}")
        system.sleep(0.1)


def _members(system: System, group: str) -> "list[str]":
    """Process ids in a cgroup, on a unified or a hybrid hierarchy."""
    if not group:
        return []
    found: "list[str]" = []
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        with contextlib.suppress(OSError):  # gone, which is what we wait for, or not that kind
            found += system.at(f"{top}{group}/cgroup.procs").read_text().split()
    return found
