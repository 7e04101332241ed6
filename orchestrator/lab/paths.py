"""Where a lab keeps its things. One directory holds all of it; removing the lab removes that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LabPaths:
    """The files of the lab ``name`` below ``state``, the directory of all labs."""

    state: Path
    name: str

    @property
    def home(self) -> Path:
        """The lab's own directory."""
        return self.state / self.name

    @property
    def lock(self) -> Path:
        """Outside the lab's directory, which comes and goes."""
        return self.state / f".{self.name}.lock"

    @property
    def record(self) -> Path:
        """Which hosts the lab has."""
        return self.home / "lab.json"

    @property
    def roots_image(self) -> Path:
        """The sparse file behind the roots of all hosts."""
        return self.home / "roots.img"

    @property
    def roots(self) -> Path:
        """Where the hosts' roots are mounted: a subvolume a host, and ``base``."""
        return self.home / "roots"

    def root(self, host: str) -> Path:
        """The root directory of a host."""
        return self.roots / host

    def data_image(self, host: str) -> Path:
        """The sparse file behind a host's /data."""
        return self.home / "data" / f"{host}.img"

    def data_disk(self, host: str) -> Path:
        """Where that file is mounted, golden copies and all."""
        return self.home / "data" / host

    def data(self, host: str) -> Path:
        """The subvolume on it that the host sees as /data."""
        return self.data_disk(host) / "host"

    def disk_image(self, host: str, disk: str) -> Path:
        """The sparse file behind a further disk of a host."""
        return self.home / "disks" / f"{host}-{disk}.img"

    def disk(self, host: str, disk: str) -> Path:
        """Where that file is mounted."""
        return self.home / "disks" / f"{host}-{disk}"

    def golden(self, host: str) -> Path:
        """What the host's golden state consists of; there is none without this file."""
        return self.home / "hosts" / f"{host}.golden.json"

    def boot_script(self, host: str) -> Path:
        """What runs the host, over and over while it reboots."""
        return self.home / "hosts" / f"{host}.sh"

    def log(self, host: str) -> Path:
        """What the host printed on its console."""
        return self.home / "hosts" / f"{host}.log"

    @property
    def ssh(self) -> Path:
        """The directory of keys and of shared connections."""
        return self.home / "ssh"

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F``, inside the controller's namespace."""
        return self.ssh / "config"

    @property
    def ssh_key(self) -> Path:
        """The controller's private key, which every host lets in as root."""
        return self.ssh / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys: the lab made them, so nothing is taken on trust."""
        return self.ssh / "known_hosts"

    def host_key(self, host: str) -> Path:
        """A host's private key; it stays the same over every reset."""
        return self.ssh / f"{host}_host_ed25519_key"
