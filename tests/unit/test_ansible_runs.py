"""Runs of real playbooks on this machine: when a run counts, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters.ansible import AnsibleRunner, HostOutcome
from orchestrator.errors import WardshipError

HOSTS = ("good", "bad", "ignored", "rescued", "refused", "dark")
PLAYBOOK = """\
- name: Survey
  hosts: all
  gather_facts: false
  tasks:
    - name: Find something
      found:
        refuse: "{{ inventory_hostname == 'refused' }}"
    - name: Fail for some
      ansible.builtin.fail:
        msg: "no room on web-secret"
      when: inventory_hostname == 'bad'
    - name: Fail unseen
      ansible.builtin.fail:
      when: inventory_hostname == 'ignored'
      ignore_errors: true
    - name: Fail and go on
      block:
        - name: Fail
          ansible.builtin.fail:
          when: inventory_hostname == 'rescued'
      rescue:
        - name: Go on
          ansible.builtin.debug:
"""
STAGE = """\
- name: Stage
  hosts: all
  gather_facts: false
  tasks:
    - name: Write
      ansible.builtin.copy:
        content: "{{ text }}"
        dest: "{{ dest }}"
        mode: "0600"
"""
MODULE = """\
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"refuse": {"type": "bool"}}, supports_check_mode=True)
refusals = ["not now", "nor web-secret"] if module.params["refuse"] else []
survey = {"name": "web-secret", "differences": ["web-secret is another"]}
found = {"release": "1.10.1", "refusals": refusals, "problems": ["web-secret"], "survey": survey}
module.exit_json(wardship=found if refusals else {"release": "1.10.1"})
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Playbooks and an inventory whose hosts are this machine, but for the one that is dark."""
    place = tmp_path_factory.mktemp("ansible")
    (place / "library").mkdir()
    (place / "library/found.py").write_text(MODULE)
    (place / "survey.yml").write_text(PLAYBOOK)
    (place / "stage.yml").write_text(STAGE)
    (place / "cleanup.yml").write_text(STAGE.replace("ansible.builtin.copy", "no_such_module"))
    (place / "precheck.yml").write_text(STAGE.replace("Write", "Wait").replace(
        'copy:\n        content: "{{ text }}"\n        dest: "{{ dest }}"\n        mode: "0600"',
        "command: sleep 60",
    ))  # fmt: skip
    (place / "ssh_config").write_text("Host dark\n  HostName 127.0.0.1\n  Port 1\n")
    local = {"ansible_connection": "local"}
    hosts = {name: {} if name == "dark" else local for name in HOSTS}
    (place / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    return place


def runner(place: Path) -> AnsibleRunner:
    return AnsibleRunner(
        playbooks=place, roles=place, runtime=place / "runs", ssh_config=place / "ssh_config",
        hide=("web-secret",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(place: Path) -> dict[str, HostOutcome]:
    hosts = (*HOSTS, "stranger")
    return runner(place).run("survey", inventory=place / "hosts.yml", hosts=hosts, extra_vars={})


def test_a_host_that_went_through_is_done_with_what_was_found(
    outcomes: dict[str, HostOutcome],
) -> None:
    good = outcomes["good"]
    assert good.is_done
    assert good.data == {"release": "1.10.1"}
    assert not good.changed


def test_a_failure_names_the_task_and_its_reason_without_secrets(
    outcomes: dict[str, HostOutcome],
) -> None:
    bad = outcomes["bad"]
    assert (bad.status, bad.task, bad.because) == ("failed", "Fail for some", "no room on ********")


def test_what_was_passed_over_is_a_failure(outcomes: dict[str, HostOutcome]) -> None:
    ignored, rescued = outcomes["ignored"], outcomes["rescued"]
    assert (ignored.status, rescued.status) == ("failed", "failed")
    assert ignored.because == "1 ignored, which counts as a failure"
    assert rescued.task == "Fail"


def test_refusals_are_told_all_and_are_not_done(outcomes: dict[str, HostOutcome]) -> None:
    refused = outcomes["refused"]
    assert refused.status == "refused"
    assert refused.refusals == ("not now", "nor ********")


def test_what_is_found_in_words_holds_no_secret_and_names_stay(
    outcomes: dict[str, HostOutcome],
) -> None:
    found = outcomes["refused"].data
    assert found["problems"] == ["********"]
    assert found["survey"] == {"name": "web-secret", "differences": ["******** is another"]}


def test_a_difference_that_a_module_did_not_mask_holds_no_secret(
    place: Path, tmp_path: Path
) -> None:
    text = "url = https://me:hidden-1@peer/\napi_key: hidden-2\nplain = this-run\nsize = 3\n"
    outcome = runner(place).run(
        "stage", inventory=place / "hosts.yml", hosts=["good"], check=True, hide=["this-run"],
        extra_vars={"dest": str(tmp_path / "written"), "text": text},
    )["good"]  # fmt: skip
    (difference,) = outcome.differences
    assert difference.text.splitlines()[-4:] == [
        "+url = https://(secret)@peer/", "+api_key: (secret)", "+plain = ********", "+size = 3"
    ]  # fmt: skip


def test_a_host_that_does_not_answer_is_unreachable(outcomes: dict[str, HostOutcome]) -> None:
    assert outcomes["dark"].status == "unreachable"
    # On a busy machine ssh's end of the pipe may be gone before its reason has come.
    told = outcomes["dark"].because
    assert "Connection refused" in told or "could not be sent" in told


def test_a_host_that_the_inventory_does_not_know_is_missing(
    outcomes: dict[str, HostOutcome],
) -> None:
    assert outcomes["stranger"].status == "missing"


def test_no_host_at_all_is_no_success(place: Path) -> None:
    found = runner(place).run(
        "survey", inventory=place / "hosts.yml", hosts=["stranger"], extra_vars={}
    )
    assert found["stranger"].status == "missing"
    assert found["stranger"].because


def test_a_preview_changes_nothing_and_the_next_run_does(place: Path, tmp_path: Path) -> None:
    dest = tmp_path / "written"
    variables = {"dest": str(dest), "text": "new\n"}

    def staged(*, check: bool) -> HostOutcome:
        return runner(place).run(
            "stage", inventory=place / "hosts.yml", hosts=["good"], extra_vars=variables,
            check=check,
        )["good"]  # fmt: skip

    preview = staged(check=True)
    assert preview.changed
    assert "+new" in preview.differences[0].text
    assert not dest.exists()
    assert staged(check=False).changed
    assert dest.read_text() == "new\n"
    assert not staged(check=True).changed
    assert list((place / "runs").iterdir()) == []


def test_a_broken_playbook_is_told_and_no_success(place: Path) -> None:
    found = runner(place).run(
        "cleanup", inventory=place / "hosts.yml", hosts=["good"], extra_vars={}
    )["good"]
    assert found.status == "missing"
    assert "no_such_module" in found.because


def test_a_verb_without_a_playbook_is_our_error(place: Path, tmp_path: Path) -> None:
    lost = AnsibleRunner(
        playbooks=tmp_path, roles=place, runtime=tmp_path, ssh_config=place / "ssh_config"
    )
    with pytest.raises(WardshipError, match="no playbook for the verb stage"):
        lost.run("stage", inventory=place / "hosts.yml", hosts=["good"], extra_vars={})


def test_a_run_that_takes_too_long_is_stopped_and_told(place: Path) -> None:
    found = runner(place).run(
        "precheck", inventory=place / "hosts.yml", hosts=["good"], extra_vars={}, timeout=4
    )["good"]
    assert found.status == "failed"
    assert "longer than 4 s" in found.because


CONTROLLER = """\
import sys
from pathlib import Path
from tests.unit.test_ansible_runs import runner
place = Path(sys.argv[1])
runner(place).run("precheck", inventory=place / "hosts.yml", hosts=["good"], extra_vars={})
"""


def test_a_killed_controller_leaves_no_playbook(place: Path) -> None:
    """And the next run removes the directory that it left."""
    words = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(place)], env=words)
    # The first is ansible-playbook, the second its worker, which has a session of its own.
    until(lambda: len(playbooks_of(place)) > 1, seconds=30)
    child.send_signal(signal.SIGKILL)
    child.wait()
    until(lambda: not playbooks_of(place), seconds=20)
    assert list((place / "runs").iterdir())
    runner(place).run("survey", inventory=place / "hosts.yml", hosts=["good"], extra_vars={})
    assert list((place / "runs").iterdir()) == []


def playbooks_of(place: Path) -> list[str]:
    """Processes of ansible-playbook that run this place's playbooks."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode().split("\0")
        except OSError:
            continue
        is_ansible = any(word.endswith("ansible-playbook") for word in words[:2])
        if is_ansible and str(place / "precheck.yml") in words:
            found.append(process.parent.name)
    return found


def until(claim: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)
