"""What a lab is made of and what it says about itself. Refuses names that could be mistaken.

A lab's name goes into namespaces, control groups and paths beside those of other labs, so it has no
hyphen: ``ws-one-two`` then means one lab only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from orchestrator.errors import LabError

#: The lab's network. Nothing routes out of it, so every lab has the same one.
NETWORK = IPv4Network("10.77.0.0/24")
CONTROLLER = IPv4Address("10.77.0.1")
MODALITY = IPv4Address("10.77.0.9")
#: The network namespaces that belong to no host: the controller's and the modalities'.
CONTROLLER_NAME = "ctl"
MODALITY_NAME = "mod"

_LAB_NAME = re.compile(r"[a-z][a-z0-9]{0,19}")
_HOST_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")


class Login(StrEnum):
    """How a host treats those who log in."""

    #: No PAM, no logind: boots and answers faster.
    PLAIN = "plain"
    #: PAM and logind, as installed hospitals have them.
    SESSIONS = "sessions"


class Filesystem(StrEnum):
    """What a further disk of a host is made as. xfs shares blocks between files, ext4 does not."""

    EXT4 = "ext4"
    XFS = "xfs"


@dataclass(frozen=True)
class Disk:
    """A further disk of a host, and where the host sees it. The file behind it is sparse."""

    name: str
    filesystem: Filesystem
    at: str
    mib: int = 1024


@dataclass(frozen=True)
class HostSpec:
    """One host of a lab: its name, its address on the lab's network, and the size of its /data."""

    name: str
    address: IPv4Address
    login: Login = Login.PLAIN
    #: The size of the file system at /data, in MiB. The file behind it is sparse.
    data_mib: int = 3072
    disks: tuple[Disk, ...] = ()

    def __post_init__(self) -> None:
        if not _HOST_NAME.fullmatch(self.name) or self.name in (CONTROLLER_NAME, MODALITY_NAME):
            raise LabError(
                f"{self.name!r} is no name for a lab host",
                hint="use small letters, digits and hyphens, such as pacs-a",
            )
        if self.address not in NETWORK or self.address in (CONTROLLER, MODALITY):
            raise LabError(
                f"{self.name}: {self.address} is no address for a lab host",
                hint=f"use one of {NETWORK} other than {CONTROLLER} and {MODALITY}",
            )
        if self.data_mib < 256:
            raise LabError(
                f"{self.name}: {self.data_mib} MiB are too few for a btrfs file system",
                hint="give it 256 MiB or more",
            )


#: The two hospitals of the demonstration.
DEFAULT_HOSTS = (
    HostSpec("pacs-a", IPv4Address("10.77.0.11"), Login.PLAIN),
    HostSpec("pacs-b", IPv4Address("10.77.0.12"), Login.SESSIONS),
)


#: A hospital whose file systems cannot snapshot: its index on one disk, its images on another.
PLAIN_HOST = HostSpec(
    "pacs-c",
    IPv4Address("10.77.0.13"),
    Login.SESSIONS,
    disks=(
        Disk("index", Filesystem.EXT4, "/index"),
        Disk("images", Filesystem.EXT4, "/images"),
        Disk("fast", Filesystem.XFS, "/fast"),
    ),
)


#: The RIS of the first hospital.
RIS_HOST = HostSpec("ris-a", IPv4Address("10.77.0.21"), Login.SESSIONS)
#: A RIS whose PostgreSQL serves a laboratory too, on plain directories.
SHARED_RIS_HOST = HostSpec("ris-b", IPv4Address("10.77.0.22"), Login.SESSIONS)


class HostState(StrEnum):
    """Whether a host runs. Of a host that runs, ``wait_ssh`` tells whether it answers."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True)
class HostStatus:
    """A host as it is now."""

    spec: HostSpec
    state: HostState
    #: Whether there is a golden state that ``reset`` can go back to.
    is_frozen: bool


@dataclass(frozen=True)
class LabStatus:
    """A lab as it is now. No hosts: there is no such lab, or it was never brought up."""

    name: str
    hosts: tuple[HostStatus, ...]

    @property
    def is_running(self) -> bool:
        """Whether the lab has hosts and all of them run."""
        return bool(self.hosts) and all(host.state is HostState.RUNNING for host in self.hosts)


def check_lab_name(name: str) -> str:
    """The name, if a lab may have it.

    Raises:
        LabError: it may not.
    """
    if not _LAB_NAME.fullmatch(name):
        raise LabError(
            f"{name!r} is no name for a lab",
            hint="use up to 20 small letters and digits, beginning with a letter, such as dev",
        )
    return name
