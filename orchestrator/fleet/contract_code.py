"""What a role's programs must be: readable by the oldest Python of a host, and checkable here.

Host scripts are rendered by Ansible, so Jinja's signs in one would be changed on the way, and what
comes out could not be checked here: what differs by host belongs in a file beside them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from orchestrator.fleet.problems import Problem

#: The oldest Python of a host (docs/host-program.md).
OLDEST = (3, 9)
_JINJA = ("{{", "{%", "{#")
_NOT_WRITTEN = "not written: "


def code_problems(directory: Path) -> list[Problem]:
    """Every breach in modules and host scripts."""
    found: list[Problem] = []
    for path in _modules(directory):
        found += _python(directory, path)
    for path in host_programs(directory):
        text = path.read_text("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if any(sign in line for sign in _JINJA):
                say = "a sign of Jinja in a host script, expected what differs in a file beside it"
                found.append(_at(directory, path, number, say))
        if is_shell(path):
            continue
        if "python3" not in text.partition("\n")[0]:
            say = "no program for sh or python3, expected #!/bin/sh or #!/usr/bin/python3 -IB"
            found.append(_at(directory, path, 1, say))
            continue
        found += _python(directory, path)
    return found


def host_programs(directory: Path) -> list[Path]:
    """The host scripts: what lies beside them with a suffix is no program."""
    host = directory / "templates" / "host"
    return sorted(path for path in host.glob("*") if path.is_file() and not path.suffix)


def is_shell(path: Path) -> bool:
    """Whether a host script is one of the shell's."""
    first = path.read_text("utf-8", "replace").partition("\n")[0].split()
    return bool(first) and first[0] in ("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/bash")


def left_to_write(directory: Path) -> list[Problem]:
    """What the author has not written yet: ``@unwritten("…")``, and checks that are not there."""
    found: list[Problem] = []
    for path in [*_modules(directory), *sorted(directory.glob("checks/*.py"))]:
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, ValueError):
            continue
        left = [(getattr(node, "lineno", 1), _left(node)) for node in ast.walk(tree)]
        found += [_at(directory, path, line, said) for line, said in sorted(left) if said]
    return found


def _left(node: ast.AST) -> str:
    """What a piece of code says is not written; nothing where it says nothing."""
    if isinstance(node, ast.FunctionDef):
        marks = "".join(_said(mark, "unwritten") for mark in node.decorator_list)
        return f"{node.name}: {marks}" if marks else ""
    if isinstance(node, ast.Raise) and node.exc is not None:
        said = _said(node.exc, "Unknown")
        return said.removeprefix(_NOT_WRITTEN) if said.startswith(_NOT_WRITTEN) else ""
    return ""


def _said(call: ast.expr, name: str) -> str:
    """The text that a function of this name is called with."""
    is_it = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name
    given = call.args[0] if is_it and isinstance(call, ast.Call) and call.args else None
    return str(given.value) if isinstance(given, ast.Constant) else ""


def _modules(directory: Path) -> list[Path]:
    return sorted([*directory.glob("library/*.py"), *directory.glob("module_utils/*.py")])


def _python(directory: Path, path: Path) -> Iterator[Problem]:
    try:
        tree = ast.parse(path.read_text("utf-8"), feature_version=OLDEST)
    except SyntaxError as error:
        say = f"{error.msg}, expected Python {OLDEST[0]}.{OLDEST[1]}"
        yield _at(directory, path, error.lineno or 1, say)
        return
    except ValueError:
        yield _at(directory, path, 1, "not text in UTF-8, expected Python")
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AnsibleModule":
            given = {key.arg: getattr(key.value, "value", None) for key in node.keywords}
            if given.get("supports_check_mode") is not True:
                say = "a module without supports_check_mode=True: a preview would skip it"
                yield _at(directory, path, node.lineno, say)


def _at(directory: Path, path: Path, line: int, text: str) -> Problem:
    return Problem(str(path.relative_to(directory.parent)), line, text)
