"""Files, links and directories with everything that belongs to them, described and built again.

Owners, modes and extended attributes (access lists are such) stand in the description, never on
the copies. Sockets are left out: their owner makes them anew. Devices and pipes are refused.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import stat
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from .disk import Disk, sync
from .outcome import FailedError

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}
CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file, directory or link; ``path`` is relative to the top, which has the empty one."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    xattrs: Dict[str, str] = field(default_factory=dict)
    sha256: str = ""
    target: str = ""
    mtime_ns: int = field(default=0, compare=False)

    def as_json(self) -> Dict[str, Any]:
        return asdict(self)


Tree = Optional[List[Entry]]
"""What is at a path: None when nothing is."""


def describe(top: Path) -> Tree:
    """Everything at and below ``top``, parents first, in order.

    Raises:
        FailedError: there is something that cannot be described, so that it could not be put back.
    """
    if not os.path.lexists(top):
        return None
    found: List[Entry] = []
    pending = [""]
    while pending:
        relative = pending.pop()
        place = top / relative
        if stat.S_ISSOCK(place.lstat().st_mode):
            continue
        entry = about(place, relative)
        if entry.kind == "file":
            entry = replace(entry, sha256=digest(place))
        found.append(entry)
        if entry.kind == "dir":
            names = sorted((child.name for child in place.iterdir()), reverse=True)
            pending += [f"{relative}/{name}" if relative else name for name in names]
    return found


def about(place: Path, relative: str) -> Entry:
    """What is at ``place``, without its content.

    Raises:
        FailedError: it is neither file, directory nor link.
    """
    found = place.lstat()
    kind = KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        raise FailedError(f"{place} is neither file, directory nor link: it cannot be saved")
    names = os.listxattr(place, follow_symlinks=False)
    return Entry(
        path=relative,
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        xattrs={n: _base64(os.getxattr(place, n, follow_symlinks=False)) for n in sorted(names)},
        target=str(place.readlink()) if kind == "link" else "",
        mtime_ns=found.st_mtime_ns,
    )


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    summed = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            summed.update(chunk)
    return summed.hexdigest()


def build(entries: Sequence[Entry], at: Path, disk: Disk, content: Callable[[Entry], Path]) -> None:
    """Make ``entries`` at ``at``, where nothing is; ``content`` says where a file's bytes lie."""
    for entry in entries:
        place = at / entry.path
        disk.effect("build", place)
        if entry.kind == "dir":
            place.mkdir(mode=0o700)
        elif entry.kind == "link":
            place.symlink_to(entry.target)
        else:
            copy(content(entry), place)
    for entry in reversed(entries):  # children first: a directory may be read-only, and has a time
        dress(at / entry.path, entry)
        if entry.kind == "dir":
            sync(at / entry.path)


def copy(source: Path, to: Path) -> None:
    """Copy the bytes of a file, fsynced, readable by its owner only."""
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out, source.open("rb") as file:
        while chunk := file.read(CHUNK):
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())


def dress(place: Path, entry: Entry) -> None:
    """Give ``place`` the owner, mode, attributes and time of ``entry``."""
    os.chown(place, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind != "link":
        place.chmod(entry.mode)
    for name, value in entry.xattrs.items():
        os.setxattr(place, name, base64.b64decode(value), follow_symlinks=False)
    os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def worn_by(place: Path, entry: Entry) -> Entry:
    """``entry`` with the owner and mode of what is at ``place`` already, if there is such."""
    with contextlib.suppress(FileNotFoundError):
        about = place.lstat()
        if KINDS.get(stat.S_IFMT(about.st_mode)) == entry.kind:
            mode = stat.S_IMODE(about.st_mode)
            return replace(entry, mode=mode, uid=about.st_uid, gid=about.st_gid)
    return entry


def from_json(entries: Optional[List[Dict[str, Any]]]) -> Tree:
    return None if entries is None else [Entry(**each) for each in entries]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
