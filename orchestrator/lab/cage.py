"""A host's cage: the control groups that hold all of its processes and nobody else's.

Being in the cage is what "runs" means; there are no pid files that could name a stranger. Where
PID 1 is systemd, the cage is a transient service; elsewhere it is one directory in each hierarchy
that a container's systemd looks at.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab.run import attempt, run, until

_MOUNTED = Path("/sys/fs/cgroup")
#: Without these four of its own, the second host of a machine comes up degraded.
_HIERARCHIES = ("systemd", "unified", "memory", "pids")
_PREFIX = "wardship-lab"


@dataclass(frozen=True)
class Cage:
    """The cage of one host of one lab."""

    lab: str
    host: str
    mounted: Path = _MOUNTED

    @property
    def name(self) -> str:
        """A dot parts lab and host: neither has one."""
        return f"{_PREFIX}.{self.lab}.{self.host}"

    def launch(self, script: Path, log: Path) -> None:
        """Run a script in the cage, apart from us: it goes on when we end.

        Raises:
            LabError: the cage could not be made.
        """
        if _is_systemd():
            self._launch_unit(script, log)
            return
        groups = [directory / self.name for directory in hierarchies(self.mounted)]
        if not groups:
            raise LabError(
                f"no control groups are mounted at {self.mounted}",
                hint="a container needs them writable: run it privileged",
            )
        for group in groups:
            group.mkdir(exist_ok=True)
        enter = 'log=$1 script=$2; shift 2; for g; do echo $$ >"$g/cgroup.procs" || exit 1; done; '
        start = 'exec setsid --fork sh "$script" </dev/null >>"$log" 2>&1'
        words = [str(log), str(script), *(str(group) for group in groups)]
        run(["sh", "-c", enter + start, "sh", *words])

    def members(self) -> list[int]:
        """The processes in the cage."""
        return sorted({pid for group in self._groups() for pid in _members(group)})

    def init(self) -> int | None:
        """The container's own PID 1, seen from here; none before it is there."""
        members = self.members()
        for pid in members:
            parent, name, is_first = _describe(pid)
            if is_first and parent in members and name != "systemd-nspawn":
                return pid
        return None

    def kill(self) -> None:
        """Kill everything in the cage at once, and see it gone.

        Raises:
            LabError: something in it does not die, which only the kernel can cause.
        """
        if not until(self._kill_once, timeout=20.0):
            raise LabError(
                f"{self.host}: {len(self.members())} processes do not die",
                hint="they hang in the kernel (ps shows state D); look at dmesg",
            )

    def remove(self) -> None:
        """Remove the cage, which is empty."""
        if _is_systemd():
            attempt(["systemctl", "stop", f"{self.name}.service"])
            attempt(["systemctl", "reset-failed", f"{self.name}.service"])
        for group in self._groups():
            for directory in sorted(_tree(group), reverse=True):
                # A killed process leaves its group a moment after it leaves the listing.
                until(partial(_rmdir, directory), timeout=5.0)

    def _kill_once(self) -> bool:
        members = self.members()
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not members

    def _groups(self) -> list[Path]:
        if _is_systemd():
            return self._unit_groups()
        found = (directory / self.name for directory in hierarchies(self.mounted))
        return [group for group in found if group.is_dir()]

    def _launch_unit(self, script: Path, log: Path) -> None:
        attempt(["systemctl", "reset-failed", f"{self.name}.service"])
        properties = ("Delegate=yes", "KillMode=mixed", f"StandardOutput=append:{log}")
        settings = [f"--property={value}" for value in (*properties, f"StandardError=append:{log}")]
        run(["systemd-run", "-q", "--collect", f"--unit={self.name}", *settings, "sh", str(script)])

    def _unit_groups(self) -> list[Path]:
        asked = attempt(
            ["systemctl", "show", "--value", "--property=ControlGroup", f"{self.name}.service"]
        )
        inside = asked.stdout.strip().lstrip("/")
        if not inside:
            return []
        found = (directory / inside for directory in hierarchies(self.mounted))
        return [group for group in found if group.is_dir()]


def cages(lab: str, mounted: Path = _MOUNTED) -> list[Cage]:
    """Every cage of a lab that exists, also one that no record of the lab knows."""
    prefix = f"{_PREFIX}.{lab}."
    if _is_systemd():
        argv = ["systemctl", "list-units", "--all", "--plain", "--no-legend", f"{prefix}*.service"]
        listed = (line.split()[0] for line in attempt(argv).stdout.splitlines() if line.strip())
        names = {name.removesuffix(".service") for name in listed}
    else:
        names = {path.name for at in hierarchies(mounted) for path in at.glob(f"{prefix}*")}
    return [Cage(lab, name.removeprefix(prefix), mounted) for name in sorted(names)]


def hierarchies(mounted: Path) -> list[Path]:
    """Where groups are made: the one tree of version 2, or those of version 1 that matter."""
    if (mounted / "cgroup.procs").exists():
        return [mounted]
    return [mounted / name for name in _HIERARCHIES if (mounted / name / "cgroup.procs").exists()]


def _is_systemd() -> bool:
    """The test of sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _tree(group: Path) -> list[Path]:
    return [Path(directory) for directory, _, _ in os.walk(group)]


def _members(group: Path) -> list[int]:
    pids: list[int] = []
    for directory in _tree(group):
        try:
            pids += [int(line) for line in (directory / "cgroup.procs").read_text().split()]
        except OSError:
            continue
    return [pid for pid in pids if pid]


def _rmdir(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _describe(pid: int) -> tuple[int, str, bool]:
    """Parent, name, and whether it is the first process of a namespace of processes (proc(5))."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, "", False
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return int(fields["PPid"]), fields["Name"], fields["NSpid"].split()[-1] == "1"
