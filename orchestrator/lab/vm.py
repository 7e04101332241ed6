"""A machine that can lose its power: QEMU, a kernel of its own, a disk with a volatile cache.

Emulated (TCG), so that it runs wherever the lab does. Every write and flush of the disk is logged;
``pull_plug`` ends it as a power cut does, and ``writelog`` says what the disk holds then.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab.kernel import Kernel
from orchestrator.lab.run import until

#: Program → the Debian package that brings it.
TOOLS = {"qemu-system-x86_64": "qemu-system-x86"}
_MEMORY_MIB = 512
#: For the kernel: nothing asks, nothing waits, everything is on the console.
_ARGUMENTS = "console=ttyS0 loglevel=4 panic=-1 mitigations=off systemd.show_status=0"
#: Not started: nobody logs in, and without udev a login on a serial line waits for its device.
_UNUSED = ("serial-getty@ttyS0.service", "ssh.service", "postgresql.service")


@dataclass
class Machine:
    """One machine. ``disk`` is changed by it; ``directory`` takes its log and console."""

    kernel: Kernel
    disk: Path
    root: str
    directory: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """Its disk's writes, for ``writelog``."""
        return self.directory / "writes.log"

    @property
    def console(self) -> Path:
        """What it printed."""
        return self.directory / "console.txt"

    def boot(self) -> None:
        """Switch it on."""
        self.log.write_bytes(b"")
        self.console.write_bytes(b"")
        with (self.directory / "qemu.txt").open("wb") as said:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.argv()],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip

    def argv(self) -> list[str]:
        """QEMU's arguments: one processor, one disk, one serial line."""
        logged = "driver=blklogwrites,file=disk,log=log,log-sector-size=512,node-name=logged"
        device = "virtio-blk-pci,drive=logged,write-cache=on,discard=off,write-zeroes=off"
        return [
            "qemu-system-x86_64", "-accel", "tcg,tb-size=256", "-cpu", "qemu64",
            "-m", str(_MEMORY_MIB), "-smp", "1",
            "-no-reboot", "-nodefaults", "-no-user-config", "-display", "none",
            "-kernel", str(self.kernel.image), "-initrd", str(self.kernel.initramfs(self.root)),
            "-append", _ARGUMENTS + "".join(f" systemd.mask={unit}" for unit in _UNUSED),
            "-serial", f"file:{self.console}",
            "-blockdev", f"driver=file,node-name=disk,filename={self.disk}",
            "-blockdev", f"driver=file,node-name=log,filename={self.log}",
            "-blockdev", logged, "-device", device,
        ]  # fmt: skip

    def wait_for(self, said: Callable[[str], bool], *, what: str, seconds: float) -> None:
        """Wait until its console says so.

        Raises:
            LabError: it ended, or did not within ``seconds``; its last words are in the error.
        """
        if not until(lambda: said(self.printed()) or not self.is_on(), timeout=seconds) or not said(
            self.printed()
        ):
            lines = self.printed().strip().splitlines()[-5:]
            qemu = (self.directory / "qemu.txt").read_text(errors="replace").strip()
            raise LabError(
                f"the machine did not come to: {what}", hint=" / ".join([*lines, qemu or "no word"])
            )

    def printed(self) -> str:
        """Its console since it was switched on."""
        return self.console.read_text(errors="replace")

    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pull_plug(self) -> None:
        """End it at once; nothing that it has not flushed is promised to be on its disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
