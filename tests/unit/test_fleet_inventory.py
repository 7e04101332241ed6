"""An inventory that plain Ansible reads, with the same bytes for the same declaration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.inventory import render, write
from tests.builders import FLEET, a_fleet, facility_yaml

A = "facilities/hospital-a.yml"
BIN = Path(sys.executable).parent


def ansible(tool: str, *arguments: str, home: Path) -> str:
    program = shutil.which(tool, path=f"{BIN}:{os.environ['PATH']}")
    assert program
    environment = {**os.environ, "ANSIBLE_HOME": str(home), "WEB_PASSWORD": "from the environment"}
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_plain_ansible_reads_it_with_the_vault(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    vault = tmp_path / "vault.yml"
    vault.write_text("orthanc_database_password: from the vault\nother: x\n")
    password = f"--vault-password-file={tmp_path / 'password'}"
    ansible("ansible-vault", "encrypt", password, str(vault), home=tmp_path)
    text = facility_yaml("a", number=11).replace(
        "{env: DATABASE_PASSWORD}", "{vault: orthanc_database_password}"
    )
    text = text.replace(
        "    secrets:\n", "    settings: {orthanc_name: '{{ oops }}'}\n    secrets:\n"
    )
    fleet = a_fleet(
        tmp_path,
        {
            "fleet.yml": FLEET + "vault: {file: vault.yml}\n",
            A: text,
            "vault.yml": vault.read_text(),
        },
    )
    write(render(fleet, "hospital-a"), tmp_path / "inventory")
    arguments = ("-i", str(tmp_path / "inventory"), password)
    listed = json.loads(ansible("ansible-inventory", *arguments, "--list", home=tmp_path))
    assert list(listed["_meta"]["hostvars"]) == ["pacs-a"]
    seen = ansible(
        "ansible", *arguments, "pacs-a", "-c", "local", "-m", "ansible.builtin.debug",
        "-a", "msg={{ [orthanc_database_password, wardship_web_password, orthanc_name] }}",
        home=tmp_path,
    )  # fmt: skip
    assert json.loads(seen.partition("=>")[2])["msg"] == [
        "from the vault", "from the environment", "{{ oops }}",
    ]  # fmt: skip


def test_the_same_declaration_gives_the_same_bytes(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path)
    assert render(fleet, "hospital-a") == render(a_fleet(tmp_path), "hospital-a")


def test_no_secret_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PASSWORD", "hunter2")
    files = render(a_fleet(tmp_path), "hospital-a")
    assert b"hunter2" not in b"".join(files.values())


def test_it_is_written_for_its_owner_only(tmp_path: Path) -> None:
    write(render(a_fleet(tmp_path), "hospital-a"), tmp_path / "inventory")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("inventory/**/*")}
    assert modes == {"hosts.yml": 0o600}
    assert (tmp_path / "inventory").stat().st_mode & 0o777 == 0o700


def test_a_directory_with_blanks_and_percents_reaches_ssh_whole(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path / "a b%h")
    write(render(fleet, "hospital-a"), tmp_path / "inventory")
    listed = ansible(
        "ansible-inventory", "-i", str(tmp_path / "inventory"), "--list", home=tmp_path
    )
    common = json.loads(listed)["_meta"]["hostvars"]["pacs-a"]["ansible_ssh_common_args"]
    asked = subprocess.run(
        ["sh", "-c", f"ssh -G -F /dev/null {common} x"], capture_output=True, text=True, check=True
    ).stdout
    known = next(line for line in asked.splitlines() if line.startswith("userknownhostsfile "))
    assert known.removeprefix("userknownhostsfile ") == str(fleet.known_hosts)
    assert "hostkeyalias pacs-a" in asked


def test_a_facility_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="no facility hospital-z"):
        render(a_fleet(tmp_path), "hospital-z")
