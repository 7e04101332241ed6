"""Completion by the shells' own protocol, in a process of its own: names of the fleet at hand."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal

PROGRAM = Path(sys.executable).with_name("wardship")


def asked(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAM)],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def complete(directory: Path, line: str) -> list[str]:
    """What bash is told at the end of a line."""
    words = line.split(" ")
    done = asked(
        directory,
        _WARDSHIP_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def kept(directory: Path) -> Path:
    """A fleet with a plan and a journal."""
    plans = directory / ".wardship" / "plans"
    plans.mkdir(parents=True)
    (plans / f"{'ab12cd34ef56'}.json").write_text("{}")
    SqlJournal(directory / ".wardship" / "journal.sqlite").close()
    journal = sqlite3.connect(directory / ".wardship" / "journal.sqlite")
    with journal:
        journal.execute(
            "insert into change_sets (id, facility, plan, state, cause, runner, queued,"
            " abort_requested, since, body)"
            " values ('hospital-a-0123abcd', 'hospital-a', 'p', 's', '', '', 0, 0, 't', '{}')"
        )
    journal.close()
    return directory


def test_commands_are_completed(directory: Path) -> None:
    assert complete(directory, "wardship pl") == ["plan"]
    assert "schema" in complete(directory, "wardship fleet ")


def test_names_of_the_fleet_are_completed(kept: Path) -> None:
    facilities = sorted(path.stem for path in (kept / "facilities").glob("*.yml"))
    assert facilities
    assert complete(kept, "wardship plan ") == facilities
    assert complete(kept, "wardship survey zz") == []
    assert complete(kept, "wardship fleet trust pacs") != []
    assert complete(kept, "wardship run ab") == ["ab12cd34ef56"]
    for command in ("abort", "restore", "clear", "report", "status"):
        assert complete(kept, f"wardship {command} hos") == ["hospital-a-0123abcd"]
    assert complete(kept, "wardship role new x --kind ") == ["pacs", "ris", "viewer", "os"]


def test_the_fleet_that_is_named_is_the_one_that_is_looked_at(kept: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert complete(elsewhere, "wardship run ") == []
    assert complete(elsewhere, f"wardship --fleet {kept} run ") == ["ab12cd34ef56"]


def test_what_cannot_be_read_is_passed_over_in_silence(kept: Path) -> None:
    (kept / ".wardship" / "journal.sqlite").write_bytes(b"no journal")
    (kept / "facilities" / "broken.yml").write_text("hosts: [")
    assert complete(kept, "wardship status ") == []
    assert complete(kept, "wardship fleet trust pacs") != []


def test_zsh_and_fish_are_served_too(kept: Path) -> None:
    zsh = asked(kept, _WARDSHIP_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="wardship run ")
    assert "ab12cd34ef56" in zsh.stdout
    fish = asked(
        kept,
        _WARDSHIP_COMPLETE="complete_fish",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS="wardship run ",
    )
    assert "ab12cd34ef56" in fish.stdout


def test_bash_itself_completes_with_the_script_that_is_shown(kept: Path) -> None:
    script = subprocess.run(
        [str(PROGRAM), "--show-completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    ask = (
        f"{script}\nCOMP_WORDS=(wardship run ab); COMP_CWORD=2;"
        f' _wardship_completion {shlex.quote(str(PROGRAM))}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", ask], cwd=kept, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "ab12cd34ef56", done.stderr
