"""The suite's own rule: a run that skipped a test is not green."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
PASSES = "def test_it_runs(): pass\n"
SKIPS = "import pytest\n\ndef test_it_cannot_run(): pytest.skip('no root')\n"


def outcome(directory: Path, tests: str) -> tuple[int, str]:
    """Exit code and output of pytest over these tests under our conftest."""
    (directory / "conftest.py").write_text(CONFTEST.read_text())
    (directory / "test_some.py").write_text(tests)
    argv = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", "."]
    env = dict(os.environ) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(argv, cwd=directory, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_skip_fails_the_run_and_says_why(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, PASSES + SKIPS)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "skipped is not passed" in said


def test_a_run_without_skips_is_green(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, PASSES)
    assert code == pytest.ExitCode.OK
    assert "skipped is not passed" not in said
