"""prove: the stored objects of a volume are still what the snapshot holds.

A file whose inode number, times and size are those of the snapshot shares its blocks with it and
is not read. What differs is read on both sides. What this can miss is a change beneath the file
system; the sample is for that, hashed as the index of the product would (MD5, DICOM servers' own).
"""

from __future__ import annotations

import hashlib
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Dict, List

from .change import load
from .host import Host
from .outcome import RefusedError
from .tree import CHUNK
from .volumes import Place, files

SHOWN = 100


class Proof:
    """What was found so far, over all volumes."""

    def __init__(self, sample: int, seed: str) -> None:
        self.files = self.bytes = self.reread = self.added = 0
        self.missing: List[str] = []
        self.resized: List[str] = []
        self.differing: List[str] = []
        self.sample: List["tuple[str, Path]"] = []
        self._wanted = sample
        self._random = random.Random(seed)  # noqa: S311 - a repeatable sample, not a secret

    def see(self, name: str, before: os.stat_result, kept: Path, live: Path) -> None:
        """Compare one stored file with what is live."""
        self.files += 1
        self.bytes += before.st_size
        try:
            self._compare(name, before, kept, live)
        except FileNotFoundError:
            self.missing.append(name)
        else:
            self._draw(name, live)

    def _compare(self, name: str, before: os.stat_result, kept: Path, live: Path) -> None:
        now = live.lstat()
        if (now.st_mode, now.st_size) != (before.st_mode, before.st_size):
            self.resized.append(name)
        elif _marks(now) != _marks(before):
            self.reread += 1
            if _hash(kept) != _hash(live):
                self.differing.append(name)

    def _draw(self, name: str, live: Path) -> None:
        """Reservoir sampling: each file equally likely, without a list of all of them."""
        if len(self.sample) < self._wanted:
            self.sample.append((name, live))
            return
        place = self._random.randrange(self.files)
        if place < self._wanted:
            self.sample[place] = (name, live)

    def as_json(self) -> Dict[str, Any]:
        lists = {"missing": self.missing, "resized": self.resized, "differing": self.differing}
        return {
            "files": self.files,
            "bytes": self.bytes,
            **{name: found[:SHOWN] for name, found in lists.items()},
            **{f"{name}_count": len(found) for name, found in lists.items()},
            "reread": self.reread,
            "sample": [_sampled(name, path) for name, path in sorted(self.sample)],
            "added": self.added,
        }


def prove(host: Host, identifier: str, *, sample: int, seed: str) -> Dict[str, Any]:
    """Compare every declared directory of stored objects with its snapshot.

    Raises:
        RefusedError: there is no proved snapshot to compare with.
    """
    change = load(host, identifier)
    proof = Proof(sample, seed)
    for volume in change.manifest.volumes:
        place = Place(host.system, change.id, volume)
        if not place.frozen.is_dir():
            raise RefusedError("order", f"there is no snapshot of {volume.path}")
        for directory in volume.objects:
            _compare(proof, place, directory)
    return proof.as_json()


def _compare(proof: Proof, place: Place, directory: str) -> None:
    kept, live = place.frozen / directory, place.live / directory
    before = proof.files
    for name, about in _objects(kept):
        proof.see(f"{place.volume.path}/{directory}/{name}", about, kept / name, live / name)
    here = sum(1 for _ in _objects(live)) if live.is_dir() else 0
    found = proof.files - before - _missing_below(proof, f"{place.volume.path}/{directory}/")
    proof.added += here - found


def _missing_below(proof: Proof, prefix: str) -> int:
    return sum(1 for name in proof.missing if name.startswith(prefix))


def _objects(top: Path) -> Iterator["tuple[str, os.stat_result]"]:
    return ((name, about) for name, about in files(top) if not stat.S_ISDIR(about.st_mode))


def _marks(about: os.stat_result) -> "tuple[int, int, int]":
    return about.st_ino, about.st_mtime_ns, about.st_ctime_ns


def _hash(path: Path) -> str:
    """MD5 of a file, or of where a link points; compared and handed out, never trusted."""
    summed = hashlib.md5()  # noqa: S324 - the hash that DICOM servers keep
    if path.is_symlink():
        summed.update(str(path.readlink()).encode())
        return summed.hexdigest()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            summed.update(chunk)
    return summed.hexdigest()


def _sampled(name: str, path: Path) -> Dict[str, Any]:
    try:
        return {"path": name, "size": path.lstat().st_size, "md5": _hash(path)}
    except OSError:
        return {"path": name, "size": None, "md5": None}
