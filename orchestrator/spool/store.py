"""What is parked, on the disk: one file an item, named by its place in the order of arrival.

An item is there when its file is whole, synced and has its name, and the directory is synced: only
then may anybody be told so. What the product answered to it is a line in ``outcomes.jsonl``; items
are never changed and never removed here. One process parks, another may give back at the same time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

#: Bytes that are left free on the file system whatever the quota says.
RESERVE = 64 * 1024 * 1024
#: How many refusals are written down, each sender's attempts at one thing being one.
REFUSALS = 100_000
#: Why something is refused that the quota, or the disk, has no room for.
FULL = "parking is full"
#: What kinds of items there are.
OBJECT, COMMITMENT, MPPS_CREATE, MPPS_SET, HL7 = "object", "commitment", "create", "set", "hl7"
KINDS = (OBJECT, COMMITMENT, MPPS_CREATE, MPPS_SET, HL7)
NAME = re.compile(r"(\d{10})\.(" + "|".join(KINDS) + r")\.([A-Za-z0-9_.~%-]+)")

#: What became of an item. SET_ASIDE: the product will not have it, and it is kept.
STORED, SET_ASIDE = "stored", "set aside"


class FullError(Exception):
    """There is no room for this within the quota."""


@dataclass(frozen=True)
class Item:
    """A parked item. ``number``: its place in the order.

    ``source``: the AE title of who sent it, or the port that an HL7 message was sent to.
    """

    number: int
    kind: str
    source: str
    path: Path


@dataclass(frozen=True)
class Outcome:
    """What the product said to an item. ``because`` holds statuses and UIDs, no patient's data."""

    state: str
    because: str = ""


class Store:
    """The directory of one change. ``quota`` in bytes."""

    def __init__(self, directory: Path, *, quota: int) -> None:
        self.directory = directory
        self.incoming = directory / "incoming"
        self.parked = directory / "parked"
        self._quota = quota
        self._lock = threading.Lock()
        self._used = 0
        self._next = 1
        self._refused: set[tuple[str, str, str, str]] = set()

    def open(self) -> None:
        """Make it ready to park: what came in half was never acknowledged, and goes."""
        for each in (self.directory, self.incoming, self.parked):
            each.mkdir(mode=0o700, exist_ok=True)
        for half in self.incoming.iterdir():
            half.unlink()
        for each in (self.parked, self.directory, self.directory.parent):
            sync(each)
        there = list(self.items())
        self._used = sum(item.path.stat().st_size for item in there)
        self._next = 1 + max((item.number for item in there), default=0)
        self._refused = {
            (line["caller"], line["what"], line["uid"], line["because"]) for line in self.refusals()
        }

    def park(self, part: Path, kind: str, *, source: str) -> Item:
        """Keep a file of ``incoming``; when this returns, it survives a power cut.

        Raises:
            FullError: no room; the file is gone.
            OSError: the disk refused; whoever sent it must not be told success.
        """
        size = part.stat().st_size
        try:
            self._claim(size)
        except FullError:
            part.unlink()
            raise
        try:
            sync(part)
            with self._lock:
                number, self._next = self._next, self._next + 1
                path = self.parked / f"{number:010d}.{kind}.{quote(source, safe='')}"
                part.rename(path)
        except OSError:
            with self._lock:
                self._used -= size
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        sync(self.parked)
        return Item(number, kind, source, path)

    def park_bytes(self, content: bytes, kind: str, *, source: str) -> Item:
        """The same for what is in memory."""
        if not self.has_room(len(content), unwritten=len(content)):
            raise FullError
        part = self.incoming / f"{threading.get_ident()}-{time.monotonic_ns()}"
        part.write_bytes(content)
        return self.park(part, kind, source=source)

    def has_room(self, size: int, *, unwritten: int = 0) -> bool:
        """Whether an item of so many bytes is within the quota, and the rest of it on the disk."""
        about = os.statvfs(self.directory)
        free = about.f_bavail * about.f_frsize
        return self._used + size <= self._quota and free - unwritten >= RESERVE

    def _claim(self, size: int) -> None:
        with self._lock:
            if not self.has_room(size):
                raise FullError
            self._used += size

    def items(self) -> Iterator[Item]:
        """Everything parked, in the order of arrival."""
        if not self.parked.is_dir():
            return
        for path in sorted(self.parked.iterdir()):
            found = NAME.fullmatch(path.name)
            if found is None:
                raise ValueError(f"{path} is nothing that was parked")
            number, kind, source = found.groups()
            yield Item(int(number), kind, unquote(source), path)

    def waiting(self) -> list[Item]:
        """What the product has not answered to yet."""
        known = self.outcomes()
        return [one for one in self.items() if one.number not in known]

    def outcomes(self) -> dict[int, Outcome]:
        """What became of items, by number; those that are not in it are to be given back yet."""
        return {
            line["number"]: Outcome(line["state"], line["because"])
            for line in lines(self.directory / "outcomes.jsonl")
        }

    def settle(self, item: Item, outcome: Outcome) -> None:
        """Write down what became of an item.

        An object may be given twice, so a power cut may take its line; nothing else may be.
        """
        line = {"number": item.number, "state": outcome.state, "because": outcome.because}
        append(self.directory / "outcomes.jsonl", line, synced=item.kind != OBJECT)

    def refused(self, caller: str, what: str, *, because: str, uid: str = "") -> None:
        """Write down that somebody was sent away with something; once, however often he tries."""
        line = {"at": time.time(), "caller": caller, "what": what, "uid": uid, "because": because}
        with contextlib.suppress(OSError), self._lock:  # a full disk is often the reason
            if len(self._refused) >= REFUSALS or (caller, what, uid, because) in self._refused:
                return
            append(self.directory / "refused.jsonl", line, synced=False)
            self._refused.add((caller, what, uid, because))

    def refusals(self) -> list[dict[str, Any]]:
        """Who was sent away, with what and why."""
        return list(lines(self.directory / "refused.jsonl"))


def append(path: Path, line: dict[str, Any], *, synced: bool) -> None:
    """Add a line. What a power cut left of a last one is ended first."""
    is_new = not path.exists()
    with path.open("ab+") as file:
        if file.tell() and _last_byte(path) != b"\n":
            file.write(b"\n")
        file.write(json.dumps(line, sort_keys=True).encode() + b"\n")
        file.flush()
        if synced:
            os.fsync(file.fileno())
    if is_new and synced:
        sync(path.parent)


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of such a file; one that a power cut left half is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def sync(path: Path) -> None:
    """fsync a file or a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
