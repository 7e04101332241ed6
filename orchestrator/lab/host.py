"""One host: its root made from the base image, its boot, its orderly stop.

The base image gives what all hosts have; here each gets its name, its keys and its way of logging
people in. What makes a hospital of it (products, studies) is not known here.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import time
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab import disk, golden, network
from orchestrator.lab.cage import Cage
from orchestrator.lab.image import mask
from orchestrator.lab.model import HostSpec, Login
from orchestrator.lab.paths import LabPaths
from orchestrator.lab.run import until

#: How long an orderly stop may take, in seconds: systemd's own limit for one unit is 90.
STOPPING = 120.0
#: systemd(1): power off in order.
_POWER_OFF = signal.SIGRTMIN + 4
#: Asked again this often, in seconds: a PID 1 that is not ready yet does not hear it.
_ASK_AGAIN = 2.0
#: systemd-nspawn's exit status when the container asked to be rebooted and we keep the unit.
_REBOOT = 133
_PROPAGATED = Path("/run/systemd/nspawn/propagate")
_NO_SESSIONS = "systemd-logind.service"


def make_host(paths: LabPaths, host: HostSpec, *, base: Path) -> None:
    """Make a host's root and its data disk, unless they are there; mount the data disk."""
    disk.make_disk(paths.data_image(host.name), mib=host.data_mib)
    disk.mount_disk(paths.data_image(host.name), paths.data_disk(host.name))
    mount_disks(paths, host)
    golden.finish_reset(paths, host.name)
    disk.create(paths.data(host.name))
    root = paths.root(host.name)
    if not disk.is_subvolume(root):
        fresh = disk.fresh_path(root)
        disk.delete(fresh)
        disk.snapshot(base, fresh, writable=True)
        _personalise(fresh, paths, host)
        fresh.rename(root)


def mount_disks(paths: LabPaths, host: HostSpec) -> None:
    """Make and mount a host's further disks, unless that was done."""
    for each in host.disks:
        image = paths.disk_image(host.name, each.name)
        disk.make_disk(image, mib=each.mib, filesystem=each.filesystem)
        disk.mount_disk(image, paths.disk(host.name, each.name), filesystem=each.filesystem)


def write_boot_script(paths: LabPaths, host: HostSpec) -> None:
    """Write what runs the host: network, container, and both again when it reboots."""
    script = paths.boot_script(host.name)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(boot_script(paths, host))


def boot_script(paths: LabPaths, host: HostSpec) -> str:
    """The text of it."""
    may_fail, must_work = network.host_lines(paths.name, host)
    lines = [
        "#!/bin/sh",
        "while :; do",
        *(f"  {line} 2>/dev/null" for line in may_fail),
        *(f"  {line} || exit 1" for line in must_work),
        f"  {shlex.join(nspawn_argv(paths, host))}",
        f"  [ $? -eq {_REBOOT} ] || exit 0",
        "done",
    ]
    return "\n".join(lines) + "\n"


def nspawn_argv(paths: LabPaths, host: HostSpec) -> list[str]:
    """The container: booted, in its own network namespace, registered nowhere."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={paths.root(host.name)}",
        f"--machine={paths.name}-{host.name}",
        f"--hostname={host.name}",
        f"--uuid={machine_id(paths.name, host.name)}",
        "--register=no",
        "--keep-unit",
        # Its own packet filter and traffic shaping, in its own network.
        "--capability=CAP_NET_ADMIN",
        f"--network-namespace-path=/run/netns/{network.namespace(paths.name, host.name)}",
        "--console=pipe",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--bind={paths.data(host.name)}:/data",
        *(f"--bind={paths.disk(host.name, each.name)}:{each.at}" for each in host.disks),
    ]


def machine_id(lab: str, host: str) -> str:
    """An id that a host keeps over resets and shares with no other (machine-id(5))."""
    return hashlib.sha256(f"{lab}/{host}".encode()).hexdigest()[:32]


def stop(cage: Cage) -> None:
    """Power a host off in order, as ``poweroff`` in it does.

    Raises:
        LabError: it still runs after ``STOPPING`` seconds.
    """
    deadline = time.monotonic() + STOPPING
    while time.monotonic() < deadline:
        init = cage.init()
        if init is not None:
            os.kill(init, _POWER_OFF)
        if until(lambda: not cage.members(), timeout=_ASK_AGAIN):
            cage.remove()
            return
    raise LabError(
        f"{cage.host} does not stop: still running after {STOPPING:.0f} s",
        hint="look at its journal, or pull the plug: Lab.crash",
    )


def forget_containers(lab: str) -> None:
    """Remove what systemd-nspawn leaves behind for each machine that it ran."""
    for left in _PROPAGATED.glob(f"{lab}-*"):
        left.rmdir()


def last_words(log: Path, *, lines: int = 5) -> str:
    """The end of what a host printed, for an error."""
    try:
        said = log.read_text(errors="replace").strip().splitlines()[-lines:]
    except FileNotFoundError:
        said = []
    return " / ".join(said) or "nothing"


def _personalise(root: Path, paths: LabPaths, host: HostSpec) -> None:
    etc = root / "etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost\n")
    (etc / "machine-id").write_text(f"{machine_id(paths.name, host.name)}\n")
    _put(etc / "ssh/ssh_host_ed25519_key", paths.host_key(host.name).read_bytes(), mode=0o600)
    admitted = paths.ssh_key.with_suffix(".pub").read_bytes()
    _put(root / "root/.ssh/authorized_keys", admitted, mode=0o600)
    (root / "root/.ssh").chmod(0o700)
    if host.login is Login.PLAIN:
        mask(etc / "systemd/system", _NO_SESSIONS)
        (etc / "ssh/sshd_config.d/login.conf").write_text("UsePAM no\n")


def _put(path: Path, content: bytes, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(content)
