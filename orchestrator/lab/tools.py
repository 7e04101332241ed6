"""The programs of this machine that a lab is built with, installed when they are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab.run import attempt

#: DCMTK's own, by path: pynetdicom brings programs of the same names, which speak otherwise.
STORESCU, STORESCP = "/usr/bin/storescu", "/usr/bin/storescp"
#: Program → the Debian package that brings it.
TOOLS = {
    STORESCP: "dcmtk",
    STORESCU: "dcmtk",
    "btrfs": "btrfs-progs",
    "debootstrap": "debootstrap",
    "gpgv": "gpgv",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "nft": "nftables",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "zstd": "zstd",
}
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def missing_packages(has: Callable[[str], bool], tools: Mapping[str, str] = TOOLS) -> list[str]:
    """The packages to install, given a function that says whether a program is there."""
    return sorted({package for program, package in tools.items() if not has(program)})


def ensure_tools(say: Callable[[str], None]) -> None:
    """Install what is missing of ``TOOLS``.

    Raises:
        LabError: not root, no btrfs in the kernel, or the packages cannot be had.
    """
    if os.geteuid() != 0:
        raise LabError(
            "the lab makes namespaces and mounts, which needs root", hint="run it with sudo"
        )
    keyring = {} if Path(_KEYRING).exists() else {_KEYRING: "debian-archive-keyring"}
    ensure({**TOOLS, **keyring}, say)
    _need_btrfs()


def ensure(tools: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Install the packages of those programs that are missing.

    Raises:
        LabError: they cannot be had.
    """
    packages = missing_packages(_is_there, tools)
    if packages:
        say(f"installing {', '.join(packages)}")
        _install(packages)


def _install(packages: list[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]
    if not shutil.which("apt-get"):
        raise LabError(
            f"not on this machine: {', '.join(packages)}; and there is no apt-get to install them",
            hint="run the lab on Debian 12 or later",
        )
    if attempt(install, env=quiet).is_ok:
        return
    # Indexes that are missing or old are the usual cause: fetch them and try once more.
    attempt(["apt-get", "-q", "update"], env=quiet)
    done = attempt(install, env=quiet)
    if not done.is_ok:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise LabError(
            f"could not install {', '.join(packages)}: {' '.join(last)}",
            hint="install them by hand, then try again",
        )


def _need_btrfs() -> None:
    with open("/proc/filesystems") as known:  # noqa: PTH123 (no real file)
        if "\tbtrfs\n" in known.read():
            return
    if not attempt(["modprobe", "btrfs"]).is_ok:
        raise LabError(
            "this machine's kernel has no btrfs",
            hint="use a Debian kernel; a container has its host's",
        )


def _is_there(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SBIN}") is not None
