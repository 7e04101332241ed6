"""What a role's tasks may not do: hide a failure, skip a check, take whatever is newest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.fleet.problems import Problem
from orchestrator.fleet.yamlfile import Document, read_yaml
from orchestrator.fleet.yamlreader import Loc

_INSIDE = ("block", "rescue", "always")
_HIDES = {
    "ignore_errors": "hides a failure, expected the task to fail",
    "ignore_unreachable": "hides a host that is gone, expected the task to fail",
    "rescue": "counts as a failure and hides its cause, expected none",
}


def task_problems(roles: Path, name: str) -> list[Problem]:
    """Every breach in ``tasks`` and ``handlers`` of a role."""
    directory = roles / name
    found: list[Problem] = []
    for path in sorted([*directory.glob("tasks/**/*"), *directory.glob("handlers/**/*")]):
        if not path.is_file():
            continue
        if path.suffix != ".yml":
            strange = str(path.relative_to(roles))
            found.append(Problem(strange, 1, "not a file of tasks, expected NAME.yml"))
            continue
        document, problems = read_yaml(roles, str(path.relative_to(roles)))
        found += problems
        if document is None:
            continue
        found += _list(document, document.value, ())
        if path == directory / "tasks" / "main.yml":
            found += _main(document)
    return found


def laid_down(directory: Path) -> dict[str, str]:
    """The files that stage lays down beside the host scripts, with their modes."""
    document, _ = read_yaml(directory.parent, f"{directory.name}/tasks/stage.yml")
    found: dict[str, str] = {}
    for task in _tasks(document.value) if document else ():
        given = task.get("wardship_files")
        if not isinstance(given, dict) or not str(given.get("dest", "")).endswith("/scripts"):
            continue
        contents = given.get("contents")
        files = given.get("files")
        if not isinstance(files, list) or not isinstance(contents, dict):
            continue
        for file in files:
            if isinstance(file, dict) and file.get("name") in contents:
                found[str(file["name"])] = str(file.get("mode"))
    return found


def _tasks(value: object) -> Iterator[dict[str, object]]:
    for task in value if isinstance(value, list) else ():
        if isinstance(task, dict):
            yield task
            for key in _INSIDE:
                yield from _tasks(task.get(key))


def _main(document: Document) -> Iterator[Problem]:
    """A role that is included without a verb fails, and says what is wanted."""
    tasks = document.value if isinstance(document.value, list) else []
    only = tasks[0] if len(tasks) == 1 and isinstance(tasks[0], dict) else {}
    fail = only.get("ansible.builtin.fail")
    says = str(fail.get("msg", "")) if isinstance(fail, dict) else ""
    if "name a verb" not in says.lower() or "when" in only:
        text = 'expected one task, ansible.builtin.fail with "Name a verb: …", without when'
        yield document.problem((), text)


def _list(document: Document, value: object, loc: Loc) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield document.problem(loc, "not a list of tasks, expected one")
        return
    for index, task in enumerate(value):
        if not isinstance(task, dict):
            yield document.problem((*loc, index), "not a task, expected a mapping")
            continue
        here = (*loc, index)
        after = value[index + 1] if index + 1 < len(value) else None
        yield from _task(document, task, here, after)
        for key in _INSIDE:
            if key in task:
                yield from _list(document, task[key], (*here, key))


def _task(
    document: Document, task: dict[str, object], loc: Loc, after: object
) -> Iterator[Problem]:
    for key, because in _HIDES.items():
        if key in task and task[key] is not False:
            yield document.problem((*loc, key), f"{key} {because}")
    never = str(task.get("failed_when", "")).lower() in ("false", "no", "[]")
    is_looked_at = isinstance(after, dict) and "ansible.builtin.assert" in after
    if never and not is_looked_at:
        text = "failed_when: false without an assert after it: unknown would be a pass"
        yield document.problem((*loc, "failed_when"), text)
    for module, given in task.items():
        if not isinstance(given, dict) or module in (*_INSIDE, "vars"):
            continue
        at = (*loc, module)
        verb = str(given.get("tasks_from", ""))
        if verb.endswith((".yml", ".yaml")):
            text = f"tasks_from: {verb}, expected it without the extension, which skips the options"
            yield document.problem((*at, "tasks_from"), text)
        for key in ("state", "version", "release"):
            if given.get(key) == "latest":
                text = f"{key}: latest, expected a version: a plan must say what comes"
                yield document.problem((*at, key), text)
