"""``make molecule``: every scenario on a lab of this run alone, and nothing of it left behind.

Molecule destroys what it created, but not when it was interrupted or killed: this program takes the
lab down however Molecule ends, and ends first all that Molecule started. A lab of a run that was
killed itself goes with the next run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from orchestrator.adapters import leash
from orchestrator.lab.hospital import Lab
from tests.lab.controlled import CACHE, CHECKOUT, LABS

#: Signals that end a run in order.
ENDS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
#: Seconds that all scenarios may take: several times what they take on a busy machine.
LIMIT = 3600
_PREFIX = "molecule"


def main(arguments: list[str]) -> int:
    """Run ``molecule ARGUMENTS``, ``test --all`` without any; its exit code."""
    for number in ENDS:
        signal.signal(number, _end)
    remove_orphans()
    name = f"{_PREFIX}{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="wardship-molecule-") as scratch:
        try:
            return _molecule(arguments or ["test", "--all"], name, scratch)
        finally:
            for number in ENDS:
                signal.signal(number, signal.SIG_IGN)
            lab(name).down()


def lab(name: str) -> Lab:
    """The lab of a run."""
    return Lab(name, state=LABS, cache=CACHE, say=print)


def remove_orphans() -> None:
    """Take down the labs of runs that are no more."""
    for home in sorted(LABS.glob(f"{_PREFIX}*")):
        pid = home.name.removeprefix(_PREFIX)
        if home.is_dir() and pid.isdigit() and not Path("/proc", pid).exists():
            lab(home.name).down()


def _molecule(arguments: list[str], name: str, scratch: str) -> int:
    environment = os.environ | {
        "ANSIBLE_HOME": f"{scratch}/ansible",
        # Create and destroy run without an inventory, which is only made by create.
        "MOLECULE_ANSIBLE_ARGS_STRICT_MODE": "1",
        "MOLECULE_EPHEMERAL_DIRECTORY": f"{scratch}/molecule",
        "MOLECULE_PROJECT_DIRECTORY": str(CHECKOUT),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(CHECKOUT),
        "WARDSHIP_MOLECULE_HOME": str(lab(name).home),
        "WARDSHIP_MOLECULE_LAB": name,
    }
    held = [sys.executable, "-I", str(Path(leash.__file__)), str(os.getpid()), str(LIMIT)]
    argv = [*held, "molecule", *arguments]
    # In a session of its own: a signal of the terminal would reach what holds all others.
    with subprocess.Popen(argv, cwd=CHECKOUT, env=environment, start_new_session=True) as process:
        try:
            return process.wait()
        finally:
            process.terminate()


def _end(number: int, _frame: FrameType | None) -> None:
    """A signal that would end us without a word ends us in order."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
