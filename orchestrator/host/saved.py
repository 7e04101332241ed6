"""The declared paths: saved by content before anything changes, put back exactly, proved by hash.

A path that did not exist when it was saved is removed by putting back.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Sequence

from . import records
from .disk import Disk
from .outcome import FailedError
from .system import System
from .tree import Entry, Tree, build, copy, describe, digest, from_json

INDEX = "index.json"


def save(system: System, paths: Sequence[str], *, to: Path) -> Dict[str, Tree]:
    """Copy ``paths`` into the new directory ``to`` and prove the copies by their hashes.

    Raises:
        FailedError: something cannot be saved, or changed while it was.
    """
    disk = system.disk
    disk.remove_tree(to)
    disk.make_dir(to / "objects")
    trees = {path: describe(system.at(path)) for path in paths}
    for path, tree in trees.items():
        for entry in tree or []:
            _store(system.at(path) / entry.path, entry, to, disk)
    listed = {
        path: None if tree is None else [entry.as_json() for entry in tree]
        for path, tree in trees.items()
    }
    records.write(disk, to / INDEX, {"paths": listed})
    prove(system, to)
    return trees


def problems(system: System, paths: Sequence[str]) -> List[str]:
    """What is mounted at or in ``paths``: putting them back would move it away, and empty it."""
    found = []
    for path in paths:
        top = system.at(path)
        if not os.path.lexists(top):
            continue
        outside = system.device(top.parent)
        for directory, _, _ in os.walk(top) if top.is_dir() and not top.is_symlink() else ():
            if system.device(Path(directory)) != outside:
                found.append(f"another file system is mounted at /{_inside(system, directory)}")
                break
    return found


def _inside(system: System, directory: str) -> Path:
    return Path(directory).relative_to(system.root)


def _store(source: Path, entry: Entry, to: Path, disk: Disk) -> None:
    at = to / "objects" / entry.sha256
    if entry.kind == "file" and not at.exists():
        disk.effect("copy", at)
        copy(source, at)


def prove(system: System, saved: Path) -> None:
    """Every saved path is still what was saved, and every copy has its hash.

    Raises:
        FailedError: naming the first that does not.
    """
    for path, tree in load(saved).items():
        if describe(system.at(path)) != tree:
            raise FailedError(f"{path} changed while it was saved")
        for entry in tree or []:
            if entry.kind == "file" and digest(saved / "objects" / entry.sha256) != entry.sha256:
                raise FailedError(f"the copy of {path}/{entry.path} is not what was saved")


def load(saved: Path) -> Dict[str, Tree]:
    """What was saved, by path.

    Raises:
        FailedError: nothing was.
    """
    record = records.read(saved / INDEX)
    if record is None:
        raise FailedError(f"{saved} is gone: the paths in it cannot be put back")
    return {path: from_json(tree) for path, tree in record["paths"].items()}


def put_back(system: System, path: str, tree: Tree, *, saved: Path) -> bool:
    """Make ``path`` what it was; False when it was so already. May be cut and called again.

    Raises:
        FailedError: it is not what it was even so.
    """
    disk, place = system.disk, system.at(path)
    new = place.with_name(f".{place.name}.wardship-new")
    old = place.with_name(f".{place.name}.wardship-old")
    changed = describe(place) != tree
    if changed:
        disk.remove_tree(new)
        if tree is not None:
            disk.make_dir(place.parent, mode=0o755)
            build(tree, new, disk, lambda entry: saved / "objects" / entry.sha256)
        if os.path.lexists(place) and (tree is None or _is_dir(place) or tree[0].kind == "dir"):
            disk.remove_tree(old)
            disk.rename(place, old)
        if tree is not None:
            disk.rename(new, place)
        if describe(place) != tree:
            raise FailedError(f"{path} is not what it was, though it was put back")
    disk.remove_tree(new)
    disk.remove_tree(old)
    return changed


def _is_dir(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()
