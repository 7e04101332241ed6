"""Faults that a release may bring to a hospital, made on a lab host and lifted again.

The product has no hook for this: the lab's own ``saboteur`` runs around each start of the service,
from a drop-in that lies where neither a change nor a restore writes.
"""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Literal

from orchestrator.errors import LabError
from orchestrator.lab import sabotage, saboteur, surroundings, victim
from orchestrator.lab.guest import Run, put

NAMES = tuple(sabotage.FAULTS)
_PROGRAM = "/lab/saboteur.pyz"
_DROP_INS = f"/usr/local/lib/systemd/system/{saboteur.SERVICE}.d"
_START = f"+/usr/bin/python3 -IB {_PROGRAM}"
DROP_IN = f"""[Service]
ExecStartPre={_START} before
ExecStartPost={_START} after
ExecStopPost={_START} stopped
"""


def break_(
    run: Run,
    fault: str,
    *,
    when: Literal["now", "on-switch"] = "on-switch",
    release: str | None = None,
    rate: str = "2mbit",
    stays: bool = False,
) -> None:
    """Break a host, or arm it to break when another release starts.

    ``release``: only when this one starts; otherwise whichever is not the one that is current now.
    ``rate`` is slow-link's, as tc(8) writes it. A fault of the surroundings is over when the
    release that it hit is stopped; one that ``stays`` is there for the old release, too, until it
    is lifted. Several faults may be armed at once.

    Raises:
        LabError: there is no such fault, or the host could not be broken.
    """
    _known(fault)
    old = _current(run)
    how = json.dumps(
        {"old": old, "release": release, "rate": rate, "stays": stays, "done": False, "over": False}
    )
    put(run, _PROGRAM, program())
    if when == "now":
        run(["python3", "-IB", _PROGRAM, "now", fault, how])
        return
    put(run, f"/lab/armed/{fault}.json", how.encode())
    put(run, f"{_DROP_INS}/zz-lab-fault.conf", DROP_IN.encode())
    run(["systemctl", "daemon-reload"])


def has_happened(run: Run, fault: str) -> bool:
    """Whether an armed fault was done to the host: no test may pass because it never was."""
    _known(fault)
    armed = f"/lab/armed/{fault}.json"
    return bool(json.loads(run(["cat", armed]))["done"])


def lift(run: Run, fault: str) -> None:
    """End a fault: disarm it and undo whatever of it nobody has undone yet.

    Where only a start notices, start the service again with ``systemctl`` afterwards.

    Raises:
        LabError: there is no such fault, or it could not be undone.
    """
    _known(fault)
    put(run, _PROGRAM, program())
    run(["python3", "-IB", _PROGRAM, "lift", fault])


def lift_all(run: Run) -> None:
    """Every fault lifted, and the saboteur gone from the host."""
    put(run, _PROGRAM, program())
    run(["python3", "-IB", _PROGRAM, "lift", *NAMES])
    run(["rm", "-rf", "/lab", _DROP_INS])
    run(["systemctl", "daemon-reload"])


def program() -> bytes:
    """The saboteur as one file that a host's own Python runs."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            "__main__.py", f"import sys\nfrom {saboteur.__name__} import main\nmain(sys.argv[1:])\n"
        )
        for package in ("orchestrator", "orchestrator/lab"):
            archive.writestr(f"{package}/__init__.py", "")
        for module in (saboteur, sabotage, surroundings, victim):
            source = Path(str(module.__file__)).read_text(encoding="utf-8")
            archive.writestr(f"{module.__name__.replace('.', '/')}.py", source)
    return packed.getvalue()


def _known(fault: str) -> None:
    if fault not in NAMES:
        raise LabError(f"there is no fault {fault!r}", hint=f"one of: {', '.join(NAMES)}")


def _current(run: Run) -> str:
    return run(["readlink", "/opt/orthanc/current"]).decode().strip()
