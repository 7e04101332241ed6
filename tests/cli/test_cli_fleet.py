"""``wardship fleet check | show | render | trust``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Wardship


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key")


def new_key(path: Path) -> Path:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(argv, check=True)
    return path.with_suffix(".pub")


def test_check_says_that_all_is_well_and_what_it_could_not_see(wardship: Wardship) -> None:
    said = wardship("fleet", "check")
    assert said.code == 0
    assert "note: pacs-a: no host key recorded; wardship fleet trust pacs-a" in said.out
    assert said.last == (
        "test: 2 facilities, 2 hosts, no problem; nothing was changed. next: wardship fleet"
        " trust pacs-a"
    )


def test_check_answers_in_json(wardship: Wardship) -> None:
    said = wardship("fleet", "check", "--json")
    answer = json.loads(said.out)
    assert (answer["facilities"], answer["hosts"]) == (2, 2)
    assert "nothing was changed" in said.err


def test_check_misses_an_artifact(wardship: Wardship, directory: Path) -> None:
    (directory / "depot/orthanc-1.12.7.tar.gz").unlink()
    said = wardship("fleet", "check")
    assert said.code == 10
    assert "catalog.yml:9: orthanc-1.12.7.tar.gz is not in depot" in said.err


def test_show_names_hosts_and_orders(wardship: Wardship) -> None:
    said = wardship("fleet", "show")
    assert "  pacs-b · 10.77.0.12 · orthanc · 1.12.7 ordered" in said.out.splitlines()


def test_show_in_json_is_the_declaration(wardship: Wardship) -> None:
    answer = json.loads(wardship("fleet", "show", "--json").out)
    assert answer["facilities"]["hospital-a"]["hosts"]["pacs-a"]["web"]["password"] == {
        "vault": None, "env": "WEB_PASSWORD",
    }  # fmt: skip


def test_render_writes_an_inventory_a_facility(wardship: Wardship, directory: Path) -> None:
    said = wardship("fleet", "render")
    written = directory / ".wardship/inventory"
    assert said.out.splitlines()[:2] == [str(written / "hospital-a"), str(written / "hospital-b")]
    assert (written / "hospital-a/hosts.yml").exists()
    assert (directory / ".wardship").stat().st_mode & 0o777 == 0o700


def test_render_writes_where_it_is_told(wardship: Wardship, tmp_path: Path) -> None:
    assert wardship("fleet", "render", "--to", str(tmp_path / "x")).code == 0
    assert (tmp_path / "x/hospital-b/hosts.yml").exists()


def test_a_key_is_recorded_under_the_hosts_name(
    wardship: Wardship, directory: Path, key: Path
) -> None:
    said = wardship("fleet", "trust", "pacs-a", "--key-file", str(key), "--yes")
    assert said.code == 0
    kind, blob, *_ = key.read_text().split()
    assert (directory / "known_hosts").read_text() == f"pacs-a {kind} {blob}\n"
    assert "SHA256:" in said.out
    again = wardship("fleet", "trust", "pacs-a", "--key-file", str(key), "--yes")
    assert again.last == "already in known_hosts. next: wardship survey"


def test_without_a_person_a_key_is_not_recorded(
    wardship: Wardship, directory: Path, key: Path
) -> None:
    said = wardship("fleet", "trust", "pacs-a", "--key-file", str(key))
    assert said.code == 64
    assert "SHA256:" in said.err
    assert "--yes" in said.err
    assert not (directory / "known_hosts").exists()


def test_another_key_needs_replace_even_with_yes(
    wardship: Wardship, directory: Path, key: Path, tmp_path: Path
) -> None:
    other = str(new_key(tmp_path / "other"))
    wardship("fleet", "trust", "pacs-a", "--key-file", str(key), "--yes")
    before = (directory / "known_hosts").read_text()
    for answer in ((), ("--yes",)):
        said = wardship("fleet", "trust", "pacs-a", "--key-file", other, *answer)
        assert said.code == 10
    assert (directory / "known_hosts").read_text() == before
    said = wardship("fleet", "trust", "pacs-a", "--key-file", other, "--yes", "--replace")
    assert said.code == 0
    assert (directory / "known_hosts").read_text() != before


def test_the_host_is_asked_by_its_address_and_port(
    wardship: Wardship, directory: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner = tmp_path / "bin" / "ssh-keyscan"
    scanner.parent.mkdir()
    kind, blob, *_ = key.read_text().split()
    scanner.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "10.77.0.11 {kind} {blob}"\n'
    )
    scanner.chmod(0o755)
    monkeypatch.setenv("PATH", str(scanner.parent), prepend=":")
    assert wardship("fleet", "trust", "pacs-a", "--yes").code == 0
    asked = (tmp_path / "asked").read_text()
    assert "-p 22" in asked
    assert asked.endswith("-- 10.77.0.11\n")
    assert blob in (directory / "known_hosts").read_text()


def test_a_silent_host_is_an_error_not_an_empty_key(
    wardship: Wardship, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner = tmp_path / "bin" / "ssh-keyscan"
    scanner.parent.mkdir()
    scanner.write_text("#!/bin/sh\necho 'no route to host' >&2\n")
    scanner.chmod(0o755)
    monkeypatch.setenv("PATH", str(scanner.parent), prepend=":")
    said = wardship("fleet", "trust", "pacs-a", "--yes")
    assert said.code == 20
    assert "no route to host" in said.err
    assert not (directory / "known_hosts").exists()


def test_an_unknown_host_is_named(wardship: Wardship) -> None:
    said = wardship("fleet", "trust", "pacs-z", "--yes")
    assert said.code == 10
    assert "declared are: pacs-a, pacs-b" in said.err


def test_a_key_from_a_file_is_recorded_by_what_is_told(
    wardship: Wardship, tmp_path: Path, key: Path
) -> None:
    file = tmp_path / "a key.pub"
    file.write_bytes(key.read_bytes())
    said = wardship("fleet", "trust", "pacs-a", "--key-file", str(file), "--replace")
    assert said.code == 64
    assert f"{file} holds ssh-ed25519" in said.err
    assert f"fleet trust pacs-a --key-file '{file}' --replace --yes" in said.err


def test_an_invented_address_is_noted(wardship: Wardship, directory: Path) -> None:
    file = directory / "facilities/hospital-a.yml"
    file.write_text(file.read_text().replace("10.77.0.11", "192.0.2.11"))
    said = wardship("fleet", "check")
    assert "note: pacs-a: 192.0.2.11 is of an example" in said.out


def test_a_bad_name_is_told_with_what_is_wrong_below_it(
    wardship: Wardship, directory: Path
) -> None:
    file = directory / "facilities/hospital-a.yml"
    text = file.read_text().replace("pacs-a:", "PACS A:").replace("10.77.0.11", "10.77.0.11 x")
    file.write_text(text)
    said = wardship("fleet", "check")
    assert "PACS A" in said.err
    assert "10.77.0.11 x" in said.err


def test_checks_that_are_asked_longer_than_hosts_wait_are_refused(
    wardship: Wardship, directory: Path
) -> None:
    file = directory / "fleet.yml"
    file.write_text(file.read_text() + "verify: {patience_seconds: 1200}\n")
    said = wardship("fleet", "check")
    assert said.code == 10
    assert "patience_seconds is 1200 and limit_seconds 1200" in said.err
