"""Programs that look at a role: ansible-lint, where it is installed, and the shell's own parser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from orchestrator import resources
from orchestrator.fleet.problems import Problem

_COMPLAINT = re.compile(r"(?P<file>[^:]+):(?P<line>\d+)(?::\d+)?: (?P<text>.+)")


def lint(role: Path) -> list[Problem] | None:
    """What ansible-lint says of a role; None where it is not installed."""
    program = Path(sys.executable).with_name("ansible-lint")
    if not program.exists():
        return None
    library = resources.playbooks()
    env = os.environ | {
        "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_LIBRARY": f"{library / 'library'}:{role / 'library'}",
        "ANSIBLE_MODULE_UTILS": f"{library / 'module_utils'}:{role / 'module_utils'}",
        "ANSIBLE_ROLES_PATH": f"{role.parent}:{resources.roles()}",
    }
    # Lines may be long: Jinja in YAML cannot always be broken.
    rules = ["--offline", "--profile", "production", "-x", "yaml[line-length]"]
    ended = subprocess.run(
        [str(program), *rules, "-q", "--nocolor", "-p", role.name],
        cwd=role.parent, env=env, capture_output=True, text=True, check=False, timeout=300,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    found = [
        Problem(told["file"], int(told["line"]), told["text"])
        for line in ended.stdout.splitlines()
        if (told := _COMPLAINT.fullmatch(line.strip()))
    ]
    if ended.returncode and not found:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["no reason given"]
        found.append(Problem(role.name, 1, f"ansible-lint did not look at it: {said[-1]}"))
    return found


def shell_problems(role: Path, scripts: list[Path]) -> list[Problem]:
    """Shell scripts that the shell cannot read. Nothing of them is run."""
    found = []
    for path in scripts:
        shell = path.read_text("utf-8", "replace").partition("\n")[0].removeprefix("#!").split()[0]
        ended = subprocess.run(
            [shell, "-n", str(path)], capture_output=True, text=True, check=False, timeout=60
        )
        if ended.returncode:
            said = ended.stderr.strip().splitlines()[:1] or ["no reason given"]
            number = re.search(r": (?:line )?(\d+):", said[0])
            line = int(number[1]) if number else 1
            text = f"{said[0].rpartition(': ')[2]}, expected what {shell} can read"
            found.append(Problem(str(path.relative_to(role.parent)), line, text))
    return found
