"""What must hold between the parts of a declaration."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.load import check
from orchestrator.fleet.model import VaultSettings
from orchestrator.fleet.rules import in_version_order
from tests.builders import FLEET, MANDATE, facility_yaml, write_fleet, write_roles

A, B = "facilities/hospital-a.yml", "facilities/hospital-b.yml"
VAULT = FLEET + "vault: {file: vault.yml}\n"
ENCRYPTED = "$ANSIBLE_VAULT;1.1;AES256\n00\n"


def checked(
    tmp_path: Path, changes: dict[str, str], names: Collection[str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(problems, notes) of a fleet with these changes, its vault holding these names."""

    def names_of(_directory: Path, _vault: VaultSettings) -> Collection[str] | None:
        return names

    directory = write_fleet(tmp_path / "fleet", changes)
    try:
        found = check(directory, vault_names=names_of, roles=write_roles(tmp_path / "roles"))
    except FleetError as error:
        return error.problems, ()
    return (), found.notes


def hospital(letter: str, old: str = "", new: str = "") -> str:
    text = facility_yaml(letter, number=11 if letter == "a" else 12)
    assert old in text
    return text.replace(old, new, 1)


SECOND_CT1 = "      - {ae_title: CT1, address: 10.77.0.8, port: 104}\n    secrets:"
SETTINGS = "    settings: {%s}\n    secrets:"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({B: hospital("b", "  pacs-b:", "  pacs-a:")},
         f"{B}:5: host pacs-a is declared in {A}:5 too, expected a name of its own"),
        ({B: hospital("b", "10.77.0.12", "10.77.0.11")},
         f"{B}:6: address 10.77.0.11 is declared in {A}:6 too, expected one host each"),
        ({A: hospital("a", "  pacs-a:", "  localhost:")},
         f"{A}:5: localhost means something else to Ansible, rename it"),
        ({A: hospital("a", "  pacs-a:", "  hospital-a:")},
         f"{A}:5: host hospital-a is named as its facility, rename it"),
        ({A: hospital("a", "product: orthanc", "product: conquest")},
         f"{A}:7: no product conquest in the catalog, expected one of orthanc"),
        ({"mandate.yml": MANDATE.replace('"1.12.7"', '"9.9"')},
         "mandate.yml:3: no release 9.9 of orthanc, expected one of 1.10.1, 1.12.7, 1.13.0"),
        ({"mandate.yml": MANDATE.replace("product: orthanc", "product: horos")},
         "mandate.yml:3: no product horos in the catalog, expected one of orthanc"),
        ({"mandate.yml": MANDATE.replace("all", "[hospital-z]")},
         "mandate.yml:3: no facility hospital-z, expected one of hospital-a, hospital-b"),
        ({"mandate.yml": MANDATE + '  - {product: orthanc, release: "1.13.0", facilities:'
          " [hospital-b]}\n"},
         "mandate.yml:4: orthanc at hospital-b is ordered in mandate.yml:3 too, expected one"
         " order"),
        ({A: hospital("a", "    secrets:", SETTINGS % "orthanc_plugin: [x]")},
         f"{A}:15: orthanc has no setting orthanc_plugin, expected orthanc_extra, orthanc_log,"
         " orthanc_name, orthanc_plugins"),
        ({A: hospital("a", "    secrets:", SETTINGS % "orthanc_plugins: dicomweb")},
         f"{A}:15: orthanc_plugins is not a list, expected a list"),
        ({A: hospital("a", "    secrets:", SETTINGS % "orthanc_plugins: [dicomweb, x]")},
         f"{A}:15: orthanc_plugins is x, expected one of postgresql, dicomweb"),
        ({A: hospital("a", "      user: wardship\n", "")},
         f"{A}:5: orthanc needs web.user, expected it here"),
        ({A: hospital("a", "    secrets:", SETTINGS % "orthanc_log: loud")},
         f"{A}:15: orthanc_log is loud, expected one of default, verbose"),
        ({A: hospital("a", "    secrets:", SETTINGS % "wardship_host: x")},
         f"{A}:15: wardship_host is set by wardship itself, expected it not here"),
        ({A: hospital("a", "    secrets:", SETTINGS % "ansible_host: x")},
         f"{A}:15: ansible_host is set by wardship itself, expected it not here"),
        ({A: hospital("a", "    secrets:", SETTINGS % "orthanc_database_password: hunter2")},
         f"{A}:15: orthanc_database_password is a secret, expected it under secrets, as a"
         " reference"),
        ({A: hospital("a", "orthanc_database_password:", "orthanc_name:")},
         f"{A}:5: orthanc needs orthanc_database_password, expected it under secrets"),
        ({A: hospital("a", "orthanc_database_password:", "orthanc_pasword:")},
         f"{A}:16: orthanc has no option orthanc_pasword for this secret"),
        ({A: hospital("a", "    secrets:", "    volumes: {archive: /data/x}\n    secrets:")},
         f"{A}:15: orthanc has no volume archive, expected live"),
        ({A: hospital("a", "    secrets:", "    databases: {index: x}\n    secrets:")},
         f"{A}:15: orthanc has no database index, expected none"),
        ({A: hospital("a", "    secrets:", "    snapshot: postgres\n    secrets:")},
         f"{A}:15: the role of orthanc names no database, expected another way"),
        ({A: hospital("a", "ae_title: HOSPITALA", "ae_title: WARDSHIP")},
         f"{A}:8: WARDSHIP is the probe's own AE title, choose another"),
        ({A: hospital("a", "ae_title: CT1", "ae_title: WARDSHIP")},
         f"{A}:14: WARDSHIP is the probe's own AE title, choose another"),
        ({A: hospital("a", "ae_title: CT1", "ae_title: HOSPITALA")},
         f"{A}:14: HOSPITALA is the AE title of pacs-a itself, choose another"),
        ({A: hospital("a", "    secrets:", SECOND_CT1)},
         f"{A}:15: modality CT1 is declared in {A}:14 too"),
        ({A: hospital("a", "{env: DATABASE_PASSWORD}", "{vault: pacs_a}")},
         f"{A}:16: a vault variable, but fleet.yml names no vault file"),
        ({"fleet.yml": VAULT},
         "fleet.yml:5: no file vault.yml, expected an ansible-vault file"),
        ({"fleet.yml": VAULT, "vault.yml": "pacs_a: hunter2\n"},
         "fleet.yml:5: vault.yml is not encrypted, expected: ansible-vault encrypt vault.yml"),
        ({"fleet.yml": FLEET + "vault: {file: ../vault.yml}\n"},
         "fleet.yml:5: ../vault.yml leaves the fleet directory, expected a file inside it"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_told(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    found, _ = checked(tmp_path, changes)
    assert told in found, "\n".join(found)


def test_two_pacs_of_a_hospital_have_their_own_ae_titles(tmp_path: Path) -> None:
    second = hospital("a").partition("hosts:\n")[2].replace("pacs-a", "pacs-c")
    text = hospital("a") + second.replace("10.77.0.11", "10.77.0.13")
    found, _ = checked(tmp_path, {A: text})
    assert found == (f"{A}:20: AE title HOSPITALA is declared in {A}:8 too, expected a unique one",)


def test_the_same_address_behind_another_gateway_is_another_host(tmp_path: Path) -> None:
    text = hospital("b", "10.77.0.12", "10.77.0.11").replace(
        "    product:", "    ssh: {jump: gateway-b}\n    product:"
    )
    assert checked(tmp_path, {B: text}) == ((), ())


def test_an_upgrade_starts_from_a_known_older_release(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    catalog = (directory / "catalog.yml").read_text()
    catalog = catalog.replace('["1.10.1"]', '["1.9.9"]').replace('["1.12.7"]', '["1.13.0"]')
    found, _ = checked(tmp_path, {"catalog.yml": catalog})
    assert found == (
        "catalog.yml:8: no release 1.9.9 of orthanc, expected one of 1.10.1, 1.12.7, 1.13.0",
        "catalog.yml:11: 1.13.0 is not older than 1.13.0, expected older releases",
    )


def with_vault(reference: str) -> dict[str, str]:
    text = hospital("a", "{env: DATABASE_PASSWORD}", f"{{vault: {reference}}}")
    return {"fleet.yml": VAULT, "vault.yml": ENCRYPTED, A: text}


def test_a_secret_that_the_vault_lacks_is_told(tmp_path: Path) -> None:
    found, _ = checked(tmp_path, with_vault("pacs_a"), names=["pacs_b"])
    assert found == (f"{A}:16: no pacs_a in vault.yml, expected it there",)


def test_a_vault_that_cannot_be_opened_is_said_not_passed(tmp_path: Path) -> None:
    found, notes = checked(tmp_path, with_vault("pacs_a"), names=None)
    assert found == ()
    assert [note.partition(":")[0] for note in notes] == ["vault.yml"]
    assert "not opened" in notes[0]


def test_a_hosts_variable_does_not_hide_the_vaults(tmp_path: Path) -> None:
    changes = with_vault("orthanc_name")
    changes[A] = changes[A].replace("    secrets:", SETTINGS % "orthanc_name: A")
    found, _ = checked(tmp_path, changes, names=["orthanc_name"])
    assert found == (
        f"{A}:5: the host's own orthanc_name hides the vault's for orthanc_database_password,"
        " rename the latter",
    )


def test_releases_sort_as_people_sort_them() -> None:
    releases = ["1.0~rc1", "1.0", "1.0.1", "1.0b", "1.9", "1.10.1", "1.12.7", "2"]
    assert sorted(releases, key=in_version_order) == [
        "1.0~rc1", "1.0", "1.0.1", "1.0b", "1.9", "1.10.1", "1.12.7", "2",
    ]  # fmt: skip
