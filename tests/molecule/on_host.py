"""Runs on a lab host: everything that a restore must bring back, one name and one text each.

Files of the whole host by kind, mode, owner, size, content and attributes; databases row by row of
content; units, firewall, listening ports. Standard library only; prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: Not on any disk.
UNREAL = ("/proc", "/sys", "/dev", "/run", "/tmp")  # noqa: S108 - a path that is left out
#: PostgreSQL writes its files as it likes: what they hold is asked from PostgreSQL itself.
CLUSTER = "/data/live/postgresql"
#: As ``pg_dumpall`` tells rows. Its mark is another at every dump (CVE-2025-8714).
TABLE = re.compile(r"^COPY (\S+) \(.*\) FROM stdin;$")
MARK = re.compile(r"^\\(un)?restrict ")


def files(top: str = "/") -> Iterator[tuple[str, str]]:
    """Every file, directory and link below ``top``."""
    for directory, below, names in os.walk(top, onerror=fail):
        here = Path(directory)
        left_out = [name for name in below if str(here / name) in (*UNREAL, CLUSTER)]
        below[:] = [name for name in below if name not in left_out]
        for name in [*below, *left_out, *names]:
            yield f"file {here / name}", described(here / name)


def fail(error: OSError) -> None:
    """A directory that is there and cannot be listed was not looked at."""
    if not isinstance(error, FileNotFoundError):
        raise error


def described(path: Path) -> str:
    """A file in words that differ when anything of it does but its times."""
    try:
        found = path.lstat()
        words = [stat.filemode(found.st_mode), f"{found.st_uid}:{found.st_gid}"]
        names = sorted(os.listxattr(path, follow_symlinks=False))
        words += [f"{n}={os.getxattr(path, n, follow_symlinks=False).hex()}" for n in names]
        if stat.S_ISLNK(found.st_mode):
            words.append(f"→ {path.readlink()}")
        elif stat.S_ISREG(found.st_mode):
            words += [f"{found.st_size} bytes", digest(path)]
    except FileNotFoundError:
        return "gone while it was looked at"
    return " ".join(words)


def digest(path: Path) -> str:
    """The first half of the content's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def databases() -> Iterator[tuple[str, str]]:
    """Roles, schemas and every row, of all databases. Rows that are the same are counted."""
    database, table, place = "", "", 0
    for line in output("runuser", "-u", "postgres", "--", "pg_dumpall").splitlines():
        if line.startswith("\\connect "):
            database, place = line.removeprefix("\\connect "), 0
        elif found := TABLE.match(line):
            table, place = found[1], 0
        elif line == "\\.":
            table, place = "", 0
        elif table:
            place += 1
            yield f"row {database} {table} {place}", line
        elif line and not line.startswith("--") and not MARK.match(line):
            place += 1
            yield f"schema {database} {place}", line


def output(*argv: str) -> str:
    """What a program says."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, cwd="/").stdout


def lines(what: str, *argv: str) -> Iterator[tuple[str, str]]:
    """A program's list: the first word names, the others tell."""
    for line in sorted(output(*argv).splitlines()):
        name, *words = line.split()
        yield f"{what} {name}", " ".join(words)


def state() -> dict[str, str]:
    """All of it."""
    listed = ("--no-legend", "--plain", "--no-pager", "--full", "--all")
    kinds = "--type=service,socket,timer,target,mount"
    ports = output("ss", "-Hltun").splitlines()
    return {
        **dict(files()),
        **dict(databases()),
        **dict(lines("unit file", "systemctl", "list-unit-files", *listed)),
        **{
            name: " ".join(text.split()[:3])
            for name, text in lines("unit", "systemctl", "list-units", kinds, *listed)
        },
        **{f"port {' '.join(one.split()[::4])}": "listens" for one in ports},
        "firewall": output("nft", "list", "ruleset"),
    }


if __name__ == "__main__":
    print(json.dumps(state()))  # noqa: T201 - its answer
