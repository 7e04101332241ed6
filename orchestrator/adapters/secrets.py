"""Secrets, from where the declaration says; held in memory only, never written or shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import yaml

from orchestrator.errors import FleetError
from orchestrator.files import write_whole
from orchestrator.fleet.model import Fleet, Host, SecretRef, VaultSettings
from orchestrator.fleet.problems import quoted

_LONGEST_PASSWORD = 1 << 16
#: Characters of a line that is no mere ``-----BEGIN PRIVATE KEY-----``.
_TELLING = 40
_LARGEST_VAULT = 4 << 20
_UNSAFE = "!unsafe"
_TEXTS = ("tag:yaml.org,2002:str", _UNSAFE)


class Secrets:
    """The secrets of one fleet. The vault is opened once, when a secret of it is asked for."""

    def __init__(self, fleet: Fleet, environment: Mapping[str, str] | None = None) -> None:
        self._directory = fleet.directory
        self._settings = fleet.settings.vault
        self._environment = os.environ if environment is None else environment
        self._vault: dict[str, str | None] | None = None
        self._is_closed = False

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
        secret = self._vault[ref.vault]
        if secret is None:
            raise FleetError(
                f"{ref.vault} in the vault is not a text", hint="expected one password there"
            )
        return secret

    def known(self, host: Host) -> tuple[str, ...]:
        """Those of a host's secrets that are here: what must not be in anything that is told."""
        refs = [*host.secrets.values(), *([host.web.password] if host.web else [])]
        tls = host.dicom.tls if host.dicom else None
        refs += [tls.probe.key] if tls and tls.probe else []
        found = []
        for ref in filter(None, refs):
            if ref.vault and self._is_closed:
                continue
            # One that is not here is asked for, and missed, by whoever needs it.
            with suppress(FleetError):
                found += _pieces(self.resolve(ref))
            self._is_closed = bool(ref.vault) and self._vault is None
        return tuple(found)

    def _from_environment(self, name: str) -> str:
        value = self._environment.get(name)
        if not value:
            raise FleetError(
                f"{name} is not in the environment", hint=f"set {name} and run the command again"
            )
        return value

    def _open(self) -> dict[str, str | None]:
        if self._settings is None:
            raise FleetError("fleet.yml names no vault file", hint="wardship fleet check")
        password = _password(self._directory, self._settings, self._environment)
        if password is None:
            raise FleetError(
                f"no password for {self._settings.file}",
                hint="see vault.password_file or vault.password_env in fleet.yml",
            )
        return _decrypted(self._directory / self._settings.file, password)


def _pieces(secret: str) -> list[str]:
    """A secret, and of one with several lines (a key) each that tells something on its own."""
    lines = secret.splitlines()
    return [secret, *(line for line in lines if len(line) >= _TELLING and len(lines) > 1)]


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
            return _first_line(path)
        except OSError:
            return None
        except UnicodeDecodeError:
            raise FleetError(
                f"{vault.password_file} is not UTF-8",
                hint="expected a file with the vault's password as text",
            ) from None
    return None


def _first_line(path: Path) -> str | None:
    """The password in a file, without the space around it. Only a file: a pipe would not end."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(_LONGEST_PASSWORD).decode("utf-8-sig").strip() or None


def _decrypted(path: Path, password: str) -> dict[str, str | None]:
    # Imported here: Ansible takes half a second, and most commands need no secret.
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    try:
        with path.open("rb") as file:
            closed = file.read(_LARGEST_VAULT + 1)
        if len(closed) > _LARGEST_VAULT:
            raise FleetError(
                f"{path.name} is larger than {_LARGEST_VAULT >> 20} MiB",
                hint="expected a vault with passwords only",
            )
        lib = VaultLib([("default", VaultSecret(password.encode()))])
        return secrets_in(bytes(lib.decrypt(closed)), path)
    except (AnsibleError, OSError, yaml.YAMLError, ValueError, RecursionError):
        # Neither Ansible's nor YAML's message is repeated: the latter may quote what is inside.
        raise FleetError(
            f"{path.name} does not open with this password, or is no vault",
            hint=f"try: ansible-vault view {path}",
        ) from None


def secrets_in(inside: bytes, path: Path) -> dict[str, str | None]:
    """The secrets of an opened vault; None for one that is several (a mapping of accounts).

    Raises:
        FleetError: Ansible would make something else of one than what is written there. Its name is
            told, never the secret.
    """
    root = yaml.compose(inside, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise FleetError(
            f"{path.name}: what is inside is not a mapping, expected NAME: SECRET a line",
            hint=f"ansible-vault edit {path}",
        )
    found: dict[str, str | None] = {}
    seen: set[int] = set()
    for name, node in root.value:
        for text in _texts(node, seen):
            if because := _misread(text):
                raise FleetError(
                    f"{path.name}: {quoted(name.value)} {because}",
                    hint=f"ansible-vault edit {path}",
                )
        if isinstance(name, yaml.ScalarNode):
            found[name.value] = node.value if isinstance(node, yaml.ScalarNode) else None
    return found


def _texts(node: yaml.Node, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    """Every value in a node, once: an alias leads to what was seen."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _texts(value, seen)
    else:
        for value in node.value:
            yield from _texts(value, seen)


def _misread(node: yaml.ScalarNode) -> str:
    """Why Ansible would take this for something else than its text; empty if it would not."""
    if node.tag not in _TEXTS:
        return "is not a text in YAML, expected it in quotes"
    if node.tag != _UNSAFE and any(mark in node.value for mark in ("{{", "{%", "{#")):
        return "holds {{, {% or {#, which Ansible takes as a template, expected !unsafe before it"
    return ""


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
    text = f'#!/bin/sh\nprintf "%s\\n" "${vault.password_env}"\n'
    write_whole(script, [text.encode()], mode=0o700)
    return script
