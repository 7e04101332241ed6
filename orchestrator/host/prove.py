"""prove: the stored objects of a volume are still what the snapshot holds, or its listing says.

A file whose inode number, times and size are those of the snapshot shares its blocks with it and
is not read; nor is one that has those of its original, or of the copy that was proved equal, in a
listing. What differs is read on both sides. An archive has no other side: an object that was
touched there is hashed (MD5, DICOM servers' own) for the controller to compare with the index. What
this can miss is a change beneath the file system; the sample is for that.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Dict, List

from . import listing
from .change import load
from .host import Host
from .listing import Listed, is_object, listed, marks
from .outcome import RefusedError
from .place import Place
from .tree import CHUNK, digest
from .walk import files

SHOWN = 100
#: Touched objects of an archive that are hashed at most; more do not pass.
TOUCHED = 2000


class Proof:
    """What was found so far, over all volumes."""

    def __init__(self, sample: int, seed: str) -> None:
        self.files = self.bytes = self.reread = self.added = 0
        self.missing: List[str] = []
        self.resized: List[str] = []
        self.differing: List[str] = []
        self.touched: List[Dict[str, str]] = []
        self.touched_count = 0
        self.sample: List["tuple[str, Path]"] = []
        self._wanted = sample
        self._random = random.Random(seed)  # noqa: S311 - a repeatable sample, not a secret

    def see(self, place: Place, one: Listed) -> None:
        """Compare one stored file with what is live."""
        live = place.live / one.path
        name = f"{place.volume.path}/{one.path}"
        self.files += 1
        self.bytes += one.size
        try:
            self._compare(place, name, one, live)
        except FileNotFoundError:
            self.missing.append(name)
        else:
            self._draw(name, live)

    def _compare(self, place: Place, name: str, one: Listed, live: Path) -> None:
        now = live.lstat()
        if (now.st_mode, now.st_size) != (one.mode, one.size):
            self.resized.append(name)
        elif marks(now) not in (one.marks, one.copied):
            self.reread += 1
            if place.is_archive:
                self.touched_count += 1
                if len(self.touched) < TOUCHED:
                    self.touched.append({"path": one.path, "md5": _hash(live)})
            elif not _is_same(place, one, live):
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
            "touched": self.touched,
            "touched_count": self.touched_count,
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
        if not place.listing.exists() and not place.frozen.is_dir():
            raise RefusedError("order", f"there is no snapshot of {volume.path}")
        before, missing = proof.files, len(proof.missing)
        for one in kept(place):
            proof.see(place, one)
        found = proof.files - before - (len(proof.missing) - missing)
        proof.added += sum(_count(place.live / each) for each in volume.objects) - found
    return proof.as_json()


def kept(place: Place) -> Iterator[Listed]:
    """Every stored object as it was at the snapshot."""
    tops = tuple(f"{directory}/" for directory in place.volume.objects)
    if place.listing.exists():
        found = listing.read(place.listing)
        yield from (one for one in found if one.path.startswith(tops) and one.is_object)
        return
    for directory in place.volume.objects:
        for name, about in files(place.frozen / directory):
            if is_object(about):
                yield listed(f"{directory}/{name}", about)


def _count(directory: Path) -> int:
    if not directory.is_dir():
        return 0
    return sum(1 for _, about in files(directory) if is_object(about))


def _is_same(place: Place, one: Listed, live: Path) -> bool:
    """Whether what was touched still has the content of the snapshot: unknown is not so."""
    if one.sha256:
        return digest(live) == one.sha256
    for side, known in ((place.frozen, one.copied), (place.failed, one.marks)):
        other = side / one.path
        # A snapshot cannot have been written to; a copy or what failed could.
        is_kept = other.is_file() and (not place.listing.exists() or marks(other.lstat()) == known)
        if is_kept or (other.is_symlink() and not place.listing.exists()):
            return _hash(other) == _hash(live)
    return False


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
