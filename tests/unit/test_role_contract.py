"""A role's contract: the shipped roles keep it, and each breach is told with its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.errors import FleetError
from orchestrator.fleet.contract import look
from orchestrator.fleet.contract_code import left_to_write
from orchestrator.fleet.scaffold import KINDS, scaffold, write
from orchestrator.wiring import role as wired
from orchestrator.wiring.role import check_role

ROLES = sorted(path.name for path in resources.roles().iterdir() if (path / "tasks").is_dir())
UNWRITTEN = {
    "running", "counts", "stored", "writes_to", "under_way", "received_ago", "migrate", "forget",
}  # fmt: skip


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A role that was just begun; ansible-lint, which takes seconds, has a test of its own."""
    monkeypatch.setattr(wired, "lint", lambda _role: [])
    write(scaffold(resources.templates() / "role", "small", "viewer"), tmp_path / "small")
    return tmp_path / "small"


@pytest.mark.parametrize("name", ROLES)
def test_a_shipped_role_keeps_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wired, "lint", lambda _role: [])  # make check-roles has ansible-lint
    assert check_role(resources.roles() / name).left == ()


def test_there_are_roles_to_hold_to_it() -> None:
    assert {"orthanc", "snapshot_btrfs", "host_program"} <= set(ROLES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_just_begun_keeps_the_contract_and_names_all_that_is_left(
    kind: str, tmp_path: Path
) -> None:
    write(scaffold(resources.templates() / "role", "small", kind), tmp_path / "small")
    found = look(tmp_path / "small")
    assert found.problems == ()
    assert found.role is not None
    assert found.role.kind == kind
    told = {problem.text.partition(":")[0] for problem in left_to_write(tmp_path / "small")}
    assert told == {*UNWRITTEN, "ask the product through web which release it is"}


MATCH = "def main():\n    match 1:\n        case 1: pass\n"
BREACHES = [
    ("meta/wardship.yml", "guard: host", "guard: nobody", "guard: nobody, expected"),
    ("meta/wardship.yml", "  - service\n", "  - surgery\n", "no such suite of checks: surgery"),
    ("meta/wardship.yml", "    - /opt/small/current\n", "", "/opt/small/current is below none of"),
    ("meta/wardship.yml", "target: /etc/small", "target: /srv/x", "/srv/x is below none of"),
    ("meta/wardship.yml", "- /etc/small\n", "- /data/small/x\n", "lies in the volume /data/small"),
    ("meta/argument_specs.yml", "  cleanup:\n", "  tidy:\n", "no entry cleanup, expected one"),
    ("meta/argument_specs.yml", "  cleanup:\n", "  tidy:\n", "an entry tidy without tasks"),
    ("meta/argument_specs.yml", "small_settings:", "small_password:", "is not no_log"),
    ("tasks/main.yml", "Name a verb", "Welcome", "expected one task, ansible.builtin.fail"),
    ("tasks/main.yml", "fail:", "debug:", "expected one task, ansible.builtin.fail"),
    ("tasks/stage.yml", "  diff: false", "  ignore_errors: true", "ignore_errors hides a failure"),
    ("tasks/stage.yml", "  diff: false", "  failed_when: false", "unknown would be a pass"),
    ("tasks/stage.yml", "  diff: false", "  rescue: []", "rescue counts as a failure"),
    ("tasks/stage.yml", 'name: start, mode: "0700"', 'name: start, mode: "0600"', "mode 0600"),
    ("tasks/stage.yml", "name: start, mode", "name: begin, mode", "start is laid down not at all"),
    ("tasks/cleanup.yml", "state: absent", "state: latest", "state: latest, expected a version"),
    ("tasks/survey.yml", "small_survey:", "include_role: {tasks_from: x.yml}\n  x:", "tasks_from"),
    ("templates/host/start", "import json", "{% if x %}", "a sign of Jinja"),
    ("templates/host/stop", "#!/usr/bin/python3 -IB", "#!/usr/bin/perl", "no program for sh or"),
    (
        "templates/host/stop",
        "#!/usr/bin/python3 -IB",
        "#!/bin/sh",
        "expected what /bin/sh can read",
    ),
    ("templates/host/stop", "def main():\n", MATCH, "expected Python 3.9"),
    ("library/small_survey.py", "supports_check_mode=True", "no_log=True", "supports_check_mode"),
    ("checks/test_small.py", "def test_", "def (test_", "checks that cannot be read"),
    ("checks/test_small.py", "test_small_release", "test_dicom_echo", "are taken: dicom-echo"),
]


@pytest.mark.parametrize(("file", "old", "new", "told"), BREACHES)
def test_a_breach_is_told_with_its_file(
    role: Path, file: str, old: str, new: str, told: str
) -> None:
    path = role / file
    text = path.read_text()
    assert old in text, "the breach would be none"
    path.write_text(text.replace(old, new))
    with pytest.raises(FleetError) as refused:
        check_role(role)
    assert any(told in problem for problem in refused.value.problems), refused.value.problems
    assert all(problem.startswith("small/") for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("tasks/survey.yml", "no survey.yml"),
        ("tasks/main.yml", "no main.yml"),
        ("templates/host/forget", "no host script forget"),
        ("meta/wardship.yml", "not there"),
        ("meta/argument_specs.yml", "not there"),
    ],
)
def test_what_is_missing_is_told(role: Path, file: str, told: str) -> None:
    (role / file).unlink()
    with pytest.raises(FleetError) as refused:
        check_role(role)
    assert any(told in problem for problem in refused.value.problems), refused.value.problems


