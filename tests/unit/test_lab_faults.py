"""The faults: when they happen, what they leave, what a restore or a lift undoes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import LabError
from orchestrator.lab import faults, sabotage, saboteur
from orchestrator.lab.authority import Identity, Secured
from orchestrator.lab.provision import Hospital, configuration
from orchestrator.lab.victim import Host

ONE = Identity("certificate", "key")
SECURED = Secured("pacs.invalid", "ca", *[ONE] * 5)
HOSPITAL = Hospital(
    "Hospital", "HOSPITALA", web_password="web1", database_password="database1", secured=SECURED
)
#: Faults that are a change of the settings, and the one thing in them that is then different.
IN_SETTINGS = (
    "plugin-file-missing",
    "no-postgresql-plugin",
    "no-dicomweb",
    "wrong-ae",
    "db-password",
    "tls-off",
)
IN_CERTIFICATES = ("tls-expired", "tls-other-name")
IN_FILES = ("file-deleted", "byte-flipped")


class Machine:
    """A host in a directory; what programs were run is noted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.host = Host(root, self.run)
        for release in ("1.10.1", "1.12.7", "1.13.0"):
            (root / f"opt/orthanc/{release}/bin").mkdir(parents=True)
            (root / f"opt/orthanc/{release}/bin/Orthanc").write_text(release)
        self.switch("1.10.1")
        (root / "etc/orthanc").mkdir(parents=True)
        (root / "proc/self").mkdir(parents=True)
        self.mounted()
        for name, settings in configuration(HOSPITAL).items():
            (root / "etc/orthanc" / name).write_text(json.dumps(settings, indent=2))
        for file in (
            *("etc/orthanc/tls/certificate.pem", "etc/orthanc/tls/key.pem"),
            *(
                f"usr/local/share/lab-certificates/{one}"
                for one in ("expired.pem", "expired.key", "stranger.pem", "stranger.key")
            ),
        ):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(file)
        for number in range(3):
            path = root / f"data/live/orthanc/0{number}/ff/file{number}"
            path.parent.mkdir(parents=True)
            path.write_bytes(bytes(128) + b"DICM" + bytes([number]) * (200 + number))

    def run(self, argv: list[str]) -> str:
        self.ran.append(" ".join(argv))
        return '[{"ifname": "host0", "flags": ["UP"]}]' if argv[0] == "ip" else "tbf"

    def switch(self, release: str) -> None:
        link = self.root / "opt/orthanc/current"
        link.unlink(missing_ok=True)
        link.symlink_to(release)

    def arm(self, fault: str, *, release: str | None = None, stays: bool = False) -> None:
        how = {"old": self.host.current, "release": release, "rate": "2mbit", "stays": stays}
        armed = self.root / "lab/armed" / f"{fault}.json"
        armed.parent.mkdir(parents=True, exist_ok=True)
        armed.write_text(json.dumps({**how, "done": False, "over": False}))

    def mounted(self, *read_only: Path) -> None:
        lines = [f"30 20 0:30 / {path} ro,relatime - btrfs x rw" for path in read_only]
        (self.root / "proc/self/mountinfo").write_text("\n".join(lines))

    def start(self, release: str) -> None:
        self.switch(release)
        saboteur.around_start(self.host, "before")

    def content(self) -> dict[str, bytes]:
        """Everything that a snapshot of the hospital holds."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for top in ("etc", "data")
            for path in sorted((self.root / top).rglob("*"))
            if path.is_file()
        }

    def settings(self, name: str) -> Any:
        return json.loads((self.root / "etc/orthanc" / name).read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("fault", [*IN_SETTINGS, *IN_CERTIFICATES, *IN_FILES, "bad-json"])
def test_an_armed_fault_waits_for_another_release(machine: Machine, fault: str) -> None:
    before = machine.content()
    machine.arm(fault)
    machine.start("1.10.1")
    assert machine.content() == before
    machine.start("1.12.7")
    assert machine.content() != before


def test_a_fault_for_one_release_spares_the_one_on_the_way(machine: Machine) -> None:
    before = machine.content()
    machine.arm("wrong-ae", release="1.13.0")
    machine.start("1.12.7")
    assert machine.content() == before
    machine.start("1.13.0")
    assert machine.settings("orthanc.json")["DicomAet"] == "NEWNAME"


@pytest.mark.parametrize("fault", [*IN_SETTINGS, *IN_CERTIFICATES, *IN_FILES, "bad-json"])
def test_what_is_in_settings_or_data_stays_when_the_old_release_starts(
    machine: Machine, fault: str
) -> None:
    """Only a restore may undo it: a fault that goes by itself would make any restore look good."""
    machine.arm(fault)
    machine.start("1.12.7")
    broken = machine.content()
    machine.start("1.10.1")
    assert machine.content() == broken


@pytest.mark.parametrize("fault", [*IN_SETTINGS, *IN_CERTIFICATES, *IN_FILES, "bad-json"])
def test_lifting_undoes_it(machine: Machine, fault: str) -> None:
    before = machine.content()
    machine.arm(fault)
    machine.start("1.12.7")
    machine.start("1.12.7")
    saboteur.lift(machine.host, fault)
    assert machine.content() == before
    machine.start("1.12.7")
    assert machine.content() == before


def test_lifting_does_not_touch_what_a_restore_put_back(machine: Machine) -> None:
    machine.arm("wrong-ae")
    machine.start("1.12.7")
    file = machine.root / "etc/orthanc/orthanc.json"
    file.write_text('{"DicomAet": "RESTORED"}')
    saboteur.lift(machine.host, "wrong-ae")
    assert machine.settings("orthanc.json") == {"DicomAet": "RESTORED"}


def test_two_faults_in_one_file_are_both_there_and_both_undone(machine: Machine) -> None:
    before = machine.content()
    machine.arm("wrong-ae")
    machine.arm("no-dicomweb")
    machine.start("1.12.7")
    broken = machine.settings("orthanc.json")
    assert (broken["DicomAet"], len(broken["Plugins"])) == ("NEWNAME", 1)
    saboteur.lift(machine.host, "wrong-ae")
    assert machine.content() == before


def test_a_byte_is_flipped_once_and_the_file_keeps_its_length(machine: Machine) -> None:
    before = machine.content()
    machine.arm("byte-flipped")
    machine.start("1.12.7")
    machine.start("1.12.7")
    after = machine.content()
    changed = [name for name in before if before[name] != after[name]]
    assert len(changed) == 1
    pairs = zip(before[changed[0]], after[changed[0]], strict=True)
    assert sum(one != other for one, other in pairs) == 1


def test_one_file_is_deleted_however_often_the_release_starts(machine: Machine) -> None:
    before = machine.content()
    machine.arm("file-deleted")
    machine.start("1.12.7")
    machine.start("1.12.7")
    assert len(machine.content()) == len(before) - 1


def test_broken_json_is_broken(machine: Machine) -> None:
    machine.arm("bad-json")
    machine.start("1.12.7")
    with pytest.raises(json.JSONDecodeError):
        machine.settings("orthanc.json")


def test_a_fault_of_the_surroundings_ends_with_the_run_that_it_hit(machine: Machine) -> None:
    machine.arm("slow-link")
    saboteur.after_stop(machine.host)
    machine.start("1.12.7")
    assert "tc qdisc replace dev host0 root tbf rate 2mbit burst 16kb latency 1s" in machine.ran
    saboteur.after_stop(machine.host)
    assert machine.ran[-1] == "tc qdisc del dev host0 root"
    machine.ran.clear()
    machine.start("1.12.7")
    assert machine.ran == []


def test_one_that_stays_hits_the_old_release_too_until_it_is_lifted(machine: Machine) -> None:
    machine.arm("slow-link", stays=True)
    machine.start("1.10.1")
    assert machine.ran == []
    machine.start("1.12.7")
    saboteur.after_stop(machine.host)
    machine.ran.clear()
    machine.start("1.10.1")
    assert any("replace dev host0" in ran for ran in machine.ran)
    saboteur.lift(machine.host, "slow-link")
    machine.ran.clear()
    machine.start("1.10.1")
    assert machine.ran == []


@pytest.mark.parametrize(
    ("fault", "where"),
    [("storage-read-only", "data/live/orthanc"), ("volume-read-only", "data")],
)
def test_storage_is_mounted_read_only_once_and_taken_off(
    machine: Machine, fault: str, where: str
) -> None:
    path = machine.root / where
    machine.arm(fault, stays=True)
    machine.start("1.12.7")
    mount = f"mount --bind {path} {path}"
    assert machine.ran == [mount, f"mount -o remount,bind,ro {path}"]
    machine.mounted(path)
    machine.start("1.10.1")
    assert machine.ran.count(mount) == 1
    saboteur.lift(machine.host, fault)
    assert machine.ran[-1] == f"umount --lazy {path}"


def test_the_old_release_is_gone_until_the_fault_is_lifted(machine: Machine) -> None:
    program = machine.root / "opt/orthanc/1.10.1/bin/Orthanc"
    machine.arm("restore-fails")
    machine.start("1.12.7")
    assert not program.exists()
    machine.start("1.10.1")
    assert not program.exists()
    saboteur.lift(machine.host, "restore-fails")
    assert program.read_text() == "1.10.1"


def test_the_schema_is_raised_for_the_new_release_only(machine: Machine) -> None:
    machine.arm("schema-7")
    machine.start("1.10.1")
    assert machine.ran == []
    machine.start("1.12.7")
    assert "set value = '7'" in machine.ran[0]


def test_a_fault_that_was_done_says_so(machine: Machine) -> None:
    machine.arm("wrong-ae")
    armed = machine.root / "lab/armed/wrong-ae.json"
    machine.start("1.10.1")
    assert json.loads(armed.read_text())["done"] is False
    machine.start("1.12.7")
    assert json.loads(armed.read_text())["done"] is True


def test_every_fault_of_the_table_can_be_lifted_and_begun() -> None:
    assert all(fault.before or fault.after for fault in sabotage.FAULTS.values())
    assert [*sabotage.FAULTS][-1] == "bad-json", "nothing else can edit a file that is no JSON"


def test_the_saboteur_runs_as_one_file(tmp_path: Path) -> None:
    program = tmp_path / "saboteur.pyz"
    program.write_bytes(faults.program())
    ran = subprocess.run([sys.executable, "-IB", str(program)], capture_output=True, text=True)
    assert ran.returncode != 0
    assert "IndexError" in ran.stderr


def test_an_unknown_fault_is_refused() -> None:
    def run(argv: Sequence[str], *, input: bytes | None = None) -> bytes:  # noqa: A002
        raise AssertionError(argv)

    with pytest.raises(LabError, match="no fault 'gremlins'"):
        faults.break_(run, "gremlins")
