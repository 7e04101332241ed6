"""``wardship lab``: the commands reach the lab that they name, as they were written."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from orchestrator.cli import lab as commands
from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.lab import demo, faults
from orchestrator.lab.model import HostSpec, HostState, HostStatus, LabStatus
from tests.cli.conftest import Wardship

HOST = HostSpec("pacs-a", IPv4Address("10.77.0.11"))


class FakeLab:
    """A lab that writes down what is asked of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = HostState.RUNNING
        self.asked: list[str] = []

    def status(self) -> LabStatus:
        return LabStatus(self.name, (HostStatus(HOST, self.state, is_frozen=True),))

    def down(self) -> None:
        self.asked.append("down")

    def ssh_argv(self, host: str) -> list[str]:
        return ["ssh", self.name, host]

    def enter_argv(self) -> list[str]:
        return ["enter", self.name]

    def guest(self, host: str) -> str:
        return f"{self.name}/{host}"


@pytest.fixture
def fleet(directory: Path) -> Fleet:
    return load(directory)


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeLab]:
    made: dict[str, FakeLab] = {}
    monkeypatch.delenv("WARDSHIP_LAB", raising=False)
    monkeypatch.setattr(commands, "_lab", lambda name: made.setdefault(name, FakeLab(name)))
    return made


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    argv: list[str] = []
    monkeypatch.setattr("os.execvp", lambda _program, arguments: argv.extend(arguments))
    return argv


def test_up_furnishes_the_lab_and_names_its_fleet(
    wardship: Wardship,
    labs: dict[str, FakeLab],
    monkeypatch: pytest.MonkeyPatch,
    fleet: Fleet,
) -> None:
    monkeypatch.setattr(demo.Demo, "up", lambda _: fleet)
    said = wardship("lab", "up", "--name", "mine")
    assert said.code == 0
    assert said.out.splitlines()[0] == "pacs-a · 10.77.0.11 · running, has a golden state"
    command = f"wardship --fleet {fleet.directory} plan"
    assert said.last.endswith(f"next: wardship lab exec --name mine -- {command}")


def test_reset_puts_the_named_host_back(
    wardship: Wardship, labs: dict[str, FakeLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_back: list[str] = []
    monkeypatch.setattr(demo.Demo, "reset", lambda _, host: put_back.append(host))
    assert wardship("lab", "reset", "pacs-a").code == 0
    assert put_back == ["pacs-a"]


def test_status_of_a_lab_that_does_not_run_says_how_to_bring_it_up(
    wardship: Wardship, labs: dict[str, FakeLab]
) -> None:
    labs["dev"] = FakeLab("dev")
    assert wardship("lab", "status").last.startswith("nothing was changed")
    labs["dev"].state = HostState.STOPPED
    assert wardship("lab", "status").last == (
        "not every host runs. next: wardship lab up --name dev"
    )
    answer = json.loads(wardship("lab", "status", "--json").out)
    assert answer["hosts"][0]["state"] == "stopped"


def test_the_environment_names_the_lab(
    wardship: Wardship, labs: dict[str, FakeLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDSHIP_LAB", "other")
    wardship("lab", "down")
    assert labs["other"].asked == ["down"]


def test_exec_hands_the_command_on_as_it_was_written(
    wardship: Wardship, labs: dict[str, FakeLab], became: list[str]
) -> None:
    wardship("lab", "exec", "--name", "mine", "--", "wardship", "--json", "plan", "--name", "x")
    assert became == ["enter", "mine", "wardship", "--json", "plan", "--name", "x"]


def test_ssh_logs_in_or_runs_one_command(
    wardship: Wardship, labs: dict[str, FakeLab], became: list[str]
) -> None:
    wardship("lab", "ssh", "pacs-a")
    assert became == ["ssh", "dev", "pacs-a"]
    became.clear()
    wardship("lab", "ssh", "--name", "mine", "pacs-a", "--", "ls", "-l", "--json")
    assert became == ["ssh", "mine", "pacs-a", "ls", "-l", "--json"]


def test_break_arms_the_fault_on_the_host(
    wardship: Wardship, labs: dict[str, FakeLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: list[object] = []
    monkeypatch.setattr(faults, "break_", lambda *a, **k: armed.append((a, k)))
    said = wardship("lab", "break", "pacs-a", "wrong-ae", "--release", "1.12.7")
    how = {"when": "on-switch", "release": "1.12.7", "stays": False}
    assert armed == [(("dev/pacs-a", "wrong-ae"), how)]
    assert "wardship lab lift --name dev pacs-a wrong-ae" in said.last


def test_a_fault_can_be_told_to_stay(
    wardship: Wardship, labs: dict[str, FakeLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: list[object] = []
    monkeypatch.setattr(faults, "break_", lambda *a, **k: armed.append((a, k)))
    wardship("lab", "break", "pacs-a", "disk-full", "--stays")
    how = {"when": "on-switch", "release": None, "stays": True}
    assert armed == [(("dev/pacs-a", "disk-full"), how)]


def test_a_fault_that_is_not_known_is_named_with_those_that_are(
    wardship: Wardship, labs: dict[str, FakeLab]
) -> None:
    said = wardship("lab", "break", "pacs-a", "earthquake")
    assert said.code == 60
    assert "wrong-ae" in said.err


def test_a_moment_that_is_not_known_is_refused(
    wardship: Wardship, labs: dict[str, FakeLab]
) -> None:
    said = wardship("lab", "break", "pacs-a", "wrong-ae", "--when", "later")
    assert said.code == 60
    assert "later is no moment" in said.err


def test_lift_ends_one_fault_or_all(
    wardship: Wardship, labs: dict[str, FakeLab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifted: list[object] = []
    monkeypatch.setattr(faults, "lift", lambda *a: lifted.append(a))
    monkeypatch.setattr(faults, "lift_all", lambda *a: lifted.append(a))
    wardship("lab", "lift", "pacs-a", "wrong-ae")
    wardship("lab", "lift", "pacs-a")
    assert lifted == [("dev/pacs-a", "wrong-ae"), ("dev/pacs-a",)]


def test_the_faults_are_listed(wardship: Wardship) -> None:
    assert "no-postgresql-plugin" in wardship("lab", "faults").out.splitlines()


def test_a_lab_needs_root(wardship: Wardship, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    said = wardship("lab", "status")
    assert said.code == 60
    assert "needs root" in said.err