def test_breaches_are_told_all_at_once(role: Path) -> None:
    (role / "tasks" / "survey.yml").unlink()
    (role / "templates" / "host" / "forget").unlink()
    with pytest.raises(FleetError, match=r"2 breaches"):
        check_role(role)


def test_failed_when_false_is_let_through_with_an_assert_after_it(role: Path) -> None:
    path = role / "tasks" / "cleanup.yml"
    path.write_text(
        "---\n- name: Ask\n  ansible.builtin.command: {argv: [/bin/true]}\n  failed_when: false\n"
        "  changed_when: false\n- name: Look\n  ansible.builtin.assert: {that: [true]}\n"
    )
    assert look(role).problems == ()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("stop", "stored is not written"),
        ("start", "running is not written"),
        ("migrate", "migrate is not written"),
        ("census", "stored is not written"),
        ("forget", "forget is not written"),
    ],
)
def test_a_host_script_that_is_not_written_refuses(
    role: Path, tmp_path: Path, script: str, told: str
) -> None:
    laid = tmp_path / "scripts"
    laid.mkdir()
    for module in (role / "module_utils").glob("*.py"):
        (laid / module.name).write_bytes(module.read_bytes())
    (laid / script).write_bytes((role / "templates" / "host" / script).read_bytes())
    (laid / "settings.json").write_text('{"services": [], "start_seconds": 0}')
    given = dict.fromkeys(("WARDSHIP_RELEASE", "WARDSHIP_FROM", "WARDSHIP_STUDY"), "1.0")
    ended = subprocess.run(
        [sys.executable, "-IB", str(laid / script)],
        env={**given, "WARDSHIP_CENSUS": str(tmp_path / "census"), "WARDSHIP_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert told in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "census").exists()


def test_a_role_that_is_there_is_never_written_over(role: Path) -> None:
    before = (role / "tasks" / "main.yml").read_bytes()
    with pytest.raises(FleetError, match="is there already"):
        write(scaffold(resources.templates() / "role", "small", "ris"), role)
    assert (role / "tasks" / "main.yml").read_bytes() == before


@pytest.mark.parametrize("name", ["Small", "my-role", "", "../x", "a" * 31, "1st"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(FleetError, match="is no name"):
        scaffold(resources.templates() / "role", name, "viewer")
