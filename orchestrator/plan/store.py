"""Plan files: ``<fleet>/.wardship/plans/<first 12 of the digest>.json``, for their owner only."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import PlanError
from orchestrator.plan.model import Plan

#: Length of the digest's beginning that names a plan.
SHORT = 12


def save(plan: Plan, state: Path) -> Path:
    """Write a plan below the fleet's state directory; gives the file. Never half written."""
    folder = state / "plans"
    state.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{plan.digest[:SHORT]}.json"
    partial = folder / f".{path.name}.{os.getpid()}"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(plan.model_dump_json(indent=2) + "\n")
    partial.replace(path)
    return path


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
    plans = sorted(state.glob("plans/*.json"))
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
        plan = Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PlanError(
            f"{path}: cannot be read ({error.strerror})", hint="make a plan: wardship plan"
        ) from error
    except ValidationError as error:
        raise PlanError(f"{path}: not a plan", hint="make a plan: wardship plan") from error
    if plan.computed_digest() != plan.digest:
        raise PlanError(
            f"{path}: changed after it was made, its digest does not hold",
            hint="a plan is run as it was shown or not at all; make one: wardship plan",
        )
    return plan
