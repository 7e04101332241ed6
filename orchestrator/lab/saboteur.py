"""Breaks an Orthanc host on purpose. ``orchestrator.lab.faults`` lays this on the host.

``before`` and ``after`` stand around each start of the service: what is armed happens when the
release that starts is the one meant to be bad. What a bad release would leave in its configuration
or data stays, and goes only when these are put back; what would end with the release's own run (a
lock, a slow line) ends when another one starts. Standard library only.
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
    """``before`` or ``after`` a start: do what is armed for this release, ease what is not."""
    for name, fault in FAULTS.items():
        armed = host.own / "armed" / f"{name}.json"
        if not armed.exists():
            continue
        how = json.loads(armed.read_text())
        bites = host.current == how["release"] if how["release"] else host.current != how["old"]
        act = getattr(fault, moment) if bites else (fault.ease if moment == "before" else None)
        if act is not None:
            act(host, how)
        if bites and act is not None:
            armed.write_text(json.dumps({**how, "done": True}))


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
    elif verb == "now":
        break_now(host, argv[1], json.loads(argv[2]))
    else:
        for name in argv[1:]:
            lift(host, name)


if __name__ == "__main__":
    main(sys.argv[1:])
