"""DICOM TLS as declared: files that are there, names that hold, keys that are private."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.certificates import look_at_certificates
from orchestrator.adapters.secrets import Secrets
from orchestrator.errors import FleetError
from orchestrator.fleet.inventory import render
from orchestrator.fleet.load import load
from orchestrator.fleet.model import Fleet
from orchestrator.lab.authority import Authority
from tests.builders import facility_yaml, write_fleet, write_roles

A = "facilities/hospital-a.yml"
AUTHORITY = Authority()
ARCHIVE, PROBE = AUTHORITY.issue("pacs.invalid"), AUTHORITY.issue("wardship.invalid")
TLS = "{ca: ca.pem, certificate: pacs.pem, name: pacs.invalid, probe: {certificate: probe.pem, %s}}"
KEY_FILE = TLS % "key_file: probe.key"


def declared(tls: str) -> str:
    return facility_yaml("a", number=11).replace("port: 4242}", f"port: 4242, tls: {tls}}}")


def fleet_with(tmp_path: Path, tls: str, *, mode: int = 0o600, role_knows: bool = True) -> Fleet:
    texts = {"ca.pem": AUTHORITY.certificate, "pacs.pem": ARCHIVE.certificate}
    texts |= {"probe.pem": PROBE.certificate, "probe.key": PROBE.key, "text.pem": "no certificate"}
    directory = write_fleet(tmp_path / "fleet", {A: declared(tls), **texts})
    (directory / "probe.key").chmod(mode)
    roles = write_roles(tmp_path / "roles")
    specs = roles / "orthanc/meta/argument_specs.yml"
    if role_knows:
        known = "      wardship_dicom_tls: {type: bool}\n      wardship_host:"
        specs.write_text(specs.read_text().replace("      wardship_host:", known, 1))
    return load(directory, roles=roles)


def problems(tmp_path: Path, tls: str, **other: object) -> str:
    with pytest.raises(FleetError) as refused:
        fleet_with(tmp_path, tls, **other)  # type: ignore[arg-type]
    return "\n".join(refused.value.problems)


def test_a_declaration_with_its_files_holds_and_says_so_in_the_inventory(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, KEY_FILE)
    inventory = render(fleet, "hospital-a")[Path("hosts.yml")].decode()
    assert "wardship_dicom_tls: true" in inventory
    assert "wardship_dicom_tls_callers: certified" in inventory
    assert "probe" not in inventory
    assert fleet.suites_of(fleet.facilities["hospital-a"].hosts["pacs-a"])[-1] == "tls"
    assert "tls" not in fleet.suites_of(fleet.facilities["hospital-b"].hosts["pacs-b"])


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        (KEY_FILE.replace("ca.pem", "gone.pem"), "gone.pem cannot be read"),
        (KEY_FILE.replace("ca.pem", "text.pem"), "text.pem holds no certificate"),
        (KEY_FILE.replace("ca.pem", "../ca.pem"), "../ca.pem leaves the fleet directory"),
        (KEY_FILE.replace("name: pacs", "name: other"), "pacs.pem is of pacs.invalid, expected o"),
        (KEY_FILE.replace("name: pacs.invalid, ", ""), "is of pacs.invalid, expected 10.77.0.11"),
        (KEY_FILE.replace("probe.key", "gone.key"), "gone.key cannot be read"),
        (KEY_FILE.replace("probe.key", "/dev/null"), "/dev/null leaves the fleet directory"),
        (TLS % "key: {env: K}, key_file: probe.key", "exactly one of key and key_file"),
        (TLS.replace(", %s", ""), "exactly one of key and key_file"),
        ("{ca: ca.pem, certificate: pacs.pem, name: pacs.invalid}", "expected probe"),
        (KEY_FILE.replace("ca:", "callers: none, ca:"), "callers"),
        (KEY_FILE.replace("ca:", "version: 1.0, ca:"), "version"),
    ],
)
def test_what_does_not_hold_is_told_at_its_line(tmp_path: Path, tls: str, told: str) -> None:
    found = problems(tmp_path, tls)
    assert told in found
    assert f"{A}:" in found


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    assert "can be read by others, expected: chmod 600" in problems(tmp_path, KEY_FILE, mode=0o640)


def test_a_role_that_knows_no_tls_is_told(tmp_path: Path) -> None:
    told = problems(tmp_path, KEY_FILE, role_knows=False)
    assert "the role of orthanc knows no DICOM TLS" in told


def test_a_key_that_was_written_down_by_mistake_is_not_repeated(tmp_path: Path) -> None:
    assert "hunter2" not in problems(tmp_path, TLS % "key: hunter2")


def test_the_probes_key_is_among_what_must_not_be_told(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, TLS % "key: {env: PROBE_KEY}")
    secrets = Secrets(fleet, {"PROBE_KEY": PROBE.key})
    known = secrets.known(fleet.facilities["hospital-a"].hosts["pacs-a"])
    assert PROBE.key in known
    # Also where something shows it line by line.
    assert PROBE.key.splitlines()[1] in known


def test_callers_without_certificates_need_no_probe(tmp_path: Path) -> None:
    tls = "{ca: ca.pem, certificate: pacs.pem, name: pacs.invalid, callers: any}"
    fleet = fleet_with(tmp_path, tls)
    found = look_at_certificates(fleet, ["hospital-a", "hospital-b"])
    assert [one.whose for one in found.pop("pacs-a")] == ["authority", "archive"]
    assert found == {}


def test_a_file_that_went_since_is_a_problem_and_not_absent(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, KEY_FILE)
    (fleet.directory / "pacs.pem").unlink()
    (fleet.directory / "probe.pem").write_text("no certificate")
    found = look_at_certificates(fleet, ["hospital-a"])["pacs-a"]
    assert [(one.whose, bool(one.problem), one.not_after is None) for one in found] == [
        ("authority", False, False),
        ("archive", True, True),
        ("verifier", True, True),
    ]
