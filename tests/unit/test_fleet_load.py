"""A fleet directory is read whole, or every problem of it is told at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.load import check, load
from orchestrator.fleet.model import VaultSettings
from orchestrator.fleet.yamlfile import LARGEST_FILE
from tests.builders import a_fleet, facility_yaml, fleet_files, write_fleet, write_roles

A = "facilities/hospital-a.yml"


def problems(tmp_path: Path, changes: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(FleetError) as caught:
        a_fleet(tmp_path, changes)
    return caught.value.problems


def changed(file: str, old: str, new: str) -> dict[str, str]:
    text = fleet_files()[file]
    assert old in text
    return {file: text.replace(old, new, 1)}


def test_a_valid_fleet_is_loaded_with_its_roles(tmp_path: Path) -> None:
    fleet = a_fleet(tmp_path)
    assert list(fleet.facilities) == ["hospital-a", "hospital-b"]
    assert fleet.roles["orthanc"].root == "/opt/orthanc"
    assert fleet.mandate.release_for("hospital-b", "orthanc") == "1.12.7"


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (A, "country: SZ", "country: SZ\ncountry: PT", f"{A}:3: country is here a second time"),
        (A, "country: SZ", "country: NO", f"{A}:2: country: NO is true or false in YAML, quote it"),
        (A, "country: SZ", "country: swaziland", f"{A}:2: country: swaziland, expected a country"),
        (A, "Africa/Mbabane", "Africa/Nowhere", f"{A}:3: timezone: Africa/Nowhere: no such time"),
        (
            A,
            "    address:",
            "    adress:",
            f"{A}:6: hosts.pacs-a.adress: unknown key",
        ),
        (A, "    address:", "    adress:", f"{A}:5: hosts.pacs-a.address: missing"),
        (A, "pacs-a:", "PACS_A:", f"{A}:5: hosts.PACS_A: the name PACS_A, expected small letters"),
        (A, "port: 8042", 'port: "8042"', f"{A}:10: hosts.pacs-a.web.port: 8042 is a text"),
        (A, "port: 8042", "port: 70000", f"{A}:10: hosts.pacs-a.web.port: 70000, expected less"),
        (A, "port: 8042", "port: 0x1F", f"{A}:10: 0x1F is a number that YAML 1.1 reads its own"),
        (A, "port: 8042", "port: &p 8042", f"{A}:10: anchor &p"),
        (A, "user: wardship", "user: !x wardship", f"{A}:11: tag !x"),
        (A, "facility:", "? [a]\n: b\nfacility:", f"{A}:1: a key that is not a word"),
        (A, "country:", "<<: {a: b}\ncountry:", f"{A}:2: merge key <<"),
        (A, "timezone:", "  timezone:", f"{A}:3: not YAML: mapping values are not allowed"),
        (
            A,
            "facility: hospital-a",
            "facility: hospital-x",
            f"{A}:1: facility hospital-x, exp",
        ),
        ("catalog.yml", '"1.12.7":', "1.12:", "catalog.yml:7: 1.12 is a float in YAML, quote it"),
        ("catalog.yml", '["1.10.1"]', "[1.10]", "catalog.yml:8: products.orthanc.releases.1.12.7."),
        ("mandate.yml", '"1.12.7"', "1.10", "mandate.yml:3: orders.0.release: 1.10 is a number in"),
        ("mandate.yml", "2027-03-31", "20270331", "mandate.yml:3: orders.0.by: 20270331: expected"),
        ("mandate.yml", "2027-03-31", "soon", "mandate.yml:3: orders.0.by: soon, "),
        ("fleet.yml", "fleet: test", "fleet: test\nssh: {}", "fleet.yml:3: ssh is here a second"),
        ("fleet.yml", "fleet: test", "--- {fleet: test}\n--- {}", "fleet.yml:2: a second document"),
        ("fleet.yml", "user: root", "jump: -oProxyCommand=x", "fleet.yml:3: ssh.jump: -oProxyComm"),
    ],
)
def test_a_problem_is_told_with_its_file_and_line(
    tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    found = problems(tmp_path, changed(file, old, new))
    assert any(problem.startswith(told) for problem in found), "\n".join(found)


def test_an_alias_is_refused_and_never_expanded(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nfleet: test\n"
    found = problems(tmp_path, {"fleet.yml": bomb})
    assert "fleet.yml:2: alias *a, expected the value itself" in found


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, {"fleet.yml": "fleet: " + "[" * 5000 + "]" * 5000})
    assert found[0].startswith("fleet.yml:1: not YAML: nested more than")


def test_problems_of_every_file_are_told_together(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        changed("fleet.yml", "user: root", "usr: root")
        | changed(A, "country: SZ", "country: sz")
        | changed("mandate.yml", '"1.12.7"', '"9.9"'),
    )
    assert [problem.split(":")[0] for problem in found] == [A, "fleet.yml", "mandate.yml"]


@pytest.mark.parametrize("where", ["password: {env: WEB_PASSWORD}", "{env: DATABASE_PASSWORD}"])
def test_a_secret_written_down_is_refused_and_not_repeated(tmp_path: Path, where: str) -> None:
    kept = where.partition(":")[0] + ": " if where.startswith("password") else ""
    found = problems(tmp_path, changed(A, where, f"{kept}hunter2"))
    assert any("never the secret itself" in problem for problem in found)
    assert "hunter2" not in "\n".join(found)


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("{vault: Hunter2!}", "Hunter2!"),
        ("{env: hunter2}", "hunter2"),
        ("{hunter2: x}", "hunter2"),
        ("{hunter2}", "hunter2"),
        ("{12345}", "12345"),
        ("0x1F", "0x1F"),
        ("[hunter2]", "hunter2"),
    ],
)
def test_no_spelling_of_a_secret_is_repeated(tmp_path: Path, written: str, secret: str) -> None:
    for place in ("{env: DATABASE_PASSWORD}", "{env: WEB_PASSWORD}"):
        found = problems(tmp_path, changed(A, place, written))
        assert secret not in "\n".join(found)


def test_a_file_over_one_mebibyte_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, {"fleet.yml": "#" * (LARGEST_FILE + 1)})
    assert "fleet.yml:1: larger than 1 MiB, expected a smaller file" in found


def test_text_that_is_not_utf8_is_refused_at_its_line(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    (directory / "fleet.yml").write_bytes(b"fleet: test\nssh: {key: caf\xe9}\n")
    with pytest.raises(FleetError) as caught:
        load(directory, roles=write_roles(tmp_path / "roles"))
    assert "fleet.yml:2: not UTF-8, expected text saved as UTF-8" in caught.value.problems


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    (directory / A).rename(tmp_path / "elsewhere.yml")
    (directory / A).symlink_to(tmp_path / "elsewhere.yml")
    with pytest.raises(FleetError) as caught:
        load(directory, roles=write_roles(tmp_path / "roles"))
    assert f"{A}:1: {A} leaves the fleet directory, expected a file inside it" in (
        caught.value.problems
    )


def test_a_hospital_in_a_misnamed_file_is_not_left_out_silently(tmp_path: Path) -> None:
    text = facility_yaml("c", number=13)
    found = problems(tmp_path, {"facilities/hospital-c.yaml": text})
    assert found == ("facilities/hospital-c.yaml:1: not a facility, expected a file NAME.yml",)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    (directory / "mandate.yml").unlink()
    with pytest.raises(FleetError) as caught:
        load(directory, roles=write_roles(tmp_path / "roles"))
    assert caught.value.problems == ("mandate.yml:1: not there, expected a file",)


def test_a_directory_that_is_no_fleet_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"no fleet\.yml in it") as caught:
        load(tmp_path)
    assert "--fleet DIR" in caught.value.hint


def test_the_digest_does_not_depend_on_spelling_or_place(tmp_path: Path) -> None:
    spelled = changed(A, "country: SZ", '# Eswatini\ncountry: "SZ"')
    assert a_fleet(tmp_path / "1").digest == a_fleet(tmp_path / "2", spelled).digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (A, "10.77.0.11", "10.77.0.13"),
        ("mandate.yml", "1.12.7", "1.10.1"),
        ("catalog.yml", "size: 6", "size: 7"),
        ("fleet.yml", "user: root", "user: admin"),
    ],
)
def test_the_digest_moves_with_every_part(tmp_path: Path, file: str, old: str, new: str) -> None:
    other = a_fleet(tmp_path / "2", changed(file, old, new))
    assert a_fleet(tmp_path / "1").digest != other.digest


def test_the_digest_covers_the_role(tmp_path: Path) -> None:
    before = a_fleet(tmp_path).digest
    meta = tmp_path / "test-roles" / "orthanc" / "meta" / "wardship.yml"
    meta.write_text(meta.read_text().replace("min_free_mib: 512", "min_free_mib: 513"))
    assert load(tmp_path / "fleet", roles=tmp_path / "test-roles").digest != before


def test_a_problem_in_a_role_names_the_roles_file(tmp_path: Path) -> None:
    roles = write_roles(tmp_path / "roles")
    meta = roles / "orthanc" / "meta" / "wardship.yml"
    meta.write_text(meta.read_text().replace("guard: host", "guard: hypervisor"))
    with pytest.raises(FleetError) as caught:
        load(write_fleet(tmp_path / "fleet"), roles=roles)
    assert caught.value.problems == (
        "roles/orthanc/meta/wardship.yml:4: guard: hypervisor, expected 'host'",
    )


def never_opened(_directory: Path, _vault: VaultSettings) -> None:
    return None


def test_check_says_what_is_missing_in_the_depot(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    (directory / "depot/orthanc-1.12.7.tar.gz").unlink()
    (directory / "depot/orthanc-1.10.1.tar.gz").write_text("longer than declared")
    with pytest.raises(FleetError) as caught:
        check(directory, vault_names=never_opened, roles=write_roles(tmp_path / "roles"))
    assert caught.value.problems == (
        "catalog.yml:6: orthanc-1.10.1.tar.gz has 20 bytes, expected 6",
        "catalog.yml:9: orthanc-1.12.7.tar.gz is not in depot, expected it there",
    )


def test_check_notes_an_artifact_that_nobody_orders(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    (directory / "depot/orthanc-1.13.0.tar.gz").unlink()
    checked = check(directory, vault_names=never_opened, roles=write_roles(tmp_path / "roles"))
    assert checked.notes == (
        "catalog.yml:13: orthanc-1.13.0.tar.gz is not in depot, expected it there"
        " (not ordered now)",
    )


def test_load_does_not_need_the_depot(tmp_path: Path) -> None:
    directory = write_fleet(tmp_path / "fleet")
    (directory / "depot/orthanc-1.12.7.tar.gz").unlink()
    assert load(directory, roles=write_roles(tmp_path / "roles")).facilities
