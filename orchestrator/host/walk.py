"""Walking a directory: every file below it, in one order on every side."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import List


def files(top: Path) -> Iterator["tuple[str, os.stat_result]"]:
    """Every file, link and directory below ``top`` with its lstat, by name, in order."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        children = _children(top / prefix, is_top=not prefix)
        yield from ((prefix + name, about) for name, about in children)
        pending += [
            f"{prefix}{name}/" for name, about in reversed(children) if stat.S_ISDIR(about.st_mode)
        ]


def _children(directory: Path, *, is_top: bool) -> List["tuple[str, os.stat_result]"]:
    """What is in a directory now; one that went away meanwhile has nothing, but for the top."""
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - the names are all that is wanted
    except FileNotFoundError:
        if is_top:
            raise
        return []
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            found.append((name, os.lstat(directory / name)))
    return found
