"""The exit code says in what state the hospitals are; a message says what, where and what next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli import app as cli
from orchestrator.cli.console import clean
from orchestrator.cli.context import Context
from orchestrator.cli.ends import _closing
from orchestrator.errors import FleetError, PlanError, RestoreError, RolloutError, SurveyError
from orchestrator.rollout.model import State
from tests.builders_report import applied
from tests.cli.conftest import Wardship


@pytest.mark.parametrize(
    ("error", "code"),
    [(FleetError, 10), (SurveyError, 20), (PlanError, 30), (RolloutError, 40), (RestoreError, 50)],
)
def test_an_error_gives_its_code_and_its_hint(
    wardship: Wardship, monkeypatch: pytest.MonkeyPatch, error: type[FleetError], code: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error("what happened", hint="what to do")

    monkeypatch.setattr(cli, "app", broken)
    said = wardship("fleet", "show")
    assert said.code == code
    assert said.err.splitlines() == ["wardship: what happened", "next: what to do"]
    assert said.out == ""


def test_a_bug_is_said_in_a_line_and_told_whole_only_when_asked(
    wardship: Wardship, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(cli, "app", broken)
    said = wardship("fleet", "show")
    assert said.code == 70
    assert "wardship has a bug: KeyError" in said.err
    assert "Traceback" not in said.err
    monkeypatch.setenv("WARDSHIP_DEBUG", "1")
    assert "Traceback" in wardship("fleet", "show").err


@pytest.mark.parametrize("arguments", [("flet",), ("fleet", "trust"), ("fleet", "show", "--no")])
def test_a_wrong_command_line_is_64(wardship: Wardship, arguments: tuple[str, ...]) -> None:
    said = wardship(*arguments)
    assert said.code == 64
    assert "--help" in said.err


def test_an_interrupt_is_130(wardship: Wardship, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Context, "fleet", interrupted)
    said = wardship("fleet", "show")
    assert said.code == 130
    assert "interrupted" in said.err


def test_global_options_may_stand_anywhere_before_two_dashes() -> None:
    given = ["lab", "exec", "--json", "--fleet", "DIR", "--", "ls", "--json"]
    assert cli.globals_first(given) == ["--json", "--fleet", "DIR", "lab", "exec", "--", "ls",
                                        "--json"]  # fmt: skip


def test_an_error_is_one_json_document_too(wardship: Wardship) -> None:
    said = wardship("fleet", "render", "--json", "--fleet=/no/such/fleet")
    assert said.code == 10
    error = json.loads(said.out)["error"]
    assert error["kind"] == "FleetError"
    assert error["exit_code"] == 10
    assert "--fleet DIR" in error["hint"]


def test_every_problem_of_a_fleet_is_told(wardship: Wardship, directory: Path) -> None:
    (directory / "fleet.yml").write_text("fleet: Test\n")
    (directory / "mandate.yml").write_text("mandate: x\n")
    said = wardship("fleet", "check")
    assert said.code == 10
    assert "  fleet.yml:1: fleet: Test, expected" in said.err
    assert "  mandate.yml:1: orders: missing" in said.err


def test_what_a_host_says_cannot_move_the_cursor_or_turn_the_text() -> None:
    assert clean("a\x1b[2Jb\x9b1mc\u202ed\re\tf") == "a�[2Jb�1mc�d�e\tf"


def test_the_version_is_told(wardship: Wardship) -> None:
    said = wardship("--version")
    assert said.code == 0
    assert said.out.startswith("wardship ")


def test_a_short_pipe_is_no_error(wardship: Wardship, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert wardship("fleet", "show").code == 0


@pytest.mark.parametrize(
    "words", [("nosuch",), ("run", "x", "--bogus"), (), ("status", "\udcff")], ids=str
)
def test_a_wrong_command_line_is_answered_in_json_too(
    words: tuple[str, ...], wardship: Wardship
) -> None:
    said = wardship("--json", *words)
    error = json.loads(said.out)["error"]
    assert (said.code, error["exit_code"], error["kind"]) == (64, 64, "UsageError")
    assert error["what"]


def test_a_door_that_no_host_promised_to_keep_shut_is_not_called_shut() -> None:
    story = applied().fails(State.VERIFYING, 4, "no").does(State.REVERTING, 1)
    story.does(State.RESTORING, 4).fails(State.CONFIRMING, 4, "an image is missing")
    shut = story.record(State.NEEDS_HANDS)
    assert "the door of hospital-b-3f9c2a10 stays shut" in _closing([shut])
    last = shut.entries[-1].model_copy(update={"evidence": {"untold": ["it is over here"]}})
    opened = shut.model_copy(update={"entries": (*shut.entries[:-1], last)})
    assert "stays shut" not in _closing([opened])
    assert "see there whether the door of hospital-b-3f9c2a10 is shut" in _closing([opened])
