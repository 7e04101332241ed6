"""One command in a process of its own, and what it cost.

Refuses a figure of a command that failed: a benchmark of a failure is none.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.fleet.model import Model
from tests.bench.figures import ROOT


class Cost(Model):
    """Seconds on the clock, seconds of processor (with every child that was waited for), MiB of
    the largest process at its peak, and what was written to standard output.
    """

    wall: float
    cpu: float
    peak: float
    output: str


def cost_of(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, may_exit: int = 0
) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: it did not exit as it should; with the end of what it said.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        told, complaint = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if code != may_exit:
        raise RuntimeError(f"{' '.join(command)} exited {code}:\n{told[-2000:]}{complaint[-4000:]}")
    cpu = used.ru_utime + used.ru_stime
    return Cost(wall=wall, cpu=cpu, peak=used.ru_maxrss / 1024, output=told)


def own_peak() -> float:
    """MiB that this process took at its peak, by itself."""
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024
