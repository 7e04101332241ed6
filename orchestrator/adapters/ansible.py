"""Runs one verb of the playbooks on named hosts and gives back what became of each of them.

Decides when a run counts: every host that was asked for must be in Ansible's own statistics, with
nothing failed, unreachable, ignored or rescued; anything else is an outcome that names the task and
its reason. ansible-runner itself calls a play that matched no host a success, and a directory that
is used twice stays in check mode, so each run has a fresh directory and looks at its own command.
Refuses to give tracebacks, and keeps no event: what is read from them is only ``wardship`` (what a
module of ours found), the differences of a check, and the message of a failure.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import ansible_runner
from pydantic import Field, JsonValue

from orchestrator.adapters import leash
from orchestrator.adapters.ansible_events import Collected, collect, stray_output
from orchestrator.adapters.reach import why_unreachable
from orchestrator.errors import WardshipError
from orchestrator.fleet.model import Model
from orchestrator.playbooks.module_utils import wardship_masks

Verb = Literal["survey", "stage", "precheck", "cleanup", "census"]
Status = Literal["done", "refused", "failed", "unreachable", "missing"]

#: What our modules tell in words, wherever it stands in their findings.
_IN_WORDS = frozenset({"problems", "differences", "refusals"})
_RUN_DIRECTORY = re.compile(r"^ansible-(\d+)-")


class Difference(Model):
    """What a check run would change in one file, unified; secrets are masked by the module."""

    path: str
    text: str


class HostOutcome(Model):
    """What a verb did on one host.

    ``missing``: Ansible never got to this host. ``data`` joins what our modules returned under
    ``wardship``; ``refusals`` are a precheck's reasons, all of them.
    """

    host: str
    status: Status
    changed: bool = False
    task: str = ""
    because: str = ""
    data: dict[str, JsonValue] = Field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def is_done(self) -> bool:
        """The verb went through and nothing was refused."""
        return self.status == "done"


class AnsibleRunner:
    """Runs verbs. ``runtime`` is where the run directories are made, and is made with mode 0700."""

    def __init__(
        self,
        *,
        playbooks: Path,
        roles: Path,
        runtime: Path,
        ssh_config: Path,
        vault_password_file: Path | None = None,
        forks: int = 10,
        hide: Sequence[str] = (),
    ) -> None:
        """``hide``: values that must not be in an outcome; a short one hides more than is meant."""
        self._playbooks = playbooks
        self._roles = roles
        self._runtime = runtime
        self._ssh_config = ssh_config
        self._vault_password_file = vault_password_file
        self._forks = forks
        self._hide = tuple(value for value in hide if value)

    def run(
        self,
        verb: Verb,
        *,
        inventory: Path,
        hosts: Sequence[str],
        extra_vars: Mapping[str, JsonValue],
        check: bool = False,
        timeout: int = 1800,
        hide: Sequence[str] = (),
    ) -> dict[str, HostOutcome]:
        """Run one verb on ``hosts``; ``timeout`` in seconds. Every host asked for has an outcome.

        ``hide``: further values that must not be in what is told of this run.

        Raises:
            WardshipError: the playbook or Ansible itself is not there.
        """
        if not hosts:
            return {}
        playbook = self._playbooks / f"{verb}.yml"
        if not playbook.is_file():
            raise WardshipError(
                f"there is no playbook for the verb {verb}: {playbook}",
                hint="the installation is incomplete: install wardship again",
            )
        collected = Collected()
        with self._directory() as private:
            run = self._prepared(
                private, playbook, inventory=inventory, hosts=hosts, extra_vars=extra_vars,
                check=check, timeout=timeout, collected=collected,
            )  # fmt: skip
            run.run()
            tail = stray_output(private)
        if run.rc == leash.TIME_IS_UP:
            collected.stopped = f"the run took longer than {timeout} s and was stopped"
        collected.because = collected.because or tail
        hidden = (*self._hide, *filter(None, hide))
        return {host: _outcome(host, collected, check=check, hide=hidden) for host in hosts}

    def _prepared(
        self,
        private: Path,
        playbook: Path,
        *,
        inventory: Path,
        hosts: Sequence[str],
        extra_vars: Mapping[str, JsonValue],
        check: bool,
        timeout: int,
        collected: Collected,
    ) -> Any:
        variables = private / "extra.json"
        variables.write_text(json.dumps({**extra_vars, **self._connection()}))
        arguments = ["--extra-vars", f"@{variables}"]
        if self._vault_password_file is not None:
            arguments += ["--vault-password-file", str(self._vault_password_file)]
        if check:
            arguments += ["--check", "--diff"]
        environment = self._environment(private)
        run = ansible_runner.interface.init_runner(
            private_data_dir=str(private),
            project_dir=str(self._playbooks),
            playbook=str(playbook),
            inventory=str(inventory.absolute()),
            limit=",".join(hosts),
            cmdline=shlex.join(arguments),
            envvars=environment,
            suppress_env_files=True,
            quiet=True,
            # Given on purpose: without one, ansible-runner takes over SIGTERM and SIGINT.
            cancel_callback=lambda: False,
            event_handler=lambda event: collect(event, collected),
        )
        if ("--check" in run.config.command) is not check:
            raise RuntimeError(f"check mode was meant to be {check}: {run.config.command}")
        run.config.command = [*_leashed(timeout), *run.config.command]
        for name in [name for name in run.config.env if name.startswith("ANSIBLE_")]:
            if name in os.environ and name not in environment:
                del run.config.env[name]
        return run

    def _connection(self) -> dict[str, str]:
        """Hosts go by their alias in ``ssh_config``, so that the connection is really shared."""
        return {
            "wardship_roles": str(self._roles.absolute()),
            "ansible_host": "{{ inventory_hostname }}",
            "ansible_ssh_common_args": "",
        }

    def _environment(self, private: Path) -> dict[str, str]:
        (private / "ansible.cfg").write_text("")
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "ANSIBLE_CONFIG": str(private / "ansible.cfg"),
            "ANSIBLE_HOME": str(private / "home"),
            "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
            "ANSIBLE_ROLES_PATH": str(self._roles.absolute()),
            "ANSIBLE_LIBRARY": str(self._playbooks.absolute() / "library"),
            "ANSIBLE_MODULE_UTILS": str(self._playbooks.absolute() / "module_utils"),
            "ANSIBLE_COLLECTIONS_PATH": str(private / "none"),
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "ANSIBLE_SSH_ARGS": f"-F {shlex.quote(str(self._ssh_config.absolute()))}",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_GATHERING": "explicit",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
            "ANSIBLE_FORKS": str(self._forks),
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_NOCOLOR": "1",
        }

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        """A run's own directory; those that killed controllers left behind are removed first."""
        self._runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._runtime.iterdir():
            pid = _RUN_DIRECTORY.match(left.name)
            if pid and not Path("/proc", pid[1]).exists():
                shutil.rmtree(left, ignore_errors=True)
        private = Path(tempfile.mkdtemp(prefix=f"ansible-{os.getpid()}-", dir=self._runtime))
        try:
            yield private.absolute()
        finally:
            shutil.rmtree(private, ignore_errors=True)


