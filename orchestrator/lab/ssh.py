"""How the controller reaches the hosts: keys that the lab makes, and one ``ssh`` configuration."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.lab.model import HostSpec
from orchestrator.lab.paths import LabPaths
from orchestrator.lab.run import attempt, run

_KEYGEN = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "wardship-lab")
_CONFIG = """\
Host {names}
  User root
  IdentityFile {paths.ssh_key}
  IdentitiesOnly yes
  UserKnownHostsFile {paths.known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  PasswordAuthentication no
  BatchMode yes
  ConnectTimeout 5
  ServerAliveInterval 5
  ServerAliveCountMax 3
  ControlMaster auto
  ControlPath {paths.ssh}/cm-%h
  ControlPersist 60
  LogLevel ERROR
"""


def make_keys(paths: LabPaths, hosts: Sequence[HostSpec]) -> None:
    """Make the keys that are missing, and write which key is whose."""
    paths.ssh.mkdir(parents=True, exist_ok=True)
    paths.ssh.chmod(0o700)
    for key in (paths.ssh_key, *(paths.host_key(host.name) for host in hosts)):
        public = key.with_suffix(".pub")
        if not public.exists():
            # The public half is written last: without it, the pair is not finished.
            key.unlink(missing_ok=True)
            run([*_KEYGEN, "-f", str(key)])
    known = [f"{host.name},{host.address} {_public(paths, host)}\n" for host in hosts]
    paths.known_hosts.write_text("".join(known))
    paths.ssh_config.write_text(config(paths, hosts))


def config(paths: LabPaths, hosts: Sequence[HostSpec]) -> str:
    """The configuration: the hosts by name, and the same hosts by address."""
    names = [f"Host {host.name}\n  HostName {host.address}\n" for host in hosts]
    everyone = " ".join([host.name for host in hosts] + [str(host.address) for host in hosts])
    return "\n".join([*names, _CONFIG.format(names=everyone, paths=paths)])


def forget_connection(paths: LabPaths, address: str = "*") -> None:
    """End the shared connection to a host, or to all: one to a host that is gone would hang."""
    for socket in paths.ssh.glob(f"cm-{address}"):
        attempt(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "lab"])
        socket.unlink(missing_ok=True)


def _public(paths: LabPaths, host: HostSpec) -> str:
    kind, key, *_ = paths.host_key(host.name).with_suffix(".pub").read_text().split()
    return f"{kind} {key}"
