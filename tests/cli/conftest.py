"""Commands are run in this process, on a fleet of their own, with surveys that are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.cli.app import execute
from orchestrator.fleet.model import Fleet
from orchestrator.plan.model import Plan, Prediction
from orchestrator.survey.model import FacilitySurvey
from orchestrator.wiring import preview as predicting
from orchestrator.wiring import survey as wired
from tests.builders import write_fleet, write_roles


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of standard output."""
        return self.out.splitlines()[-1]


Wardship = Callable[..., Said]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet's directory; the roles are the tests' own."""
    roles = write_roles(tmp_path / "roles")
    monkeypatch.setattr(resources, "roles", lambda: roles)
    monkeypatch.delenv("WARDSHIP_FLEET", raising=False)
    monkeypatch.delenv("WARDSHIP_DEBUG", raising=False)
    return write_fleet(tmp_path / "fleet")


@pytest.fixture
def wardship(directory: Path, capfd: pytest.CaptureFixture[str]) -> Wardship:
    """Run ``wardship`` on the fleet."""

    def command(*arguments: str) -> Said:
        code = execute(["--fleet", str(directory), *arguments])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return command


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, FacilitySurvey]:
    """What a survey finds: fill it."""
    surveys: dict[str, FacilitySurvey] = {}

    def survey_fleet(
        fleet: Fleet, facilities: Sequence[str] = (), say: Callable[[str], None] = print
    ) -> dict[str, FacilitySurvey]:
        for name in wired.wanted(fleet, facilities):
            say(f"{name}: looking")
        return {name: surveys[name] for name in wired.wanted(fleet, facilities)}

    monkeypatch.setattr(wired, "survey_fleet", survey_fleet)
    monkeypatch.setattr(predicting, "predict", nothing_becomes_another)
    return surveys


def nothing_becomes_another(
    _fleet: Fleet, plan: Plan, say: Callable[[str], None] = print
) -> dict[str, Prediction]:
    """Check mode, asked of hosts that are as they would become."""
    say("predicting")
    return {host.host: Prediction() for one in plan.change_sets for host in one.hosts}
