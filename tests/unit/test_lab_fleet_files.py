"""The lab's fleet is a fleet like any other: it loads, and what a person changed in it stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters.secrets import Secrets
from orchestrator.fleet.model import Fleet
from orchestrator.lab.artifacts import Bundle
from orchestrator.lab.authority import secured
from orchestrator.lab.declared import Declared
from orchestrator.lab.fleet_files import write_fleet
from orchestrator.lab.provision import Hospital, Remote

HOSPITAL = Hospital(
    "Hospital A", "HOSPITALA", "web1", "database1", (Remote("CT1", "10.77.0.9", 11104),)
)
A = Declared(
    "hospital-a", "SZ", "Africa/Mbabane", "pacs-a", "10.77.0.11", "ssh-ed25519 AAAA lab", HOSPITAL
)


def write(directory: Path, declared: Declared = A) -> Fleet:
    releases = {}
    for version in ("1.12.7", "1.10.1"):
        path = directory.parent / f"orthanc-{version}.tar.gz"
        path.write_text(version)
        releases[version] = Bundle(
            version=version, path=path, sha256="0" * 64, size=path.stat().st_size, packages=()
        )
    key = directory.parent / "key"
    key.write_text("private")
    return write_fleet(
        directory, [declared], releases={"orthanc": releases}, mandated={"orthanc": "1.12.7"},
        ssh_key=key,
    )  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "fleet"


def test_it_declares_the_hospital_as_it_was_provisioned(directory: Path) -> None:
    host = write(directory).facilities["hospital-a"].hosts["pacs-a"]
    assert host.dicom is not None
    assert host.dicom.ae_title == HOSPITAL.ae_title
    assert [modality.ae_title for modality in host.modalities] == ["CT1"]
    assert host.settings == {"orthanc_name": HOSPITAL.title}


def test_the_depot_holds_each_release_and_the_newer_follows_the_older(directory: Path) -> None:
    fleet = write(directory)
    releases = fleet.catalog.products["orthanc"].releases
    assert [*releases] == ["1.10.1", "1.12.7"]
    assert releases["1.12.7"].upgrades_from == ("1.10.1",)
    for release in releases.values():
        assert fleet.artifact(release.artifact).stat().st_size == release.artifact.size


def test_secrets_are_in_the_vault_only(directory: Path) -> None:
    fleet = write(directory)
    host = fleet.facilities["hospital-a"].hosts["pacs-a"]
    assert host.web is not None
    assert host.web.password is not None
    secrets = Secrets(fleet, {})
    assert secrets.resolve(host.web.password) == "web1"
    assert secrets.resolve(host.secrets["orthanc_database_password"]) == "database1"
    texts = [path.read_text() for path in directory.rglob("*") if path.is_file()]
    assert not [text for text in texts if "database1" in text or "web1" in text]


def test_what_is_secret_only_its_owner_reads(directory: Path) -> None:
    write(directory)
    for name in ("vault.yml", "vault-password", "id_ed25519"):
        assert (directory / name).stat().st_mode & 0o077 == 0
    assert directory.stat().st_mode & 0o077 == 0


def test_the_hosts_keys_are_known_by_name(directory: Path) -> None:
    fleet = write(directory)
    assert fleet.known_hosts.read_text() == "pacs-a ssh-ed25519 AAAA\n"


def test_a_second_time_nothing_is_changed(directory: Path) -> None:
    first = write(directory)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert write(directory).digest == first.digest
    assert before == {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_what_a_person_changed_stays(directory: Path) -> None:
    write(directory)
    mandate = directory / "mandate.yml"
    mandate.write_text(mandate.read_text().replace("1.12.7", "1.10.1"))
    assert write(directory).mandate.orders[0].release == "1.10.1"


def test_a_hospital_with_tls_is_declared_with_what_is_public_of_it(
    directory: Path, tmp_path: Path
) -> None:
    made = secured(tmp_path / "kept", "pacs.invalid")
    assert secured(tmp_path / "kept", "pacs.invalid") == made
    assert (tmp_path / "kept/certificates.json").stat().st_mode & 0o077 == 0
    hospital = replace(HOSPITAL, secured=made)
    fleet = write(directory, replace(A, hospital=hospital))
    host = fleet.facilities["hospital-a"].hosts["pacs-a"]
    assert host.dicom is not None
    assert host.dicom.tls is not None
    assert host.dicom.tls.probe is not None
    assert host.dicom.tls.probe.key is not None
    assert Secrets(fleet, {}).resolve(host.dicom.tls.probe.key) == made.probe.key
    texts = [path.read_text() for path in directory.rglob("*.pem")]
    assert texts
    assert not [text for text in texts if "PRIVATE" in text]
