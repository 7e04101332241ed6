"""A new fleet's directory, from the shipped template: it holds as it is, and orders nothing.

Decides names; refuses a directory in which something is. Written aside first: what appears under
its own name is whole, and ``fleet.yml``, without which no directory is a fleet, appears last.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from orchestrator.errors import FleetError
from orchestrator.fleet.schema import schemas

#: The template's own name, wherever it stands in it.
_TOKEN = "newfleet"  # noqa: S105 - the name in the template
#: In the template a hidden file is not hidden: packages leave those out.
_HIDDEN = "dot."
_LAST = "fleet.yml"
_PARTIAL = ".wardship-init"


def fleet_files(template: Path, name: str) -> dict[Path, bytes]:
    """Every file of a new fleet by its path in it, schemas for editors included."""
    found = {
        _shown(path.relative_to(template)): path.read_text("utf-8").replace(_TOKEN, name).encode()
        for path in sorted(template.rglob("*"))
        if path.is_file()
    }
    for file, content in schemas().items():
        if not file.startswith("role."):
            found[Path("schemas", file)] = content
    return found


def _shown(path: Path) -> Path:
    return Path(*(part.replace(_HIDDEN, ".", part.startswith(_HIDDEN)) for part in path.parts))


def name_for(directory: Path) -> str:
    """A fleet's name after its directory's."""
    plain = re.sub(r"[^a-z0-9]+", "-", directory.resolve().name.lower())
    return plain.lstrip("-0123456789")[:40].strip("-") or "fleet"


def write(files: dict[Path, bytes], directory: Path) -> None:
    """Write a fleet into a directory that is not there yet, or is empty.

    Raises:
        FleetError: something is there.
        OSError: it could not be written; nothing of it is left.
    """
    _refuse_unless_empty(directory)
    was_there = directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    partial = directory / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)  # of one that was cut off
    shown: list[Path] = []
    try:
        for relative, content in files.items():
            path = partial / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        whole = sorted(partial.iterdir(), key=lambda each: each.name == _LAST)
        shown.extend(path.rename(directory / path.name) for path in whole)
        partial.rmdir()
    except OSError as error:
        for path in shown:
            path.rename(partial / path.name)
        shutil.rmtree(partial, ignore_errors=True)
        if not was_there and not any(directory.iterdir()):
            directory.rmdir()
        error.filename = error.filename or str(directory)  # a full disk does not name one
        raise


def _refuse_unless_empty(directory: Path) -> None:
    if not directory.exists() and not directory.is_symlink():
        return
    if not directory.is_dir():
        raise FleetError(
            f"{directory}: is no directory, and stays as it is",
            hint="name a directory that is not there yet: wardship init DIR",
        )
    there = sorted(path.name for path in directory.iterdir() if path.name != _PARTIAL)
    if (directory / _LAST).exists():
        raise FleetError(
            f"{directory}: is a fleet already, and stays as it is",
            hint=f"look at it: wardship --fleet {directory} fleet check",
        )
    if there and (directory / _PARTIAL).exists():
        raise FleetError(
            f"{directory}: an init was cut off here, and left {', '.join(there)}",
            hint=f"remove them and {_PARTIAL}, then again: wardship init {directory}",
        )
    if there:
        raise FleetError(
            f"{directory}: is not empty ({there[0]} is in it), and stays as it is",
            hint="name a directory that is not there yet, and make it a repository afterwards",
        )
