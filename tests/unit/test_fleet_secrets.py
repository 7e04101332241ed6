"""Secrets come from where the declaration says, and are in no message."""

from __future__ import annotations

import subprocess
from pathlib import Path
from unittest.mock import Mock

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from orchestrator.adapters.secrets import Secrets, vault_names, vault_password_file
from orchestrator.errors import FleetError
from orchestrator.fleet.load import check
from orchestrator.fleet.model import Fleet, SecretRef, VaultSettings
from tests.builders import FLEET, a_fleet, write_fleet, write_roles

SETTINGS = FLEET + "vault: {file: vault.yml, password_file: password, password_env: VAULT_PASS}\n"


PASSWORD = "open sesame"


def encrypted(text: str) -> str:
    lib = VaultLib([("default", VaultSecret(PASSWORD.encode()))])
    return bytes(lib.encrypt(text)).decode()


def fleet_with(tmp_path: Path, vault: str, password: str | None = PASSWORD) -> Fleet:
    fleet = a_fleet(tmp_path, {"fleet.yml": SETTINGS, "vault.yml": vault})
    if password is not None:
        (fleet.directory / "password").write_text(f"{password}\n")
    return fleet


def test_a_vault_reference_is_resolved(tmp_path: Path) -> None:
    secrets = Secrets(fleet_with(tmp_path, encrypted("pacs_a: hunter2\n")), {})
    assert secrets.resolve(SecretRef(vault="pacs_a")) == "hunter2"


def test_the_environments_password_opens_the_vault_first(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, encrypted("pacs_a: hunter2\n"), password="wrong")
    secrets = Secrets(fleet, {"VAULT_PASS": "open sesame"})
    assert secrets.resolve(SecretRef(vault="pacs_a")) == "hunter2"


def test_an_environment_reference_is_resolved(tmp_path: Path) -> None:
    assert Secrets(a_fleet(tmp_path), {"X": "hunter2"}).resolve(SecretRef(env="X")) == "hunter2"


def test_the_secrets_of_a_host_that_are_here_are_known_and_the_others_left_out(
    tmp_path: Path,
) -> None:
    fleet = a_fleet(tmp_path)
    host = fleet.facilities["hospital-a"].hosts["pacs-a"]
    assert Secrets(fleet, {"WEB_PASSWORD": "hunter2"}).known(host) == ("hunter2",)


def test_a_vault_that_does_not_open_is_not_tried_again_for_each_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleet_with(tmp_path, encrypted("pacs_a: hunter2\n"), password="wrong")
    host = fleet.facilities["hospital-a"].hosts["pacs-a"]
    refs = {name: SecretRef(vault="pacs_a") for name in ("one", "two", "three")}
    secrets = Secrets(fleet, {})
    opening = Mock(side_effect=secrets._open)
    monkeypatch.setattr(secrets, "_open", opening)
    assert secrets.known(host.model_copy(update={"secrets": refs})) == ()
    assert opening.call_count == 1


@pytest.mark.parametrize("environment", [{}, {"X": ""}])
def test_an_unset_variable_is_an_error_never_an_empty_secret(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with pytest.raises(FleetError, match="X is not in the environment"):
        Secrets(a_fleet(tmp_path), environment).resolve(SecretRef(env="X"))


@pytest.mark.parametrize(
    ("inside", "password", "told"),
    [
        ("pacs_a: hunter2\n", "wrong", "does not open with this password"),
        ("pacs_a: hunter2\n", None, "no password for vault.yml"),
        ("hunter2", "open sesame", "is not a mapping"),
        ("pacs_a: [hunter2", "open sesame", "does not open with this password, or is no vault"),
        ("pacs_b: hunter2\n", "open sesame", "no pacs_a in the vault"),
    ],
)
def test_what_is_wrong_with_a_vault_is_told_without_its_content(
    tmp_path: Path, inside: str, password: str | None, told: str
) -> None:
    secrets = Secrets(fleet_with(tmp_path, encrypted(inside), password), {})
    with pytest.raises(FleetError) as caught:
        secrets.resolve(SecretRef(vault="pacs_a"))
    assert told in caught.value.what
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_names_are_read_without_the_secrets(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, encrypted("pacs_a: hunter2\npacs_b: x\n"))
    assert fleet.settings.vault
    names = vault_names(fleet.directory, fleet.settings.vault)
    assert names == frozenset({"pacs_a", "pacs_b"})


def test_without_a_password_the_names_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "vault.yml").write_text(encrypted("pacs_a: hunter2\n"))
    settings = VaultSettings(file="vault.yml", password_file="not-there")
    assert vault_names(tmp_path, settings) is None


def test_a_vault_that_does_not_open_is_a_problem_of_the_fleet(tmp_path: Path) -> None:
    changes = {"fleet.yml": SETTINGS, "vault.yml": encrypted("a: b\n"), "password": "wrong"}
    directory = write_fleet(tmp_path / "fleet", changes)
    with pytest.raises(FleetError) as caught:
        check(directory, vault_names=vault_names, roles=write_roles(tmp_path / "roles"))
    assert caught.value.problems == (
        "fleet.yml:5: vault.yml does not open with this password, or is no vault",
    )


def test_ansible_is_given_the_declared_password_file(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, encrypted("a: b\n"))
    assert vault_password_file(fleet) == fleet.directory / "password"


def test_ansible_is_given_the_environments_password_by_a_script_that_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_PASS", PASSWORD)
    script = vault_password_file(fleet_with(tmp_path, encrypted("a: b\n"), password="wrong"))
    assert script
    assert PASSWORD not in script.read_text()
    said = subprocess.run([script], capture_output=True, text=True, check=True).stdout
    assert said == f"{PASSWORD}\n"


def test_a_fleet_without_a_vault_has_no_password_file(tmp_path: Path) -> None:
    assert vault_password_file(a_fleet(tmp_path)) is None
