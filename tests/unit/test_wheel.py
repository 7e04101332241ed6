"""The wheel carries all that wardship needs, and works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.adapters.hostprogram import build_host_program

ROOT = Path(__file__).parents[2]
#: Directory in the checkout → where the wheel has it.
TRAVELS = {
    "orchestrator": "orchestrator",
    "roles": "orchestrator/_shipped/roles",
    "templates": "orchestrator/_shipped/templates",
}
SHOW = """
import sys
from pathlib import Path
from orchestrator import resources
from orchestrator.adapters.hostprogram import build_host_program
for path in (resources.roles(), resources.templates(), resources.playbooks()):
    print(path)
print(build_host_program(Path(sys.argv[1])))
"""


def run(*argv: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Standard output; the process sees this environment's packages, after those in ``path``."""
    env = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [str(part) for part in argv]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network."""
    made = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made, cwd=ROOT)
    (found,) = made.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the wheel alone is installed."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input")
    run(*pip, "install", "--no-index", "--no-deps", "--target", target, wheel, cwd=target)
    return target


def travelling(directory: str, into: str) -> Iterator[str]:
    """Where the wheel has what is in the directory, save what tools left there."""
    for path in (ROOT / directory).rglob("*"):
        name = path.relative_to(ROOT / directory)
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
            yield f"{into}/{name}"


@pytest.mark.parametrize("directory", TRAVELS)
def test_every_file_travels(wheel: Path, directory: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    wanted = set(travelling(directory, TRAVELS[directory]))
    assert wanted, f"{directory} is empty"
    assert wanted - carried == set()


def test_nothing_else_travels(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"orchestrator"}


def test_resources_are_found_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    found = run(sys.executable, "-c", SHOW, tmp_path / "host", cwd=tmp_path, path=installed)
    *directories, _ = found.splitlines()
    assert [Path(directory).is_dir() for directory in directories] == [True] * 3
    assert [Path(directory).is_relative_to(installed) for directory in directories] == [True] * 3
    here = {path.name for path in resources.roles().iterdir()}
    assert {path.name for path in Path(directories[0]).iterdir()} == here


def test_the_host_program_is_the_same_bytes_as_from_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    found = run(sys.executable, "-c", SHOW, tmp_path / "host", cwd=tmp_path, path=installed)
    assert found.splitlines()[-1] == build_host_program(tmp_path / "here")


def test_the_command_starts_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    said = run(installed / "bin" / "wardship", "--version", cwd=tmp_path, path=installed)
    assert "0.1.0" in said
