"""What a role has to keep so that wardship may run it: every breach, with file and line.

Reads files and runs nothing. A role without ``meta/wardship.yml`` whose name says so
(``snapshot_…``, ``dicom_spool``, ``host_program``) is a provider: it has verbs and modules, and no
host scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.fleet.contract_code import code_problems
from orchestrator.fleet.contract_tasks import laid_down, task_problems
from orchestrator.fleet.model import Role
from orchestrator.fleet.problems import Problem
from orchestrator.fleet.roles import Option, is_reserved, read_options, read_role
from orchestrator.fleet.yamlfile import read_yaml

PRODUCT_VERBS = ("survey", "stage", "precheck", "cleanup")
SNAPSHOT_VERBS = ("survey", "precheck")
SCRIPTS = ("stop", "migrate", "start", "census", "forget")
OPTIONAL_SCRIPTS = ("carry", "diagnose")
_TELLING = re.compile(r"passw|secret|token|passphrase|private_key|api_key")
_OWNER_ONLY = "0700"


@dataclass(frozen=True)
class Contract:
    """What was read of a role. ``role``: None for a provider, and where its meta does not hold."""

    directory: Path
    role: Role | None
    is_product: bool
    problems: tuple[Problem, ...]


def look(directory: Path) -> Contract:
    """The role in ``directory``, and every breach; files are named from the directory above it."""
    directory = directory.absolute()
    roles, name = directory.parent, directory.name
    if not (directory / "tasks").is_dir():
        missing = Problem(name, 1, "no directory tasks in it, expected a role")
        return Contract(directory, None, is_product=False, problems=(missing,))
    is_provider = name.startswith("snapshot_") or name in ("dicom_spool", "host_program")
    is_product = not is_provider or (directory / "meta" / "wardship.yml").exists()
    role: Role | None = None
    if is_product:
        files, problems = read_role(roles, name)
        role, options = (files.role, files.options) if files else (None, {})
    else:
        options, problems = read_options(roles, name)
    verbs = PRODUCT_VERBS if is_product else SNAPSHOT_VERBS if name.startswith("snapshot_") else ()
    problems += _verbs(directory, options, verbs)
    problems += _secrets(roles, name, options)
    problems += task_problems(roles, name)
    problems += code_problems(directory)
    if is_product:
        problems += _scripts(directory)
    if role:
        problems += _state(roles, name, role)
    return Contract(directory, role, is_product=is_product, problems=tuple(problems))


def _verbs(
    directory: Path, options: dict[str, dict[str, Option]], verbs: tuple[str, ...]
) -> Iterator[Problem]:
    """Each verb has its tasks and its options, and there is nothing that is no verb."""
    name = directory.name
    there = {path.stem for path in (directory / "tasks").glob("*.yml")}
    specs = f"{name}/meta/argument_specs.yml"
    for verb in ("main", *verbs):
        if verb not in there:
            yield Problem(f"{name}/tasks", 1, f"no {verb}.yml, expected the tasks of {verb}")
    for verb in sorted({"main", *verbs, *there} - set(options)):
        text = f"no entry {verb}, expected one: without it Ansible does not check what it is given"
        yield Problem(specs, 1, text)
    for verb in sorted(set(options) - there - {"main", *verbs}):
        yield Problem(specs, 1, f"an entry {verb} without tasks/{verb}.yml")


def _secrets(roles: Path, name: str, options: dict[str, dict[str, Option]]) -> Iterator[Problem]:
    """What sounds like a secret is one, and what is one in a verb is one in every verb."""
    document, _ = read_yaml(roles, f"{name}/meta/argument_specs.yml")
    if document is None:
        return
    secret = {each for verb in options.values() for each, option in verb.items() if option.secret}
    for verb, declared in options.items():
        for each, option in declared.items():
            own = not is_reserved(each) or each == "wardship_web_password"
            if own and not option.secret and (each in secret or _TELLING.search(each)):
                loc = ("argument_specs", verb, "options", each)
                yield document.problem(loc, f"{each} is not no_log, expected no_log: true")


def _scripts(directory: Path) -> Iterator[Problem]:
    """Each host script is there and is laid down as a program of its owner's."""
    name, host = directory.name, directory / "templates" / "host"
    modes = laid_down(directory)
    for script in (*SCRIPTS, *OPTIONAL_SCRIPTS):
        if not (host / script).is_file():
            if script in SCRIPTS:
                text = f"no host script {script}, expected a program"
                yield Problem(f"{name}/templates/host", 1, text)
            continue
        mode = modes.get(script)
        if mode != _OWNER_ONLY:
            found = f"with mode {mode}" if mode else "not at all"
            text = f"the host script {script} is laid down {found}, expected mode {_OWNER_ONLY}"
            yield Problem(f"{name}/tasks/stage.yml", 1, text)


def _state(roles: Path, name: str, role: Role) -> Iterator[Problem]:
    """What a change installs and switches is saved before, so that a restore can put it back."""
    document, _ = read_yaml(roles, f"{name}/meta/wardship.yml")
    if document is None:
        return
    volumes = [PurePosixPath(volume.path) for volume in role.state.volumes]
    paths = [PurePosixPath(path) for path in role.state.paths]
    if not volumes:
        yield document.problem(("state", "volumes"), "no volume, expected what the state lies on")
    for index, path in enumerate(paths):
        if inside := [volume for volume in volumes if volume in (path, *path.parents)]:
            text = f"{path} lies in the volume {inside[0]}, expected paths outside of volumes"
            yield document.problem(("state", "paths", index), text)
    names = [volume.name for volume in role.state.volumes]
    for index, database in enumerate(role.state.databases):
        at = ("state", "databases", index)
        if database.name in names:
            text = f"{database.name} is a volume too, expected names of their own"
            yield document.problem(at, text)
        if database.service not in role.services:
            text = f"{database.service} is no service of the product, expected its cluster there"
            yield document.problem(at, text)
    targets = [(("install", i, "target"), one.target) for i, one in enumerate(role.install)]
    for loc, target in [*targets, (("root",), f"{role.root}/current")]:
        place = PurePosixPath(target)
        if not any(path in (place, *place.parents) for path in paths):
            text = f"{target} is below none of state.paths: a restore could not put it back"
            yield document.problem(loc, text)
