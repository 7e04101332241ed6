"""Who runs: the identity of a controller process, and the lock that one engine a fleet holds.

Decides nothing about facilities: those are held in the journal, by change set, also when the
process that ran it is gone.
"""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Runner:
    """A controller process, told apart from a later one with the same pid by its start time."""

    pid: int
    started: int
    machine: str

    @classmethod
    def this(cls) -> Runner:
        """This process."""
        return cls(os.getpid(), _start_ticks(os.getpid()) or 0, socket.gethostname())

    @classmethod
    def parse(cls, text: str) -> Runner | None:
        """What ``str`` gave; None for anything else."""
        try:
            head, machine = text.split(" on ", 1)
            pid, started = head.removeprefix("process ").split("/", 1)
            return cls(int(pid), int(started), machine)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"process {self.pid}/{self.started} on {self.machine}"

    def is_alive(self) -> bool:
        """Whether it still runs (also while stopped). Another machine's is taken as not running."""
        return self.machine == socket.gethostname() and _start_ticks(self.pid) == self.started


def is_alive(runner: str) -> bool:
    """Whether the process that wrote ``runner`` into the journal still runs."""
    known = Runner.parse(runner)
    return known is not None and known.is_alive()


class EngineLock:
    """An flock that the kernel lets go when its process dies. Not inherited by children."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._descriptor: int | None = None

    def acquire(self, runner: Runner) -> bool:
        """Take the lock, or give False where another process has it."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(runner).encode(), 0)
        self._descriptor = descriptor
        return True

    def holder(self) -> str:
        """The process that has the lock, as it wrote itself down."""
        try:
            return self.file.read_text() or "another process"
        except OSError:
            return "another process"

    def release(self) -> None:
        """Let the lock go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _start_ticks(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (proc(5), stat field 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
