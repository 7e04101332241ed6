"""The fleet directory of a lab: its hospitals declared as a ministry would declare real ones.

Written once; what a person changes in it afterwards stays. It holds everything that the controller
needs: keys, the hosts' keys, the vault with its password beside it (a lab's, nobody else's), depot.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.lab.artifacts import PRODUCT, RECIPES, Bundle
from orchestrator.lab.provision import LIVE, WEB_USER, Hospital

_VAULT, _VAULT_PASSWORD, _KEY = "vault.yml", "vault-password", "id_ed25519"


@dataclass(frozen=True)
class Declared:
    """A hospital of the lab and its one host. ``host_key``: type and key, as in a .pub file."""

    facility: str
    country: str
    timezone: str
    host: str
    address: str
    host_key: str
    hospital: Hospital


def write_fleet(
    directory: Path,
    declared: Sequence[Declared],
    *,
    releases: Mapping[str, Bundle],
    ssh_key: Path,
    release: str = "1.12.7",
) -> Fleet:
    """Write what is missing of the fleet, and read it back; ``release`` is what is mandated.

    Raises:
        FleetError: the directory holds a declaration that does not hold.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "facilities").mkdir(exist_ok=True)
    (directory / "depot").mkdir(exist_ok=True)
    for bundle in releases.values():
        _once(directory / "depot" / bundle.path.name, bundle.path.read_bytes())
    _once(directory / _KEY, ssh_key.read_bytes(), mode=0o600)
    known = "".join(f"{each.host} {' '.join(each.host_key.split()[:2])}\n" for each in declared)
    _once(directory / "known_hosts", known.encode())
    _write_certificates(directory, declared)
    _write_vault(directory, declared)
    _write_yaml(directory / "fleet.yml", _SETTINGS)
    _write_yaml(directory / "catalog.yml", _catalog(releases))
    _write_yaml(directory / "mandate.yml", _mandate(release))
    for each in declared:
        _write_yaml(directory / "facilities" / f"{each.facility}.yml", _facility(each))
    return load(directory)


_SETTINGS: dict[str, object] = {
    "fleet": "lab",
    "depot": "depot",
    "parallel": 2,
    "ssh": {"user": "root", "key": _KEY},
    "vault": {"file": _VAULT, "password_file": _VAULT_PASSWORD},
    "verify": {"retrieves": 20, "sample_files": 200, "patience_seconds": 15},
}


def _catalog(releases: Mapping[str, Bundle]) -> dict[str, object]:
    listed: dict[str, object] = {}
    for version in (known for known in RECIPES if known in releases):
        bundle = releases[version]
        artifact = {"file": bundle.path.name, "sha256": bundle.sha256, "size": bundle.size}
        older = list(listed)
        listed[version] = {"artifact": artifact} | ({"upgrades_from": older} if older else {})
    return {"products": {PRODUCT: {"role": PRODUCT, "releases": listed}}}


def _mandate(release: str) -> dict[str, object]:
    order = {"product": PRODUCT, "release": release, "facilities": "all"}
    return {"mandate": f"The archive of every hospital runs {release}", "orders": [order]}


def _facility(each: Declared) -> dict[str, object]:
    hospital = each.hospital
    modalities = [
        {"ae_title": remote.ae_title, "address": remote.address, "port": remote.port}
        | ({"tls": True} if remote.tls else {})
        for remote in hospital.modalities
    ]
    password = {"vault": f"web_password_{_variable(each.host)}"}
    host = {
        "address": each.address,
        "product": PRODUCT,
        "dicom": {"ae_title": hospital.ae_title, "port": 4242} | _tls(each),
        "web": {"port": 8042, "dicomweb": "/dicom-web", "user": WEB_USER, "password": password},
        "modalities": modalities,
        "settings": {"orthanc_name": hospital.title},
        "secrets": {
            "orthanc_database_password": {"vault": f"database_password_{_variable(each.host)}"}
        },
    }
    if hospital.live != LIVE:
        volumes = {"live": hospital.live}
        volumes |= {"images": hospital.images} if hospital.images else {}
        host |= {"volumes": volumes, "snapshot": "copy"}
    return {
        "facility": each.facility,
        "title": hospital.title,
        "country": each.country,
        "timezone": each.timezone,
        "hosts": {each.host: host},
    }


def _tls(each: Declared) -> dict[str, object]:
    if (found := each.hospital.secured) is None:
        return {}
    probe = {
        "certificate": f"tls/{each.host}-wardship.pem",
        "key": {"vault": f"dicom_key_{_variable(each.host)}"},
    }
    own = {"ca": f"tls/{each.host}-ca.pem", "certificate": f"tls/{each.host}.pem"}
    return {"tls": own | {"name": found.name, "probe": probe}}


def _write_certificates(directory: Path, declared: Sequence[Declared]) -> None:
    """What is public of a hospital's DICOM TLS. The archive's key is on its host alone."""
    for each in declared:
        if (found := each.hospital.secured) is None:
            continue
        (directory / "tls").mkdir(exist_ok=True)
        _once(directory / "tls" / f"{each.host}-ca.pem", found.ca.encode())
        _once(directory / "tls" / f"{each.host}.pem", found.archive.certificate.encode())
        own = found.probe.certificate.encode()
        _once(directory / "tls" / f"{each.host}-wardship.pem", own)


def _write_vault(directory: Path, declared: Sequence[Declared]) -> None:
    """The passwords, encrypted; ``ansible-vault view`` opens it with the password file."""
    # Imported here: Ansible takes half a second, and a lab that has its fleet needs none of it.
    from ansible.parsing.vault import VaultLib, VaultSecret

    if (directory / _VAULT).exists():
        return
    _once(directory / _VAULT_PASSWORD, f"{secrets.token_hex(16)}\n".encode(), mode=0o600)
    password = (directory / _VAULT_PASSWORD).read_text().strip()
    known: dict[str, str] = {}
    for each in declared:
        known[f"web_password_{_variable(each.host)}"] = each.hospital.web_password
        known[f"database_password_{_variable(each.host)}"] = each.hospital.database_password
        if each.hospital.secured:
            known[f"dicom_key_{_variable(each.host)}"] = each.hospital.secured.probe.key
    vault = VaultLib([("default", VaultSecret(password.encode()))])
    _once(directory / _VAULT, vault.encrypt(yaml.safe_dump(known).encode()), mode=0o600)


def _variable(host: str) -> str:
    return host.replace("-", "_")


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
