"""The edge to the machine: programs, clock, boot. Decides nothing, so that tests can stand in."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Optional

from .disk import Disk

PROGRAM = "/usr/local/lib/wardship/wardship-host"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}
TIMED_OUT = 124


@dataclass(frozen=True)
class Ran:
    """What became of a program: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Its last words, or its code when it said nothing."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


class System:
    """A real machine. ``root`` is ``/`` but in tests; ``program`` is where this program lies."""

    def __init__(self, root: Path = Path("/"), *, program: str = PROGRAM) -> None:
        self.root = root
        self.program = program
        self.disk = Disk()

    def at(self, path: str) -> Path:
        """The place of an absolute path of the machine."""
        return self.root / path.lstrip("/")

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Optional[Mapping[str, str]] = None,
        stdin: str = "",
        timeout: Optional[float] = 60.0,
        log: Optional[Path] = None,
    ) -> Ran:
        """Run a program to its end.

        ``timeout`` in seconds; None leaves it to the unit's maximum run time. With ``log``,
        standard output goes there and only standard error comes back: a script may say much.
        Standard error goes through a file too, so that a left-over child cannot hold us up.
        """
        words = {**ENVIRONMENT, **(env or {})}
        with _file(log) as out, _file(None) as err:
            try:
                done = subprocess.run(
                    list(argv),
                    env=words,
                    input=stdin.encode(),
                    stdout=out,
                    stderr=err,
                    timeout=timeout,
                    check=False,
                )
                code = done.returncode
            except subprocess.TimeoutExpired:
                return Ran(TIMED_OUT, "", f"{argv[0]} did not end within {timeout:.0f} s")
            except OSError as error:
                return Ran(127, "", f"{argv[0]}: {error.strerror}")
            return Ran(code, "" if log is not None else _text(out), _text(err))

    def free(self, path: Path) -> int:
        """Bytes that can still be written to the file system of ``path``."""
        about = os.statvfs(path)
        return about.f_bavail * about.f_frsize

    def device(self, path: Path) -> int:
        """The file system that a path lies on, while this machine runs."""
        return path.stat().st_dev

    def is_read_only(self, path: Path) -> bool:
        """Whether the file system, or the part of it that is mounted there, takes no writes."""
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY) or not os.access(path, os.W_OK)

    def has_names_left(self, path: Path) -> bool:
        """Whether another file can be made; a file system that does not count them has some."""
        return self.inodes_left(path) != 0

    def inodes_left(self, path: Path) -> Optional[int]:
        """How many files can still be made; None on a file system that does not count them."""
        about = os.statvfs(path)
        return about.f_favail if about.f_files else None

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump: every wait counts by these, the clock may be set meanwhile."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def boot_id(self) -> str:
        """Differs after each boot (Linux, random(4))."""
        return self.at("/proc/sys/kernel/random/boot_id").read_text().strip()


def _file(log: Optional[Path]) -> BinaryIO:
    """The log, to append to, or a file in memory: a full disk must not stop a restore."""
    if log is not None:
        return log.open("ab")
    return os.fdopen(os.memfd_create("wardship"), "w+b")


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
