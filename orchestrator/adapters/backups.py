"""Stamps of backups off the hosts: a small file that dates a backup, and says what it must be.

Decides whether the backup that a stamp names is there and can be read. The whole file is read once,
when the stamp is written; a gate looks at its size, its beginning and its end, since a backup may
be larger than what can be read again every night. Damage in between that came later is not seen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from orchestrator.errors import FleetError
from orchestrator.files import write_whole
from orchestrator.fleet.model import Fleet, Host, Model
from orchestrator.plan.gates import Backup

#: How much is read at either end, in bytes.
END = 1 << 20


class Stamp(Model):
    """What a stamp file says. ``file`` is relative to the stamp's directory. ``size`` in bytes."""

    facility: str
    host: str
    taken_at: AwareDatetime
    file: str
    size: int
    sha256: str
    ends_sha256: str


def stamp_path(fleet: Fleet, facility: str, name: str, host: Host) -> Path | None:
    """Where the stamp of a host's backup is declared to be; None where none is declared."""
    gate = fleet.gates_of(host).backup
    if gate is None:
        return None
    return fleet.path(gate.stamp.replace("{facility}", facility).replace("{host}", name))


def look_at_backups(fleet: Fleet, facilities: list[str]) -> dict[str, Backup]:
    """By host, of every host that has a backup declared."""
    found: dict[str, Backup] = {}
    for facility in facilities:
        for name, host in fleet.facilities[facility].hosts.items():
            if path := stamp_path(fleet, facility, name, host):
                found[name] = look(path, facility=facility, host=name)
    return found


def look(path: Path, *, facility: str, host: str) -> Backup:
    """What is so of the backup that a stamp names."""
    try:
        stamp = Stamp.model_validate_json(path.read_bytes())
    except OSError as error:
        return Backup(problem=f"{path}: {error.strerror}")
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) or "JSON" for each in error.errors())
        return Backup(problem=f"{path}: not a stamp ({fields})")
    if (stamp.facility, stamp.host) != (facility, host):
        return Backup(problem=f"{path} is of {stamp.facility}/{stamp.host}")
    return Backup(taken_at=stamp.taken_at, problem=_unlike(stamp, path.parent / stamp.file))


def _unlike(stamp: Stamp, file: Path) -> str:
    """Why the backup is not what was stamped; empty where nothing speaks against it."""
    try:
        size = file.stat().st_size
        ends = _ends(file)
    except OSError as error:
        return f"{file}: {error.strerror}"
    if size != stamp.size:
        return f"{file} has {size} bytes, stamped were {stamp.size}"
    return "" if ends == stamp.ends_sha256 else f"{file} is not what was stamped"


def write_stamp(
    path: Path,
    file: Path,
    *,
    facility: str,
    host: str,
    taken_at: datetime,
    say: Callable[[str], None] = lambda _: None,
) -> Stamp:
    """Read a backup to its end and write its stamp; an older stamp is replaced.

    Raises:
        FleetError: the backup cannot be read, or the stamp not written. No stamp was written.
    """
    try:
        say(f"reading {file}")
        with file.open("rb") as content:
            whole = hashlib.file_digest(content, "sha256").hexdigest()
        stamp = Stamp(
            facility=facility,
            host=host,
            taken_at=taken_at,
            file=os.path.relpath(file, path.parent),
            size=file.stat().st_size,
            sha256=whole,
            ends_sha256=_ends(file),
        )
        write_whole(path, [f"{stamp.model_dump_json(indent=2)}\n".encode()])
    except OSError as error:
        raise FleetError(
            f"{error.filename or path}: {error.strerror}; no stamp was written",
            hint="mend that, then stamp the backup again",
        ) from error
    return stamp


def _ends(file: Path) -> str:
    """SHA-256 over the first and the last MiB."""
    with file.open("rb") as content:
        digest = hashlib.sha256(content.read(END))
        content.seek(max(0, file.stat().st_size - END))
        digest.update(content.read(END))
    return digest.hexdigest()
