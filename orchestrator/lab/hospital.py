"""A lab: hosts that boot, break and come back, on one machine, apart from everything else on it.

Every method can be called again after any of them was killed: ``up`` finishes or repairs, ``down``
removes all that any of them made. One process at a time works on a lab; two labs share nothing but
the cache of downloads and images.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab import disk, golden, host, image, network, record, ssh
from orchestrator.lab.cage import Cage, cages
from orchestrator.lab.guest import Run
from orchestrator.lab.lock import locked
from orchestrator.lab.model import (
    CONTROLLER_NAME,
    DEFAULT_HOSTS,
    MODALITY_NAME,
    HostSpec,
    HostState,
    HostStatus,
    LabStatus,
    check_lab_name,
)
from orchestrator.lab.paths import LabPaths
from orchestrator.lab.run import Ran, attempt, must, until
from orchestrator.lab.tools import ensure_tools

#: How long a host may take until it lets us log in, in seconds: 2 on a quiet machine.
BOOTING = 60.0
#: Room for the roots of all hosts and their golden copies, in MiB. The file is sparse.
_ROOTS_MIB = 20 * 1024


def _say_nothing(_line: str) -> None:
    """For who does not want to hear of progress."""


class Lab:
    """The lab ``name`` below ``state``, the directory of all labs; needs root.

    ``cache`` keeps downloads and the base image from one lab to the next. ``say`` hears one line
    for each step that takes time.

    Raises:
        LabError: from every method, when the machine does not do what is asked of it.
    """

    def __init__(
        self, name: str, *, state: Path, cache: Path, say: Callable[[str], None] = _say_nothing
    ) -> None:
        self.name = check_lab_name(name)
        self.cache = cache.absolute()
        self.paths = LabPaths(state.absolute(), name)
        self._say = say

    @property
    def home(self) -> Path:
        """The lab's directory. What others put there is removed with the lab."""
        return self.paths.home

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F``, to be run inside the controller's namespace (``enter_argv``)."""
        return self.paths.ssh_config

    def up(self, hosts: Sequence[HostSpec] = DEFAULT_HOSTS) -> LabStatus:
        """Make the hosts that are missing, boot those that do not run, wait until all answer.

        Hosts that the lab has from before and that are not named here stay as they are.
        """
        ensure_tools(self._say)
        with self._alone():
            record.add(self.paths, hosts)
            self._lay_out()
            for spec in hosts:
                if not self._cage(spec.name).members():
                    self._boot(spec)
            for spec in hosts:
                self.wait_ssh(spec.name)
        return self.status()

    def down(self) -> None:
        """Remove everything that this lab ever made on this machine, whatever state it is in."""
        with self._alone():
            for cage in cages(self.name):
                self._say(f"{cage.host}: off")
                cage.kill()
                cage.remove()
            ssh.forget_connection(self.paths)
            network.lower_network(self.name, self._say)
            disk.unmount_below(self.home)
            host.forget_containers(self.name)
            if self.home.exists():
                shutil.rmtree(self.home)
            self.paths.lock.unlink(missing_ok=True)

    def status(self) -> LabStatus:
        """What there is, without waiting for anybody."""
        return LabStatus(
            self.name, tuple(self._status_of(spec) for spec in record.hosts(self.paths))
        )

    def boot(self, name: str) -> None:
        """Switch a host on, unless it is; ``wait_ssh`` tells when it answers."""
        spec = self._spec(name)
        with self._alone():
            if not self._cage(name).members():
                self._lay_out()
                self._boot(spec)

    def stop(self, name: str) -> None:
        """Power a host off in order and wait until it is off."""
        spec = self._spec(name)
        with self._alone():
            ssh.forget_connection(self.paths, str(spec.address))
            host.stop(self._cage(name))

    def crash(self, name: str) -> None:
        """Pull the plug: every process of the host is killed at once, and nothing is told.

        What programs wrote is in this machine's memory and survives, synced or not: the loss of
        unsynced writes in a real power cut is not shown.
        """
        spec = self._spec(name)
        with self._alone():
            self._pull_plug(spec)

    def freeze(self, name: str) -> None:
        """Make what a stopped host is now the golden state, to which ``reset`` goes back."""
        spec = self._spec(name)
        with self._alone():
            self._must_be_off(name)
            self._lay_out()
            golden.freeze_disks(self.paths, spec)
            golden.freeze(self.paths, name)
            self._lay_out()

    def reset(self, name: str) -> None:
        """Put a host back to its golden state, plug pulled if it runs; ``boot`` starts it again."""
        spec = self._spec(name)
        with self._alone():
            self._pull_plug(spec)
            self._lay_out()
            golden.reset_disks(self.paths, spec)
            golden.reset(self.paths, name)
            self._lay_out()

    def wait_ssh(self, name: str, *, timeout: float = BOOTING) -> None:
        """Wait until a host lets us log in, for at most ``timeout`` seconds."""
        cage, log = self._cage(name), self.paths.log(name)

        def is_settled() -> bool:
            return not cage.members() or attempt([*self.ssh_argv(name), "true"], timeout=20.0).is_ok

        if not until(is_settled, timeout=timeout):
            raise LabError(f"{name} lets nobody in after {timeout:.0f} s", hint=f"read {log}")
        if not cage.members():
            raise LabError(f"{name} is off; it said: {host.last_words(log)}", hint=f"read {log}")

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Ran:
        """Run a command on a host as root, over ssh.

        With ``check``, one that does not end with 0 is an error; ssh's own failures end with 255.
        """
        argv = [*self.ssh_argv(name), shlex.join(argv)]
        done = attempt(argv, stdin=stdin, timeout=timeout)
        return must(done) if check else done

    def guest(self, name: str) -> Run:
        """The host as the lab's content sees it: commands, run there as root."""

        def on_host(argv: Sequence[str], *, input: bytes | None = None) -> bytes:  # noqa: A002 - as subprocess
            return self.run(name, argv, stdin=input).output

        return on_host

    def exec(
        self,
        argv: Sequence[str],
        *,
        at: str | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Ran:
        """Run a command of this machine inside the controller's network, or in that of ``at``."""
        done = attempt([*self.enter_argv(at), *argv], stdin=stdin, timeout=timeout)
        return must(done) if check else done

    def enter_argv(self, at: str | None = None) -> list[str]:
        """What to put before a command of this machine to run it in a network of the lab.

        ``at`` is a host, ``mod`` for the modalities, or nothing for the controller. A host's
        network is made anew at every boot, and what was in the old one is then cut off.
        """
        if at not in (None, CONTROLLER_NAME, MODALITY_NAME):
            self._spec(str(at))
        return network.enter_argv(self.name, at or CONTROLLER_NAME)

    def ssh_argv(self, name: str) -> list[str]:
        """The ``ssh`` to a host, from anywhere on this machine; the command goes after it."""
        self._spec(name)
        return [*self.enter_argv(), "ssh", "-F", str(self.ssh_config), name]

    def log(self, name: str) -> Path:
        """What a host printed on its console, over all boots."""
        return self.paths.log(name)

    def _alone(self) -> AbstractContextManager[None]:
        return locked(self.paths.lock, f"the lab {self.name}", say=self._say)

    def _lay_out(self) -> None:
        """All that has to be there before a host boots; quick when it is."""
        specs = record.hosts(self.paths)
        disk.share(self.home)
        ssh.make_keys(self.paths, specs)
        network.raise_network(self.name)
        disk.make_disk(self.paths.roots_image, mib=_ROOTS_MIB)
        disk.mount_disk(self.paths.roots_image, self.paths.roots)
        base = self._base()
        for spec in specs:
            if not self._cage(spec.name).members():
                host.make_host(self.paths, spec, base=base)
                host.write_boot_script(self.paths, spec)

    def _base(self) -> Path:
        """The base image, unpacked once a lab. A lab keeps the one that it began with."""
        base = self.paths.roots / "base"
        if not disk.is_subvolume(base):
            archive = image.base_image(self.cache, self._say)
            self._say("unpacking the base image")
            fresh = disk.fresh_path(base)
            disk.delete(fresh)
            disk.create(fresh)
            image.unpack_image(archive, fresh)
            fresh.rename(base)
        return base

    def _boot(self, spec: HostSpec) -> None:
        self._say(f"{spec.name}: booting")
        ssh.forget_connection(self.paths, str(spec.address))
        self._cage(spec.name).launch(self.paths.boot_script(spec.name), self.paths.log(spec.name))

    def _pull_plug(self, spec: HostSpec) -> None:
        self._cage(spec.name).kill()
        self._cage(spec.name).remove()
        ssh.forget_connection(self.paths, str(spec.address))

    def _cage(self, name: str) -> Cage:
        return Cage(self.name, name)

    def _status_of(self, spec: HostSpec) -> HostStatus:
        state = HostState.RUNNING if self._cage(spec.name).members() else HostState.STOPPED
        return HostStatus(spec, state, is_frozen=golden.is_frozen(self.paths, spec.name))

    def _must_be_off(self, name: str) -> None:
        self._spec(name)
        if self._cage(name).members():
            raise LabError(f"{name} is running", hint=f"stop it first: Lab.stop({name!r})")

    def _spec(self, name: str) -> HostSpec:
        for spec in record.hosts(self.paths):
            if spec.name == name:
                return spec
        there = ", ".join(spec.name for spec in record.hosts(self.paths)) or "none"
        raise LabError(
            f"the lab {self.name} has no host {name} (it has: {there})", hint="wardship lab up"
        )
