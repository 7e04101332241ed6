"""A product role as the controller sees it: ``meta/wardship.yml`` and the options of its verbs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from orchestrator.fleet.explain import explain
from orchestrator.fleet.model import Role
from orchestrator.fleet.problems import Problem
from orchestrator.fleet.yamlfile import read_yaml


def is_reserved(name: str) -> bool:
    """Whether wardship or Ansible sets this variable, so that a declaration must not."""
    return name.startswith(("wardship_", "ansible_"))


@dataclass(frozen=True)
class Option:
    """One variable of a verb, as ``meta/argument_specs.yml`` describes it."""

    type: str = "str"
    required: bool = False
    choices: tuple[object, ...] = ()
    secret: bool = False


@dataclass(frozen=True)
class RoleFiles:
    """What was read of a role. ``options``: by verb, then by name."""

    role: Role
    options: dict[str, dict[str, Option]] = field(default_factory=dict)

    def option(self, name: str) -> Option | None:
        """The option of this name, of whichever verb has it."""
        return next((verb[name] for verb in self.options.values() if name in verb), None)


def read_role(roles: Path, name: str) -> tuple[RoleFiles | None, list[Problem]]:
    """The role ``name``; None where it is not there or its ``meta/wardship.yml`` does not hold."""
    meta = f"{name}/meta/wardship.yml"
    document, problems = read_yaml(roles, meta)
    if document is None:
        return None, problems
    try:
        role = Role.model_validate(document.value)
    except ValidationError as error:
        return None, problems + explain(document, Role, error)
    options, more = read_options(roles, name)
    return RoleFiles(role, options), problems + more


def read_options(roles: Path, name: str) -> tuple[dict[str, dict[str, Option]], list[Problem]]:
    """The options of each verb, by name, from ``meta/argument_specs.yml``."""
    document, problems = read_yaml(roles, f"{name}/meta/argument_specs.yml")
    if document is None:
        return {}, problems
    found: dict[str, dict[str, Option]] = {}
    for verb, spec in _mapping(_mapping(document.value).get("argument_specs")).items():
        declared = _mapping(_mapping(spec).get("options"))
        found[verb] = {option: _option(_mapping(value)) for option, value in declared.items()}
    if not found:
        problems.append(document.problem((), "no argument_specs, expected an entry a verb"))
    return found, problems


def _option(spec: dict[str, object]) -> Option:
    choices = spec.get("choices")
    return Option(
        type=str(spec.get("type", "str")),
        required=spec.get("required") is True,
        choices=tuple(choices) if isinstance(choices, list) else (),
        secret=spec.get("no_log") is True,
    )


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
