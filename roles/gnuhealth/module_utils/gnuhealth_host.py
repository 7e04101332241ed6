"""A host as GNU Health's modules and host scripts see it: units, programs, files.

Standard library only, Python 3.9. Refuses to guess: what cannot be read is a ``ProblemError``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


class ProblemError(Exception):
    """Why something could not be done or learned, in words for a person."""


def settings():
    """What the role rendered beside the scripts."""
    return json.loads((Path(__file__).parent / "settings.json").read_text(encoding="utf-8"))


def environment(name):
    """A variable that the host program gives to its scripts.

    Raises:
        ProblemError: it is not there.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise ProblemError(f"{name} is not set: call this through wardship-host") from None


def run(argv, timeout=120, keep=None, **options):
    """The output of a program; ``keep``: where all that it complains of is kept, for root only.

    Raises:
        ProblemError: it failed, with the last line of its complaint.
    """
    name = argv[argv.index("--") + 1] if "--" in argv else argv[0]
    try:
        ended = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=timeout, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProblemError(f"{name}: {type(error).__name__}") from error
    if keep and ended.stderr:
        write_atomically(keep, ended.stderr)
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines() or ["no reason given"]
        raise ProblemError(f"{Path(name).name}: {lines[-1]}")
    return ended.stdout


def unit(name):
    """What systemd says about a unit: ActiveState, LoadState, MainPID, UnitFileState."""
    names = "LoadState,ActiveState,MainPID,UnitFileState"
    shown = run(["systemctl", "show", "--property", names, name])
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def stop(name):
    """Stop a unit and prove it stopped; one that is not there is stopped."""
    if unit(name).get("LoadState") == "not-found":
        return
    run(["systemctl", "stop", name], timeout=600)
    forget_failure(name)
    found = unit(name)
    if found.get("ActiveState") != "inactive" or found.get("MainPID", "0") != "0":
        raise ProblemError(f"{name} did not stop: it is {found.get('ActiveState')}")


def forget_failure(name):
    """A unit that has failed is made merely inactive: systemd would not start it again soon."""
    if unit(name).get("ActiveState") == "failed":
        run(["systemctl", "reset-failed", name])


def until(condition, seconds, pause=0.1):
    """Ask ``condition`` until it says something true, and give that back; else its last word."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() >= deadline:
            return answer
        time.sleep(pause)


def write_atomically(path, text):
    """A file that is there wholly or not at all, also after power loss. Mode 0600."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def ends(script):
    """Run a host script: its reason is the last line of standard error, its exit code 1."""
    try:
        script()
    except (ProblemError, OSError, ValueError) as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
