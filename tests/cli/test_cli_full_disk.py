"""A disk that takes no more: no bug of ours, told with the file, and nothing half written stays."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import MachineError
from orchestrator.files import write_whole

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMp0nVrS9c3f0YkPq0Xc6s1b4wq0R2m8lJ7c9o8x1z2Y\n"
COMMANDS = {
    "a table": ("fleet", "import", "--template", "{}/table.csv"),
    "a role": ("role", "new", "viewer", "--kind", "viewer", "--to", "{}/roles"),
    "schemas": ("fleet", "schema", "--to", "{}/schemas"),
    "a key": ("fleet", "trust", "pacs-a", "--yes", "--key-file", "{}/key.pub"),
    "inventories": ("fleet", "render", "--to", "{}/inventory"),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_a_full_disk_is_told_and_leaves_nothing(what: str, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY)
    before = files(tmp_path)
    words = [word.replace("{}", str(tmp_path)) for word in COMMANDS[what]]
    said = subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli.app import main; main()",
         "--fleet", str(directory), *words],
        capture_output=True, text=True, timeout=60, check=False, preexec_fn=no_more,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert said.returncode == MachineError.exit_code, said.stderr
    assert "File too large" in said.stderr
    assert str(tmp_path) in said.stderr, "the file is not named"
    assert files(tmp_path) == before


def no_more() -> None:
    """No file may grow beyond a few bytes: the kernel refuses, as a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))


def files(top: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def test_what_is_there_stays_whole_when_the_new_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(FileExistsError):
        write_whole(path, [b"after"], is_new=True)
    write_whole(path, [b"af", b"ter"], mode=0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o600)
    assert [*tmp_path.iterdir()] == [path]
