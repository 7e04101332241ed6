"""The role's verbs on a real host: what they learn, what they lay down, what they leave alone."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.lab.controlled import CHECKOUT, LONG
from tests.lab.pacs import Pacs

CHANGE = "hospital-b-0123abcd"
DIRECTORY = f"/var/lib/wardship/changes/{CHANGE}"
#: A child in the controller's namespace: one verb by the fleet's own wiring, the outcome as JSON.
VERB = """
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.fleet import inventory
from orchestrator.fleet.load import load
from orchestrator.wiring.survey import ansible_runner, ssh_configuration
verb, change, facility, host, check, fleet = sys.argv[1:]
fleet = load(Path(fleet))
artifact = fleet.catalog.products["orthanc"].releases["1.12.7"].artifact
with TemporaryDirectory() as scratch:
    inventory.write(inventory.render(fleet, facility), Path(scratch, "inventory"))
    build_host_program(Path(scratch, "wardship-host"))
    words = {} if verb == "survey" else {
        "wardship_change_set": change,
        "wardship_change_dir": f"/var/lib/wardship/changes/{change}",
        "wardship_from_release": "1.10.1",
        "wardship_to_release": "1.12.7",
        "wardship_host_program_path": f"{scratch}/wardship-host",
        "wardship_artifact": artifact.model_dump()
        | {"path": str(fleet.directory / fleet.settings.depot / artifact.file)},
    }
    outcome = ansible_runner(fleet, ssh_configuration(fleet)).run(
        verb, inventory=Path(scratch, "inventory"), hosts=[host], extra_vars=words,
        check=check == "check",
    )[host]
