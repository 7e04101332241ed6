"""How hosts are reached: the one ssh configuration, and what an answer means."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.adapters.ssh import (
    Broken,
    Done,
    HostProgram,
    Refused,
    Unreachable,
    understood,
)
from orchestrator.adapters.ssh_config import Target, control_directory, write_ssh_config
from orchestrator.errors import FleetError
from orchestrator.fleet.model import Ssh


@pytest.fixture
def config(tmp_path: Path) -> Path:
    targets = [
        Target(name="pacs-a", address="10.0.0.1", ssh=Ssh(key="keys/id", port=2222)),
        Target(name="pacs-b", address="10.0.0.1", ssh=Ssh(user="ops", jump="gw@bastion")),
    ]
    return write_ssh_config(
        tmp_path / "run/ssh_config", targets, fleet=tmp_path / "a fleet",
        known_hosts=tmp_path / "a fleet/known_hosts", control_dir=tmp_path / "c",
    )  # fmt: skip


def effective(config: Path, host: str) -> dict[str, str]:
    """What ssh itself makes of it."""
    shown = subprocess.run(
        ["ssh", "-G", "-F", config, host], capture_output=True, text=True, check=True
    )
    return dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)


def test_ssh_reads_the_configuration_as_it_is_meant(config: Path, tmp_path: Path) -> None:
    a = effective(config, "pacs-a")
    wanted = {
        "hostname": "10.0.0.1", "port": "2222", "user": "root", "hostkeyalias": "pacs-a",
        "identityfile": str(tmp_path / "a fleet/keys/id"), "identitiesonly": "yes",
        "batchmode": "yes", "stricthostkeychecking": "true", "globalknownhostsfile": "/dev/null",
        "updatehostkeys": "false", "controlmaster": "auto", "controlpersist": "900",
        "userknownhostsfile": str(tmp_path / "a fleet/known_hosts"), "forwardagent": "no",
    }  # fmt: skip
    assert {name: a.get(name) for name in wanted} == wanted
    assert config.stat().st_mode & 0o777 == 0o600


def test_one_address_behind_two_gateways_is_two_hosts(config: Path) -> None:
    a, b = effective(config, "pacs-a"), effective(config, "pacs-b")
    assert b["proxyjump"] == "gw@bastion"
    assert b["user"] == "ops"
    assert a["controlpath"] != b["controlpath"]


def test_a_socket_fits_its_path(config: Path, tmp_path: Path) -> None:
    directory = control_directory(tmp_path / ("long" * 30))
    assert len(f"{directory}/{'0' * 40}.{'0' * 16}") < 104


def test_the_control_directory_is_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory = control_directory(tmp_path)
    assert directory == control_directory(tmp_path)
    assert directory.stat().st_mode & 0o777 == 0o700
    directory.chmod(0o755)
    with pytest.raises(FleetError, match="only you may enter"):
        control_directory(tmp_path)
    directory.rmdir()
    directory.symlink_to(tmp_path)
    with pytest.raises(FleetError, match="only you may enter"):
        control_directory(tmp_path)


REFUSAL = b'{"refused": "epoch", "because": "7 is lower than 9"}'


@pytest.mark.parametrize(
    ("code", "stdout", "stderr", "kind", "told"),
    [
        (0, b'{"epoch": 7}', b"", Done, ""),
        (3, REFUSAL, b"", Refused, "7 is lower than 9"),
        (255, b"", b"Connection refused", Unreachable, "pacs-a: Connection refused"),
        (255, b'{"epoch": 7}', b"", Unreachable, "the connection broke"),
        (0, b'{"epoch"', b"", Unreachable, "the answer was cut off"),
        (0, b"", b"", Unreachable, "the answer was cut off"),
        (0, b"[]", b"", Unreachable, "no JSON object"),
        (64, b"", b"usage\nno such verb", Broken, "pacs-a: no such verb"),
        (70, b'{"because": "KeyError"}', b"", Broken, "pacs-a: KeyError"),
        (127, b"", b"sh: not found", Broken, "sh: not found"),
        (3, b"", b"", Broken, "no reason given"),
        (-9, b"", b"", Unreachable, "the connection broke"),
    ],
)
def test_only_an_object_and_success_is_done(
    code: int, stdout: bytes, stderr: bytes, kind: type, told: str
) -> None:
    reply = understood("pacs-a", code, stdout, stderr)
    assert type(reply) is kind
    assert isinstance(reply, Done) or told in reply.because


FAKE_SSH = """#!/bin/sh
case "$*" in *slow*) exec sleep 60 ;; esac
input=$(cat)
printf '{"said": "%s", "read": "%s"}' "$(printf %s "$*" | tr -d '"' | tr '\\047' '.')" "$input"
"""


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(FAKE_SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("fake_ssh")
def test_a_call_is_quoted_and_gets_its_input() -> None:
    reply = HostProgram(Path("cfg"), become={"pacs-a": True}).call(
        "pacs-a", ["reverse", "--because", "it's; late"], stdin=b"manifest", fresh=True
    )
    assert isinstance(reply, Done)
    assert reply.data["read"] == "manifest"
    said = str(reply.data["said"])
    assert said.startswith("-F cfg -o ControlPath=none pacs-a -- sudo -n /usr/local/lib/wardship/")
    assert said.endswith("reverse --because .it...s; late.")


@pytest.mark.usefixtures("fake_ssh")
def test_silence_is_unreachable_in_time() -> None:
    began = time.monotonic()
    reply = HostProgram(Path("cfg")).call("pacs-a", ["slow"], timeout=0.3)
    assert reply == Unreachable(because="pacs-a gave no answer within 0 s")
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("fake_ssh")
def test_a_shared_connection_is_used_unless_a_fresh_one_is_asked_for() -> None:
    reply = HostProgram(Path("cfg")).call("pacs-a", ["status"])
    assert isinstance(reply, Done)
    assert "ControlPath" not in json.dumps(reply.data)
