"""Looks whether a role keeps its contract: its files, its checks, and what ansible-lint says."""

from __future__ import annotations

from pathlib import Path

from orchestrator.adapters.rolelint import lint, shell_problems
from orchestrator.errors import FleetError
from orchestrator.fleet.contract import Contract, look
from orchestrator.fleet.contract_code import host_programs, is_shell, left_to_write
from orchestrator.fleet.model import Model
from orchestrator.fleet.problems import Problem, in_order
from orchestrator.verify.suites import expected_checks


class RoleAnswer(Model):
    """A role that keeps its contract. ``left``: what its author still has to write."""

    role: str
    directory: str
    kind: str
    checks: tuple[str, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...]


def check_role(directory: Path) -> RoleAnswer:
    """Look at the role in ``directory``.

    Raises:
        FleetError: with every breach, each as ``file:line: what, expected what``.
    """
    found = look(directory)
    directory, notes = found.directory, []
    problems = [*found.problems]
    scripts = [path for path in host_programs(directory) if is_shell(path)]
    problems += shell_problems(directory, scripts)
    checks, unreadable = _checks(found)
    problems += unreadable
    linted = lint(directory)
    if linted is None:
        notes.append("ansible-lint is not installed here, so it has not looked at the role")
    problems += linted or []
    if problems:
        count = len(set(problems))
        raise FleetError(
            f"{directory}: {count} breach{'es' if count != 1 else ''} of the role's contract",
            hint=f"mend them (docs/roles.md), then: wardship role check {directory}",
            problems=in_order(problems),
        )
    return RoleAnswer(
        role=directory.name,
        directory=str(directory),
        kind=found.role.kind if found.role else "provider",
        checks=checks,
        left=in_order(left_to_write(directory)),
        notes=tuple(notes),
    )


def _checks(found: Contract) -> tuple[tuple[str, ...], list[Problem]]:
    """The checks of the role's suites and its own, at the moment when most are expected."""
    if found.role is None:
        return (), []
    own = found.directory / "checks"
    try:
        expected = expected_checks(
            found.role.suites, "applied", role_checks=own if own.is_dir() else None
        )
    except FleetError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return (), [Problem(f"{found.directory.name}/checks", 1, f"{error.what}{hint}")]
    return expected, []