print(outcome.model_dump_json())
"""
#: What the clinic has: its processes, its configuration, its releases, its data's age.
FELT = """
systemctl show --property MainPID --property InvocationID orthanc postgresql@15-main
sha256sum /etc/orthanc/* /etc/systemd/system/orthanc.service
readlink /opt/orthanc/current; ls /etc/systemd/system
"""
LAID_DOWN = "find /opt/orthanc /usr/local/lib /var/lib/wardship -printf '%p %m %u %g %s\\n' | sort"


def verb(pacs: Pacs, name: str, *, check: bool = False) -> dict[str, Any]:
    """What became of a verb on the host."""
    mode = "check" if check else "do"
    arguments = [name, CHANGE, pacs.facility, pacs.host, mode, str(pacs.fleet)]
    ended = subprocess.run(
        [*pacs.demo.lab.enter_argv(), sys.executable, "-c", VERB, *arguments],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=LONG, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    secrets = pacs.demo.hospital(pacs.host)
    assert secrets.web_password not in ended.stdout + ended.stderr
    assert secrets.database_password not in ended.stdout + ended.stderr
    outcome: dict[str, Any] = json.loads(ended.stdout)
    return outcome


def shell(pacs: Pacs, script: str) -> str:
    """The output of a script on the host."""
    return pacs.run(["sh", "-c", script]).decode()


def test_a_survey_learns_the_host_and_changes_nothing(pacs: Pacs) -> None:
    before = shell(pacs, FELT)
    outcome = verb(pacs, "survey")
    assert outcome["status"] == "done", outcome
    assert not outcome["changed"]
    survey = outcome["data"]["survey"]
    assert (survey["release"], survey["running"]) == ("1.10.1", "1.10.1")
    assert survey["counts"]["instances"] == len(pacs.demo.objects(pacs.host))
    assert [service["active"] for service in survey["services"]] == ["active", "active"]
    assert [volume["is_subvolume"] for volume in outcome["data"]["volumes"]] == [True]
    assert outcome["data"]["problems"] == []
    assert shell(pacs, FELT) == before


def test_a_survey_tells_what_it_could_not_learn_and_what_is_undeclared(pacs: Pacs) -> None:
    shell(pacs, "sed -i 's/{/{ \"StableAge\": 7,/;t' /etc/orthanc/credentials.json")
    shell(pacs, "systemctl stop orthanc")
    found = verb(pacs, "survey")["data"]
    assert found["survey"]["running"] is None
    told = "; ".join(found["problems"])
    assert "web service: GET /system was not answered: " in told
    assert "the setting StableAge is made there and not declared" in told
    shell(pacs, "rm /opt/orthanc/current")
    outcome = verb(pacs, "survey")
    assert outcome["status"] == "failed"
    assert "no release can be read from /opt/orthanc/current" in outcome["because"]


def test_stage_is_previewed_done_once_redone_when_damaged_and_not_felt(pacs: Pacs) -> None:
    hospital = pacs.demo.hospital(pacs.host)
    felt, laid_down = shell(pacs, FELT), shell(pacs, f"{LAID_DOWN} || true")
    preview = verb(pacs, "stage", check=True)
    assert (preview["status"], preview["changed"]) == ("done", True)
    assert shell(pacs, f"{LAID_DOWN} || true") == laid_down
    staged = verb(pacs, "stage")
    assert (staged["status"], staged["changed"]) == ("done", True), staged
    after = shell(pacs, LAID_DOWN)
    again = verb(pacs, "stage")
    assert (again["status"], again["changed"]) == ("done", False), again
    assert not verb(pacs, "stage", check=True)["changed"]
    assert shell(pacs, LAID_DOWN) == after
    assert shell(pacs, FELT) == felt
    assert "ansible-wardship_files" in shell(pacs, "journalctl --no-pager")
    for secret in (hospital.web_password, hospital.database_password):
        assert secret not in shell(pacs, "journalctl --no-pager")
    assert f"{DIRECTORY}/scripts/start 700 root root" in after
    assert f"{DIRECTORY}/files/orthanc/credentials.json 640 root orthanc" in after
    assert verb(pacs, "precheck")["status"] == "done"
    shell(pacs, "rm /opt/orthanc/1.12.7/plugins/libOrthancDicomWeb.so")
    assert verb(pacs, "stage")["changed"]
    assert shell(pacs, LAID_DOWN) == after


def test_the_preview_shows_settings_against_the_live_ones(pacs: Pacs) -> None:
    pacs.settings(release="1.12.7", orthanc_extra={"StableAge": 30})
    preview = verb(pacs, "stage", check=True)
    (shown,) = [one for one in preview["differences"] if one["path"].startswith("/etc/orthanc")]
    assert shown["path"] == "/etc/orthanc/orthanc.json"
    assert "+StableAge = 30" in shown["text"].splitlines()


def test_precheck_refuses_with_every_reason_and_nothing_is_staged_into_a_running_change(
    pacs: Pacs,
) -> None:
    verb(pacs, "stage")
    shell(pacs, "btrfs subvolume create /data/live/inner")
    shell(pacs, f"rm {DIRECTORY}/scripts/start")
    shell(pacs, f'sed -i \'s/"Password": "/&x/\' {DIRECTORY}/files/orthanc/postgresql.json')
    outcome = verb(pacs, "precheck")
    assert outcome["status"] == "refused"
    told = outcome["refusals"]
    assert [one for one in told if "the host script start is not staged" in one]
    assert [one for one in told if "the database does not let Orthanc in" in one]
    assert [one for one in told if "has a subvolume inside" in one]
    assert [one for one in told if "inner is no part of Orthanc" in one]
    assert len(told) == 4, told

    shell(pacs, f"mkdir {DIRECTORY}/phases && echo '{{}}' >{DIRECTORY}/phases/quiesce.json")
    outcome = verb(pacs, "stage")
    assert outcome["status"] == "failed"
    assert "has begun on this host" in outcome["because"]


def test_cleanup_keeps_what_runs_and_what_others_laid_down(pacs: Pacs) -> None:
    shell(pacs, "mkdir -p /var/lib/wardship/artifacts /opt/orthanc/1.12.7")
    shell(pacs, "touch /var/lib/wardship/artifacts/orthanc-1.12.7.tar.gz")
    for current in ("1.10.1", "1.12.7"):
        shell(pacs, f"ln -sfn {current} /opt/orthanc/current")
        outcome = verb(pacs, "cleanup")
        assert outcome["status"] == "done", outcome
        assert shell(pacs, "ls /opt/orthanc").split() == ["1.10.1", "1.12.7", "current"]
        assert shell(pacs, "ls /var/lib/wardship/artifacts") == ""
