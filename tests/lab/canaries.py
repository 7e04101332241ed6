"""Secrets that must be nowhere but where they belong, and the search for them.

Every secret of a fleet is a canary, as it is, in base64 at each of its three places, and as a web
login. Arguments are read from ``/proc`` while things run, hosts of the lab included; and what was
ever written to a disk is found on the disk, also when the file was removed since.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import yaml

from orchestrator.lab.run import run

#: Looks at every process's arguments over and over until it is told to end; says which had one.
_WATCH = """
import json, os, signal, sys
canaries = [each.encode() for each in json.load(sys.stdin)]
is_over = []
signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
print("watching", flush=True)
looks, seen, leaks = 0, set(), set()
while not is_over:
    looks += 1
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue
        seen.add(words)
        if any(canary in words for canary in canaries):
            leaks.add(words)
print(json.dumps([looks, *([w.decode(errors="replace") for w in s] for s in (seen, leaks))]))
"""
_MIB = 1024 * 1024


class Canaries:
    """The secrets of a fleet in every form that is looked for."""

    def __init__(self, secrets: Iterable[str], *, users: Sequence[str] = ()) -> None:
        self.secrets = sorted(set(secrets))
        forms = [form for secret in self.secrets for form in _forms(secret)]
        for user in users:
            forms += [_base64(f"{user}:{secret}") for secret in self.secrets]
        self.forms = sorted(set(forms))

    def in_text(self, text: str) -> list[str]:
        """The secrets in a text; never the text."""
        return [form[:3] + "..." for form in self.forms if form in text]

    def in_files(self, *tops: Path, but: Sequence[Path] = ()) -> list[Path]:
        """The files at and below ``tops`` with a secret in them, those in ``but`` left out.

        Devices, sockets and pipes are no files; other file systems are not entered.
        """
        listed: list[str] = []
        for top in tops:
            prune = [word for path in but for word in ("-path", str(path), "-prune", "-o")]
            find = ["find", str(top), "-xdev", *prune, "-type", "f", "-print0"]
            listed += run(find).stdout.split("\0")[:-1]
        return self.in_listed(listed)

    def in_listed(self, files: Sequence[str]) -> list[Path]:
        """Those of ``files`` with a secret in them; one that went meanwhile has none.

        grep takes the secrets from its standard input: here too they are in no argument.
        """
        found: list[Path] = []
        for start in range(0, len(files), 500):
            some = files[start : start + 500]
            done = subprocess.run(
                ["grep", "--files-with-matches", "--text", "--fixed-strings", "--null", "-f", "-",
                 "--", *some],
                input="\n".join(self.forms), capture_output=True, text=True, check=False,
            )  # fmt: skip
            is_one_gone = not all(os.path.lexists(each) for each in some)
            assert done.returncode in (0, 1) or is_one_gone, done.stderr
            found += [Path(name) for name in done.stdout.split("\0")[:-1]]
        return found


def of_fleet(fleet: Path, *, users: Sequence[str]) -> Canaries:
    """Every value in a fleet's vault, the vault's own password, and the key that opens hosts."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    password = (fleet / "vault-password").read_text().strip()
    vault = VaultLib([("default", VaultSecret(password.encode()))])
    values = yaml.safe_load(vault.decrypt((fleet / "vault.yml").read_bytes())).values()
    return Canaries([*values, password, (fleet / "id_ed25519").read_text()], users=users)


@contextmanager
def watched(canaries: Canaries) -> Iterator[list[str]]:
    """The arguments of all that runs meanwhile; those with a secret are in the list at the end.

    A look takes about ten milliseconds. The list also holds ``saw nothing`` when the watch did not
    see so much as itself.
    """
    leaks: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdin is not None
        assert watch.stdout is not None
        watch.stdin.write(json.dumps(canaries.forms))
        watch.stdin.close()
        assert watch.stdout.readline() == "watching\n"
        try:
            yield leaks
        finally:
            watch.terminate()
            looks, seen, found = json.loads(watch.stdout.read())
    leaks += found
    for program in ("ansible-playbook", "ssh", "wardship-host"):
        if not any(program in words for words in seen):
            leaks.append(f"{program} was never seen in {looks} looks: the watch is worth nothing")


@contextmanager
def everything_written(image: Path, at: Path, *, mib: int = 1024) -> Iterator[Path]:
    """A disk at ``at`` that keeps what was ever written to it; gives the image to be searched.

    It is written at once, so that a file that lives for a moment is on it too, and never trimmed.
    What is there is the loop device's own cache: the image can be searched while it is mounted.
    """
    with image.open("wb") as empty:
        empty.truncate(mib * _MIB)
    run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-O", "^inline_data", str(image)])
    at.mkdir(mode=0o700, parents=True, exist_ok=True)
    run(["mount", "-o", "loop,sync,noatime,nodiscard", str(image), str(at)])
    try:
        yield image
    finally:
        # A shared connection of ssh has its socket here, and stays for a moment.
        run(["umount", "--lazy", str(at)])


def _forms(secret: str) -> Iterator[str]:
    """A key goes by its last whole line: its first is the same in every key of its kind."""
    lines = [line for line in secret.splitlines() if not line.startswith("-----")]
    line = lines[-2] if len(lines) > 1 else lines[0]
    yield line
    yield quote(line, safe="")
    for before in range(3):
        encoded = _base64("x" * before + line)
        yield encoded[(0, 2, 3)[before] : len(encoded) - 4]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