def _outcome(host: str, collected: Collected, *, check: bool, hide: Sequence[str]) -> HostOutcome:
    seen = collected.hosts.get(host)
    counts = collected.stats.get(host)
    data = _scrubbed_data(dict(seen.data) if seen else {}, hide)
    refusals = tuple(_scrubbed(str(each), hide) for each in data.pop("refusals", None) or ())
    status: Status = "done"
    task = because = ""
    if seen and seen.unreachable:
        status, task = "unreachable", seen.task
        because = why_unreachable(host, seen.unreachable)
    elif seen and seen.failure:
        status, task, because = "failed", seen.task, seen.failure
    elif collected.stopped:
        status, because = "failed", collected.stopped
    elif counts is None:
        status, because = "missing", collected.because or "Ansible did not get to this host"
    elif wrong := counts.wrong():
        status, because = "failed", f"{wrong}, which counts as a failure"
    elif refusals:
        status, because = "refused", "; ".join(refusals)
    return HostOutcome(
        host=host,
        status=status,
        changed=bool(counts and counts.changed),
        task=task,
        because=_scrubbed(because, hide),
        data=data,
        refusals=refusals,
        differences=tuple(
            Difference(path=path, text=_scrubbed(_masked(text), hide))
            for path, text in (seen.differences if seen and check else ())
        ),
    )


def _masked(text: str) -> str:
    """Any module's difference: what it did not mask itself is looked at again."""
    # A module's own file, which Ansible carries to hosts: it has no types.
    return str(wardship_masks.scrubbed(text))  # type: ignore[no-untyped-call]


def _scrubbed(text: str, hide: Sequence[str]) -> str:
    for value in hide:
        text = text.replace(value, "********")
    return text


def _scrubbed_data(data: dict[str, Any], hide: Sequence[str]) -> dict[str, Any]:
    """Problems and differences are told in words; names and numbers stay as they were found."""
    told = {
        name: [_scrubbed(str(each), hide) for each in value]
        for name, value in data.items()
        if name in _IN_WORDS and isinstance(value, list)
    }
    below = {
        name: _scrubbed_data(value, hide) for name, value in data.items() if isinstance(value, dict)
    }
    return {**data, **below, **told}


def _leashed(seconds: int) -> list[str]:
    """A killed controller leaves neither ansible-playbook behind nor any of its workers."""
    holder = [sys.executable, "-I", leash.__file__, str(os.getpid()), str(seconds)]
    return [*holder, "setpriv", "--pdeathsig", "KILL"]
