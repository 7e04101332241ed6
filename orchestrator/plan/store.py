"""Plan files: ``<fleet>/.wardship/plans/<first 12 of the digest>.json``, for their owner only."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import PlanError
from orchestrator.files import write_whole
from orchestrator.plan.model import Plan

#: Length of the digest's beginning that names a plan.
SHORT = 12
#: Largest plan file that is read, in bytes: 30,000 hosts need a third of it.
LARGEST = 256 << 20


def save(plan: Plan, state: Path, *, page: str = "") -> Path:
    """Write a plan below the fleet's state directory, its page beside it; gives the plan's file.

    Neither is ever half written.
    """
    folder = state / "plans"
    state.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{plan.digest[:SHORT]}.json"
    if page:
        _write(path.with_suffix(".html"), [page])
    _write(path, _lines(plan))
    return path


def _lines(plan: Plan) -> Iterator[str]:
    """A plan as JSON, a change set a line: thirty thousand hosts are never one text in memory."""
    head = plan.model_dump_json(exclude={"change_sets"}).removesuffix("}")
    yield f'{head},"change_sets":['
    for before, change_set in zip(chain([""], repeat(",")), plan.change_sets, strict=False):
        yield f"{before}\n{change_set.model_dump_json()}"
    yield "\n]}\n"


def _write(path: Path, parts: Iterable[str]) -> None:
    write_whole(path, (part.encode() for part in parts), mode=0o600)


def find(state: Path, reference: str) -> Plan:
    """The plan that a path or the beginning of a digest (four or more of it) names.

    Raises:
        PlanError: there is none, there are several, or the file was changed after it was made.
    """
    if re.fullmatch(r"[0-9a-f]{4,64}", reference):
        plan = _read(_by_digest(state, reference))
        if not plan.digest.startswith(reference):
            raise PlanError(f"no plan {reference}", hint=f"there is {plan.digest}")
        return plan
    return _read(Path(reference))


def _by_digest(state: Path, prefix: str) -> Path:
    folder = state / "plans"
    # Not glob, which is silent where a directory may not be read.
    there = folder.iterdir() if folder.exists() else ()
    plans = sorted(path for path in there if re.fullmatch(r"[0-9a-f]+\.json", path.name))
    found = [path for path in plans if path.stem == prefix[:SHORT] or path.stem.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        raise PlanError(
            f"{prefix} names {len(found)} plans: {', '.join(path.stem for path in found)}",
            hint="write more of the digest",
        )
    known = ", ".join(path.stem for path in plans) or "none"
    raise PlanError(f"no plan {prefix}", hint=f"there are: {known}; make one: wardship plan")


def _read(path: Path) -> Plan:
    try:
        content = _content(path)
    except FileNotFoundError as error:
        raise PlanError(
            f"{path}: no file, and no digest (4 or more of 0-9, a-f)",
            hint="make a plan: wardship plan",
        ) from error
    except OSError as error:
        raise PlanError(
            f"{path}: cannot be read ({error.strerror})", hint="make a plan: wardship plan"
        ) from error
    try:
        plan = Plan.model_validate_json(content)
    except ValidationError as error:
        raise PlanError(
            f"{path}: {_misfit(content, error)}", hint="make a plan: wardship plan"
        ) from error
    if plan.computed_digest() != plan.digest:
        raise PlanError(
            f"{path}: changed after it was made, its digest does not hold",
            hint="a plan is run as it was shown or not at all; make one: wardship plan",
        )
    return plan


def _content(path: Path) -> bytes:
    """Only of a file: a device or a pipe would not end."""
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(kind):
        raise OSError(errno.EINVAL, "not a file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"larger than {LARGEST >> 20} MiB")
    return content


def _misfit(content: bytes, error: ValidationError) -> str:
    """Why this is no plan of ours: cut off, something else, or another version's."""
    kind = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if kind["type"] == "json_invalid":
        return "not a plan, or cut off: it is not JSON"
    if b'"change_sets"' in content and b'"fleet_digest"' in content:
        where = ".".join(str(part) for part in kind["loc"])[:80]
        return f"a plan of another version of wardship, or edited: {where} is not as expected"
    return "not a plan"
