"""Where the host program touches the machine, and the file that it is shipped as."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.adapters.zipapps import SHEBANG
from orchestrator.host import nft, records, services
from orchestrator.host.btrfs import first_difference
from orchestrator.host.disk import Disk
from orchestrator.host.locks import locked
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.system import System
from orchestrator.host.walk import files


def test_a_record_is_created_once_and_with_its_content(tmp_path: Path) -> None:
    decision = tmp_path / "decision.json"
    assert records.create(Disk(), decision, {"decision": "commit"})
    assert not records.create(Disk(), decision, {"decision": "restore"})
    assert (records.read(decision) or {})["decision"] == "commit"
    assert [path.name for path in tmp_path.iterdir()] == ["decision.json"]


def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    class Apart(Disk):
        def __init__(self, number: int) -> None:
            self.number = number

        def aside(self, path: Path) -> Path:
            return path.with_name(f"{path.name}.{self.number}")

    won: list[int] = []

    def propose(number: int) -> None:
        if records.create(Apart(number), tmp_path / "decision.json", {"by": number}):
            won.append(number)

    threads = [Thread(target=propose, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(records.read(tmp_path / "decision.json") or {})["by"]] == won


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2}', '{"epoch": 1}'])
def test_what_is_not_a_record_of_ours_is_not_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / "epoch").write_text(text)
    with pytest.raises(FailedError):
        records.read(tmp_path / "epoch")


def test_records_are_for_root_only(tmp_path: Path) -> None:
    records.write(Disk(), tmp_path / "epoch", {"epoch": 1})
    assert (tmp_path / "epoch").stat().st_mode & 0o777 == 0o600


def test_what_others_must_read_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        Disk().write(tmp_path / "unit", b"", mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "unit").stat().st_mode & 0o777 == 0o644


def test_a_lock_that_is_held_is_refused_after_a_while(tmp_path: Path) -> None:
    class Hurried(System):
        clock = 0.0

        def monotonic(self) -> float:
            return self.clock

        def sleep(self, seconds: float) -> None:
            self.clock += seconds

    lock = tmp_path / "lock"
    with (
        locked(Hurried(), lock),
        pytest.raises(RefusedError, match="locked"),
        locked(Hurried(), lock),
    ):
        pass
    with locked(Hurried(), lock):
        pass


def test_a_program_is_told_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert "SECRET" not in System().run(["env"]).out


def test_a_program_that_does_not_end_is_given_up() -> None:
    ran = System().run(["sleep", "60"], timeout=0.1)
    assert (ran.code, "did not end" in ran.err) == (124, True)


def test_a_program_that_is_not_there_is_a_failure() -> None:
    assert System().run(["/no/such/program"]).code == 127


def test_a_child_that_stays_does_not_hold_us_up() -> None:
    ran = System().run(["sh", "-c", "sleep 60 & echo $!"], timeout=10)
    subprocess.run(["kill", ran.out.strip()], check=True)


def test_a_script_says_its_reason_apart_from_its_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ran = System().run(["sh", "-c", "echo out; echo why >&2; exit 3"], log=log)
    assert (ran.code, ran.reason, log.read_text()) == (3, "why", "out\n")


def test_who_holds_a_file_below_a_volume_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    reader = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", reader, str(tmp_path / "file")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / str(process.pid)).symlink_to(f"/proc/{process.pid}")
        found = services.holders(System(tmp_path), [str(tmp_path)])
        process.communicate(b"")
    assert len(found) == 1
    assert found[0].startswith(f"process {process.pid} (python")
    assert found[0].endswith(f"holds {tmp_path}/file")
    assert services.holders(System(tmp_path), [str(tmp_path)]) == [], "it ended"


def test_systemd_that_does_not_answer_is_not_a_service_at_rest() -> None:
    class Mute(System):
        def run(self, *_: object, **__: object) -> object:  # type: ignore[override]
            return System().run(["false"])

    with pytest.raises(FailedError, match="did not tell"):
        services.active(Mute(), ["pacs.service"])


def test_the_door_lets_in_the_verifier_and_root_only() -> None:
    text = nft.shut([4242, 8042], [1000])
    assert "iif != lo tcp dport { 4242, 8042 } reject with tcp reset" in text
    assert "oif lo tcp dport { 4242, 8042 } meta skuid != { 0, 1000 } reject" in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda top: (top / "d" / "a").write_text("longer"), "d/a has another kind or size"),
        (lambda top: (top / "d" / "a").unlink(), "is on one side only"),
        (lambda top: (top / "e").write_text(""), "e is on one side only"),
        (lambda top: (top / "d" / "a").chmod(0o600), "d/a has another kind or size"),
        (lambda top: (top / "f").write_text("g"), ""),
    ],
)
def test_a_capture_is_compared_file_by_file(tmp_path: Path, change: object, told: str) -> None:
    for side in ("one", "other"):
        (tmp_path / side / "d").mkdir(parents=True)
        (tmp_path / side / "d" / "a").write_text("a")
        (tmp_path / side / "f").write_text("f")
    change(tmp_path / "other")  # type: ignore[operator]
    assert told in first_difference(tmp_path / "one", tmp_path / "other")
    assert bool(told) == bool(first_difference(tmp_path / "one", tmp_path / "other"))


def test_files_are_listed_once_and_links_not_followed(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "a").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sorted(name for name, _ in files(tmp_path)) == ["d", "d/e", "d/e/a", "loop"]


def test_the_file_that_is_shipped_depends_on_its_sources_only(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert build_host_program(one) == build_host_program(other)
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes().startswith(SHEBANG)
    assert one.stat().st_mode & 0o777 == 0o755


def test_the_file_that_is_shipped_runs_by_itself(tmp_path: Path) -> None:
    built = tmp_path / "wardship-host"
    build_host_program(built)
    argv = [sys.executable, "-IB", str(built), "version"]
    ran = subprocess.run(argv, capture_output=True, check=True, cwd="/", env={})
    assert json.loads(ran.stdout) == {"version": "1", "schema": 1}
