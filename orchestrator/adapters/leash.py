"""Runs a program so that all it started goes with it when the controller dies or time is up.

``python -I leash.py PARENT SECONDS PROGRAM ARGUMENT…``, standard library only. Ansible's workers
leave their session and process group, so neither a signal to a group nor the parent-death signal of
the first process reaches them; this adopts orphans (``PR_SET_CHILD_SUBREAPER``) and ends them
itself. A program that ends by itself keeps what it left running, such as a shared ssh connection.

Exit code: the program's, or 124 when time was up (as timeout(1)), 125 when the parent was gone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

TIME_IS_UP, PARENT_IS_GONE = 124, 125
#: prctl(2)
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


class ParentGone(BaseException):
    """The controller died, or somebody asked this to end."""


def run(parent: int, seconds: float, argv: list[str]) -> int:
    """Run a program to its end, or to ours."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, _told)
    if os.getppid() != parent:
        return PARENT_IS_GONE
    try:
        return subprocess.Popen(argv).wait(seconds)
    except (subprocess.TimeoutExpired, ParentGone) as why:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_all(os.getpid())
        return TIME_IS_UP if isinstance(why, subprocess.TimeoutExpired) else PARENT_IS_GONE


def _told(_signal: int, _frame: object) -> None:
    raise ParentGone


def end_all(ancestor: int) -> None:
    """Kill until nothing is below; what a killed process had started comes to us."""
    while below := descendants(ancestor):
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for pid in below:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                continue


def descendants(ancestor: int) -> list[int]:
    """Every live process below, nearest first (proc(5): the parent is the second field of stat
    after the name in brackets; what is dead but not yet waited for is left out)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in "ZX":
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
