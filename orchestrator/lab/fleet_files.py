"""The fleet directory of a lab: its hospitals declared as a ministry would declare real ones.

Written once; what a person changes in it afterwards stays. It holds everything that the controller
needs: keys, the hosts' keys, the vault with its password beside it (a lab's, nobody else's), depot.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import yaml

from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.lab.artifacts import Bundle
from orchestrator.lab.declared import Declared

#: Product → version → its bundle.
Releases = Mapping[str, Mapping[str, Bundle]]

_VAULT, _VAULT_PASSWORD, _KEY = "vault.yml", "vault-password", "id_ed25519"


def write_fleet(
    directory: Path,
    declared: Sequence[Declared],
    *,
    releases: Releases,
    mandated: Mapping[str, str],
    ssh_key: Path,
) -> Fleet:
    """Write what is missing of the fleet, and read it back.

    ``releases``: product → version → its bundle; ``mandated``: product → release.

    Raises:
        FleetError: the directory holds a declaration that does not hold.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "facilities").mkdir(exist_ok=True)
    (directory / "depot").mkdir(exist_ok=True)
    for bundle in chain.from_iterable(each.values() for each in releases.values()):
        _once(directory / "depot" / bundle.path.name, bundle.path.read_bytes())
    _once(directory / _KEY, ssh_key.read_bytes(), mode=0o600)
    known = "".join(f"{each.host} {' '.join(each.host_key.split()[:2])}\n" for each in declared)
    _once(directory / "known_hosts", known.encode())
    _write_certificates(directory, declared)
    _write_vault(directory, declared)
    _write_yaml(directory / "fleet.yml", _SETTINGS)
    _write_yaml(directory / "catalog.yml", _catalog(releases))
    _write_yaml(directory / "mandate.yml", _mandate(mandated))
    for facility in {each.facility for each in declared}:
        hosts = [each for each in declared if each.facility == facility]
        _write_yaml(directory / "facilities" / f"{facility}.yml", _facility(hosts))
    return load(directory)


_SETTINGS: dict[str, object] = {
    "fleet": "lab",
    "depot": "depot",
    "parallel": 2,
    "ssh": {"user": "root", "key": _KEY},
    "vault": {"file": _VAULT, "password_file": _VAULT_PASSWORD},
    "verify": {"retrieves": 20, "sample_files": 200, "patience_seconds": 15},
}


#: What a release needs of another product, where the fleet has that: the lab's own rule.
_NEEDS = {"gnuhealth": ("5.", {"orthanc": ">=1.12"})}


def _needs(product: str, version: str, releases: Releases) -> dict[str, object]:
    prefix, needs = _NEEDS.get(product, ("", {}))
    known = {needed: which for needed, which in needs.items() if needed in releases}
    return {"needs": known} if known and version.startswith(prefix) else {}


def _catalog(releases: Releases) -> dict[str, object]:
    products: dict[str, object] = {}
    for product, bundles in releases.items():
        listed: dict[str, object] = {}
        for version in sorted(bundles, key=_order):
            bundle = bundles[version]
            artifact = {"file": bundle.path.name, "sha256": bundle.sha256, "size": bundle.size}
            older = list(listed)
            listed[version] = (
                {"artifact": artifact}
                | ({"upgrades_from": older} if older else {})
                | _needs(product, version, releases)
            )
        products[product] = {"role": product, "releases": listed}
    return {"products": products}


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _mandate(mandated: Mapping[str, str]) -> dict[str, object]:
    """``mandated``: product → release."""
    orders = [
        {"product": product, "release": release, "facilities": "all"}
        for product, release in mandated.items()
    ]
    told = " and ".join(f"{product} {release}" for product, release in mandated.items())
    return {"mandate": f"Every hospital runs {told}", "orders": orders}


def _facility(hosts: Sequence[Declared]) -> dict[str, object]:
    first = hosts[0]
    return {
        "facility": first.facility,
        "title": first.hospital.title,
        "country": first.country,
        "timezone": first.timezone,
        "hosts": {each.host: each.written() for each in hosts},
    }


def _write_certificates(directory: Path, declared: Sequence[Declared]) -> None:
    for each in declared:
        for name, text in each.certificates().items():
            (directory / name).parent.mkdir(exist_ok=True)
            _once(directory / name, text.encode())


def _write_vault(directory: Path, declared: Sequence[Declared]) -> None:
    """The passwords, encrypted; ``ansible-vault view`` opens it with the password file."""
    # Imported here: Ansible takes half a second, and a lab that has its fleet needs none of it.
    from ansible.parsing.vault import VaultLib, VaultSecret

    if (directory / _VAULT).exists():
        return
    _once(directory / _VAULT_PASSWORD, f"{secrets.token_hex(16)}\n".encode(), mode=0o600)
    password = (directory / _VAULT_PASSWORD).read_text().strip()
    known = {name: secret for each in declared for name, secret in each.vaulted().items()}
    vault = VaultLib([("default", VaultSecret(password.encode()))])
    _once(directory / _VAULT, vault.encrypt(yaml.safe_dump(known).encode()), mode=0o600)


def _write_yaml(path: Path, content: dict[str, object]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    _once(path, b"# Written by: wardship lab up. What you change here stays.\n" + text.encode())


def _once(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file that is not there yet, whole or not at all."""
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=mode)
    partial.write_bytes(content)
    partial.replace(path)
