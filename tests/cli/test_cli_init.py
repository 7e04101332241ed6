"""``wardship init``: a fleet that holds at once, orders nothing, and replaces nothing."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters import hostkeys
from orchestrator.cli.app import execute
from orchestrator.fleet.begin import name_for
from orchestrator.fleet.trust import HostKey
from orchestrator.fleet.yamlfile import read_yaml
from tests.cli.conftest import Said
from tests.unit.test_fleet_schema import refusals

Run = Callable[..., Said]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """``wardship`` with the roles that are shipped."""
    monkeypatch.delenv("WARDSHIP_FLEET", raising=False)

    def command(*arguments: str | Path) -> Said:
        code = execute([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return command


@pytest.fixture
def begun(run: Run, tmp_path: Path) -> Path:
    said = run("init", tmp_path / "fleet")
    assert said.code == 0, said.err
    return tmp_path / "fleet"


def content(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_what_is_begun_holds_at_once(run: Run, begun: Path) -> None:
    said = run("--fleet", begun, "fleet", "check")
    assert said.code == 0, said.err
    assert said.last.startswith("fleet: 1 facility, 1 host, no problem")


def test_nothing_is_ordered_and_plan_says_so(run: Run, begun: Path) -> None:
    said = run("--fleet", begun, "plan")
    assert said.code == 30
    assert said.err.splitlines()[0] == (
        "wardship: nothing is ordered: mandate.yml holds no orders; nothing was changed"
    )


def test_it_says_what_to_do_next(run: Run, tmp_path: Path) -> None:
    said = run("init", tmp_path / "fleet")
    assert "nothing ordered; no host was touched. next: change " in said.last
    assert said.last.endswith(f"wardship --fleet {tmp_path / 'fleet'} fleet check")


def test_it_answers_in_json(run: Run, tmp_path: Path) -> None:
    answer = json.loads(run("--json", "init", tmp_path / "fleet").out)
    assert answer["fleet"] == "fleet"
    assert {*answer["files"]} == {str(tmp_path / "fleet" / name) for name in
                                  content(tmp_path / "fleet")}  # fmt: skip


@pytest.mark.parametrize("kind", ["fleet", "catalog", "mandate"])
def test_each_file_holds_by_the_schema_that_its_first_line_names(begun: Path, kind: str) -> None:
    first = (begun / f"{kind}.yml").read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (begun / named).resolve() == begun / f"schemas/{kind}.schema.json"
    document, problems = read_yaml(begun, f"{kind}.yml")
    assert document is not None
    assert (problems, refusals(kind, document.value)) == ([], [])


def test_a_facilitys_first_line_names_its_schema(begun: Path) -> None:
    facility = begun / "facilities/hospital-a.yml"
    named = facility.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (facility.parent / named).resolve() == begun / "schemas/facility.schema.json"


def test_a_code_editor_finds_every_schema(begun: Path) -> None:
    named = json.loads((begun / ".vscode/settings.json").read_text())["yaml.schemas"]
    assert {(begun / path).resolve() for path in named} == {*(begun / "schemas").iterdir()}


def test_no_secret_is_in_it_that_could_be_used(begun: Path) -> None:
    for name, text in content(begun).items():
        if name.startswith("facilities/"):
            lines = [line for line in text.decode().splitlines() if "password:" in line]
            assert lines
            assert all(line.strip().endswith("_PASSWORD}") for line in lines)


def test_what_explains_known_hosts_stays_when_a_key_is_recorded(begun: Path) -> None:
    before = (begun / "known_hosts").read_text()
    key = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43)
    hostkeys.record(begun / "known_hosts", "pacs-a", key, replace=False)
    assert (begun / "known_hosts").read_text() == f"{before}pacs-a {key.kind} {key.blob}\n"


def test_a_fleet_that_is_there_stays_as_it_is(run: Run, begun: Path) -> None:
    (begun / "mandate.yml").write_text("mine")
    before = content(begun)
    said = run("init", begun)
    assert (said.code, content(begun)) == (10, before)
    assert "is a fleet already, and stays as it is" in said.err


def test_a_directory_with_something_in_it_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    said = run("init", tmp_path)
    assert (said.code, content(tmp_path)) == (10, {"letter.txt": b"mine"})
    assert "is not empty (letter.txt is in it)" in said.err


def test_a_file_in_its_place_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fleet").write_text("mine")
    assert run("init", tmp_path / "fleet").code == 10
    assert (tmp_path / "fleet").read_text() == "mine"


def test_an_empty_directory_is_taken_also_from_inside(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init", ".").code == 0
    assert run("fleet", "check").code == 0


def test_an_init_that_failed_half_way_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "fleet.yml":
            raise OSError(28, "No space left on device", str(path))
        return wrote(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    said = run("init", tmp_path / "new/fleet")
    assert said.code == 74
    assert not (tmp_path / "new/fleet").exists()


def test_an_init_that_was_killed_is_begun_again(run: Run, tmp_path: Path) -> None:
    left = tmp_path / "fleet/.wardship-init/facilities"
    left.mkdir(parents=True)
    assert run("init", tmp_path / "fleet").code == 0
    assert not left.exists()


def test_an_init_that_was_killed_while_files_appeared_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fleet" / ".wardship-init").mkdir(parents=True)
    (tmp_path / "fleet" / "README.md").write_text("x")
    said = run("init", tmp_path / "fleet")
    assert said.code == 10
    assert "an init was cut off here, and left README.md" in said.err


@pytest.mark.parametrize("call", ["write_bytes", "rename"])
def test_a_full_disk_is_no_bug_and_leaves_nothing(
    call: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = getattr(Path, call), [3]

    def full(path: Path, *arguments: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *arguments)

    monkeypatch.setattr(Path, call, full)
    said = run("init", tmp_path / "fleet")
    assert said.code == 74, said.err
    assert f"{tmp_path / 'fleet'}: No space left on device" in said.err
    assert not (tmp_path / "fleet").exists()


def test_a_fleet_is_named_after_its_directory() -> None:
    names = {"Ministry of Health": "ministry-of-health", "2027": "fleet", "sz-1": "sz-1",
             "é": "fleet", "x" * 60: "x" * 40}  # fmt: skip
    assert {name: name_for(Path("/srv", name)) for name in names} == names
