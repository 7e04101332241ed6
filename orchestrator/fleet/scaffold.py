"""A new product's role, from the shipped template: general parts whole, the product's own refusing.

What only the author can know is marked in it as not written; the role's survey names each such
part, so that no plan is made before all is written.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from orchestrator.errors import FleetError
from orchestrator.fleet.roles import is_reserved

KINDS = ("pacs", "ris", "viewer", "os")
#: The template's own name, wherever it stands in it.
_TOKEN = "newproduct"  # noqa: S105 - the name in the template
_NAME = re.compile(r"[a-z][a-z0-9]{0,29}")
_SUITES = {"pacs": ("service", "dicom", "census", "retrieve")}


def scaffold(template: Path, name: str, kind: str) -> dict[Path, bytes]:
    """Every file of the role ``name`` by its path in it.

    Raises:
        FleetError: no name for a role, or no such kind.
    """
    if not _NAME.fullmatch(name):
        raise FleetError(
            f"{name} is no name for a product's role",
            hint="use up to 30 small letters and digits, a letter first, such as viewer",
        )
    if is_reserved(f"{name}_x"):
        raise FleetError(f"{name} is wardship's own", hint="name it after the product")
    if kind not in KINDS:
        raise FleetError(f"no kind {kind}", hint=f"there are {', '.join(KINDS)}")
    found: dict[Path, bytes] = {}
    for path in sorted(template.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = Path(str(path.relative_to(template)).replace(_TOKEN, name))
            found[relative] = path.read_text("utf-8").replace(_TOKEN, name).encode()
    meta = Path("meta/wardship.yml")
    suites = "".join(f"  - {suite}\n" for suite in _SUITES.get(kind, ("service",)))
    text = found[meta].decode().replace("kind: viewer\n", f"kind: {kind}\n")
    found[meta] = text.replace("suites:\n  - service\n", f"suites:\n{suites}").encode()
    return found


def write(files: dict[Path, bytes], directory: Path) -> None:
    """Write a role that is not there yet, whole or not at all.

    Raises:
        FleetError: something is there.
    """
    if directory.exists() or directory.is_symlink():
        raise FleetError(
            f"{directory}: is there already, and stays as it is",
            hint="choose another name, or another directory: --to DIR",
        )
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of one that was cut off
    try:
        for relative, content in files.items():
            path = partial / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        partial.rename(directory)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        error.filename = error.filename or str(directory)  # a full disk does not name one
        raise
