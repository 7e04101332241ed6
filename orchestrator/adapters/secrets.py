"""Secrets, from where the declaration says; held in memory only, never written or shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from orchestrator.errors import FleetError
from orchestrator.fleet.model import Fleet, SecretRef, VaultSettings


class Secrets:
    """The secrets of one fleet. The vault is opened once, when a secret of it is asked for."""

    def __init__(self, fleet: Fleet, environment: Mapping[str, str] | None = None) -> None:
        self._directory = fleet.directory
        self._settings = fleet.settings.vault
        self._environment = os.environ if environment is None else environment
        self._vault: dict[str, str] | None = None

    def resolve(self, ref: SecretRef) -> str:
        """The secret itself.

        Raises:
            FleetError: it is not where the declaration says; the message holds no secret.
        """
        if ref.env:
            return self._from_environment(ref.env)
        assert ref.vault
        if self._vault is None:
            self._vault = self._open()
        if ref.vault not in self._vault:
            raise FleetError(f"no {ref.vault} in the vault", hint="wardship fleet check")
        return self._vault[ref.vault]

    def _from_environment(self, name: str) -> str:
        value = self._environment.get(name)
        if not value:
            raise FleetError(
                f"{name} is not in the environment", hint=f"set {name} and run the command again"
            )
        return value

    def _open(self) -> dict[str, str]:
        if self._settings is None:
            raise FleetError("fleet.yml names no vault file", hint="wardship fleet check")
        password = _password(self._directory, self._settings, self._environment)
        if password is None:
            raise FleetError(
                f"no password for {self._settings.file}",
                hint="see vault.password_file or vault.password_env in fleet.yml",
            )
        return _decrypted(self._directory / self._settings.file, password)


def vault_names(directory: Path, vault: VaultSettings) -> frozenset[str] | None:
    """The names in a vault file; None where its password is not here.

    Raises:
        FleetError: the password is here and does not open it, or what is inside is not a mapping.
    """
    password = _password(directory, vault, os.environ)
    if password is None:
        return None
    return frozenset(_decrypted(directory / vault.file, password))


def _password(directory: Path, vault: VaultSettings, environment: Mapping[str, str]) -> str | None:
    if vault.password_env and environment.get(vault.password_env):
        return environment[vault.password_env]
    if vault.password_file:
        path = directory / Path(vault.password_file).expanduser()
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None
    return None


def _decrypted(path: Path, password: str) -> dict[str, str]:
    # Imported here: Ansible takes half a second, and most commands need no secret.
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    try:
        lib = VaultLib([("default", VaultSecret(password.encode()))])
        content = yaml.safe_load(bytes(lib.decrypt(path.read_bytes())))
    except (AnsibleError, OSError, yaml.YAMLError):
        # Neither Ansible's nor YAML's message is repeated: the latter may quote what is inside.
        raise FleetError(
            f"{path.name} does not open with this password, or is no vault",
            hint=f"try: ansible-vault view {path}",
        ) from None
    if not isinstance(content, dict):
        raise FleetError(
            f"{path.name}: what is inside is not a mapping",
            hint=f"expected NAME: SECRET a line: ansible-vault edit {path}",
        )
    return {str(name): str(value) for name, value in content.items()}


def vault_password_file(fleet: Fleet) -> Path | None:
    """What Ansible asks for the vault's password: the declared file, or a script that reads the
    environment at that moment. The password itself is written nowhere.
    """
    vault = fleet.settings.vault
    if vault is None:
        return None
    in_environment = vault.password_env and os.environ.get(vault.password_env)
    if vault.password_file and not in_environment:
        return fleet.path(vault.password_file)
    if not in_environment:
        return None
    fleet.state.mkdir(mode=0o700, exist_ok=True)
    script = fleet.state / "vault-password"
    partial = script.with_name(f".{script.name}.{os.getpid()}")
    partial.touch(mode=0o700)
    partial.write_text(f'#!/bin/sh\nprintf "%s\\n" "${vault.password_env}"\n', encoding="utf-8")
    partial.replace(script)
    return script
