"""Breaks an Orthanc host on purpose. ``orchestrator.lab.faults`` lays this on the host.

``before`` and ``after`` stand around each start of the service, ``stopped`` after each end: what
is armed happens when the release that starts is the one meant to be bad. What a bad release would
leave in its configuration or data stays, and goes only when these are put back. A fault of the
surroundings ends with the run that it hit, or, when it is to stay, hits every release until it is
lifted. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from orchestrator.lab.sabotage import FAULTS
from orchestrator.lab.victim import Host, Settings

SERVICE = "orthanc.service"


def around_start(host: Host, moment: str) -> None:
    """``before`` or ``after`` a start: do what is armed for this release."""
    for name, fault in FAULTS.items():
        how = _armed(host, name)
        act = getattr(fault, moment)
        if how is None or act is None or how["over"]:
            continue
        is_bad = host.current == how["release"] if how["release"] else host.current != how["old"]
        if is_bad or (how["stays"] and how["done"]):
            act(host, how)
            _arm(host, name, {**how, "done": True})


def after_stop(host: Host) -> None:
    """What surrounded the release that was hit, and is not to stay, is over."""
    for name, fault in FAULTS.items():
        how = _armed(host, name)
        if how is not None and fault.is_around and how["done"] and not how["stays"]:
            fault.lift(host, how)
            _arm(host, name, {**how, "over": True})


def _armed(host: Host, name: str) -> Settings | None:
    file = host.own / "armed" / f"{name}.json"
    found: Settings | None = json.loads(file.read_text()) if file.exists() else None
    return found


def _arm(host: Host, name: str, how: Settings) -> None:
    (host.own / "armed" / f"{name}.json").write_text(json.dumps(how))


def break_now(host: Host, name: str, how: Settings) -> None:
    """Do it to the release that runs; restart the service where only a start notices."""
    fault = FAULTS[name]
    if fault.before is not None:
        fault.before(host, how)
    if fault.after is not None:
        fault.after(host, how)
    if fault.restart:
        host.run(["systemctl", "restart", "--no-block", SERVICE])


def lift(host: Host, name: str) -> None:
    """End the experiment, and put back what nobody else has."""
    (host.own / "armed" / f"{name}.json").unlink(missing_ok=True)
    FAULTS[name].lift(host, {})


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0 and argv[:2] != ["systemctl", "stop"]:
        raise SystemExit(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def main(argv: list[str]) -> None:
    host, verb = Host(Path("/"), _run), argv[0]
    if verb in ("before", "after"):
        around_start(host, verb)
    elif verb == "stopped":
        after_stop(host)
    elif verb == "now":
        break_now(host, argv[1], json.loads(argv[2]))
    else:
        for name in argv[1:]:
            lift(host, name)


if __name__ == "__main__":
    main(sys.argv[1:])
