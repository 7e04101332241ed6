"""Debian packages of any suite, fetched and unpacked without installing them.

Each suite has an apt root of its own, verified with Debian's archive keys. The mirror and its proxy
are those that this machine's apt is set up for. Refuses anything unsigned.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LabError

#: Debian's public default, for a machine whose apt names no Debian mirror.
DEFAULT_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_KEYRING_PACKAGE = "debian-archive-keyring"
#: An older suite's newest keyring package knows the keys of the suites after it.
_KEYRING_FROM = ("bookworm", "trixie")
#: Links into /usr on a merged system, made first so that old and new packages agree.
_MERGED = ("bin", "lib", "lib64", "sbin")
_INSTALL = re.compile(r"^Inst (?P<name>\S+) (?:\[\S+\] )?\((?P<version>\S+) ", re.MULTILINE)


class UnknownKeyError(LabError):
    """A suite is signed by a key that this keyring does not hold."""


def mirror() -> str:
    """The Debian mirror of this machine's own apt, without a trailing slash."""
    asked = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
    for uri in asked.stdout.split():
        if uri.rstrip("/").endswith("/debian"):
            return uri.rstrip("/")
    return DEFAULT_MIRROR


@dataclass(frozen=True)
class Suite:
    """A private apt of one suite below ``root``; nothing of it touches this machine's packages."""

    name: str
    root: Path
    keyring: Path = _KEYRING

    def update(self) -> None:
        """Fetch the index. Without a network, the one from before is good enough.

        Raises:
            UnknownKeyError: the keyring does not hold the key that signed it.
            LabError: there is no index at all.
        """
        self._lay_out()
        done = self._apt("apt-get", "-q", "update", "--error-on=any")
        if done.returncode == 0:
            return
        if "NO_PUBKEY" in done.stderr or "not signed" in done.stderr:
            raise UnknownKeyError(
                f"{self.name}: its index is signed by a key that {self.keyring} does not hold",
                hint=f"apt-get install --only-upgrade {_KEYRING_PACKAGE}",
            )
        if not any((self.root / "state/lists").glob("*_Packages*")):
            raise LabError(
                f"{self.name}: no package index: {_last_line(done.stderr)}",
                hint="check the network, or the mirror in /etc/apt/sources.list",
            )

    def candidates(self, packages: Iterable[str]) -> dict[str, str]:
        """The version that the suite has of each package; one that it lacks is left out."""
        found: dict[str, str] = {}
        name = ""
        for line in self._apt("apt-cache", "policy", *packages).stdout.splitlines():
            if not line.startswith(" "):
                name = line.rstrip(":")
            elif line.strip().startswith("Candidate:") and "(none)" not in line:
                found[name] = line.split(":", 1)[1].strip()
        return found

    def download(self, packages: Sequence[str]) -> dict[str, Path]:
        """Fetch packages and all that they depend on: ``name=version`` → package file.

        Raises:
            LabError: apt could not resolve or fetch them.
        """
        install = ("-q", "-y", "--no-install-recommends", "install")
        done = self._apt("apt-get", "--download-only", *install, *packages)
        if done.returncode != 0:
            raise LabError(
                f"{self.name}: {', '.join(packages)}: {_last_line(done.stderr)}",
                hint="check the network and the free space, then try again",
            )
        planned = self._apt("apt-get", "--simulate", *install, *packages).stdout
        return {
            f"{name}={version}": self._archive(name, version) for name, version in installs(planned)
        }

    def _archive(self, package: str, version: str) -> Path:
        archives = self.root / "cache/archives"
        for path in archives.glob(f"{package}_{version.replace(':', '%3a')}_*.deb"):
            return path
        raise LabError(
            f"{self.name}: {package} {version} is not among the downloads",
            hint=f"remove {archives} and try again",
        )

    def _lay_out(self) -> None:
        for directory in ("state/lists/partial", "cache/archives/partial", "sources"):
            (self.root / directory).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        (self.root / "sources/debian.sources").write_text(
            f"Types: deb\nURIs: {mirror()}\nSuites: {self.name}\nComponents: main\n"
            f"Signed-By: {self.keyring}\n"
        )

    def _apt(self, program: str, *argv: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self.root / "sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            "APT::Sandbox::User": "root",
            "APT::Get::AllowUnauthenticated": "false",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        return _run([program, *options, *argv])


def open_suite(name: str, root: Path) -> Suite:
    """A suite with a fresh index, looking for its key in newer keyrings when ours is too old."""
    suite = Suite(name, root / name)
    try:
        suite.update()
    except UnknownKeyError as unknown:
        for keyring in _newer_keyrings(root):
            suite = Suite(name, root / name, keyring)
            try:
                suite.update()
            except UnknownKeyError:
                continue
            return suite
        raise unknown
    return suite


def unpack(archives: Iterable[Path], root: Path) -> None:
    """Unpack package files into one directory as an installation lays them; runs none of them."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        packed = subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
        )
        laid = subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)],
            stdin=packed.stdout,
            check=False,
        )
        if packed.wait() != 0 or laid.returncode != 0:
            raise LabError(f"{archive} does not unpack", hint="remove that file and try again")


def _newer_keyrings(root: Path) -> Iterator[Path]:
    for name in _KEYRING_FROM:
        suite = Suite(name, root / name)
        suite.update()
        into = root / f"keyring-{name}"
        archives = suite.download([_KEYRING_PACKAGE])
        if not into.exists():
            unpack(archives.values(), into)
        yield into / _KEYRING.relative_to("/")


def installs(simulated: str) -> list[tuple[str, str]]:
    """The packages, with their versions, that ``apt-get --simulate`` says it would install."""
    return sorted((found["name"], found["version"]) for found in _INSTALL.finditer(simulated))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except FileNotFoundError as missing:
        raise LabError(
            f"{argv[0]} is not on this machine",
            hint="the lab is built from Debian's packages: run it on Debian 12 or later",
        ) from missing
