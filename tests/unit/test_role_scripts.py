"""The host scripts of the role orthanc, run as programs against a fake Orthanc and fake units."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.orthanc import FakeOrthanc, dicom_file, running
from tests.unit.role_modules import HOST_LIBRARY, HOST_SCRIPTS

DATABASE, PRODUCT = "postgresql@15-main.service", "orthanc.service"

SYSTEMCTL = """#!/bin/sh
# A unit is a file that holds its ActiveState.
for unit; do :; done
state="$UNITS/$unit"
case "$1" in
show) echo "LoadState=loaded"; echo "ActiveState=$(cat "$state")"; echo "MainPID=0" ;;
start|restart) echo "$1 $unit" >>"$UNITS/log"
    if [ -e "$state.refused" ]; then
        echo failed >"$state"; echo 'See "systemctl status' "$unit"'"' >&2; exit 1
    fi
    if [ -e "$state.broken" ]; then echo failed >"$state"; else echo active >"$state"; fi ;;
stop) echo "stop $unit" >>"$UNITS/log"
    # As systemd does: what has failed stays failed.
    [ -e "$state.stuck" ] || [ "$(cat "$state")" = failed ] || echo inactive >"$state" ;;
reset-failed) echo inactive >"$state" ;;
esac
"""
RUNUSER = """#!/bin/sh
while [ "$1" != -- ]; do shift; done; shift; exec "$@"
"""
PSQL = """#!/bin/sh
[ "$(cat "$UNITS/postgresql@15-main.service")" = active ] || { echo "no server" >&2; exit 2; }
echo census >>"$UNITS/log"
case "$*" in *"select 1"*) echo 1 ;; *count*) echo 3 ;; *) cat "$UNITS/rows" ;; esac
"""
PSQL_THAT_REFUSES = """#!/bin/sh
printf "%s\\n" "$*" >>"$UNITS/log"
[ -z "$PGPASSWORD" ] || { echo refused >&2; exit 2; }
echo 1
"""
CONTROLDATA = """#!/bin/sh
echo "Database cluster state:               $(cat "$UNITS/cluster")"
"""


@dataclass
class Machine:
    """A host's directory of a change, its units, and its Orthanc."""

    change: Path
    units: Path
    orthanc: FakeOrthanc
    path: str

    def run(self, script: str, *arguments: str, **words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": self.path, "UNITS": str(self.units), "WARDSHIP_DIR": str(self.change),
            "WARDSHIP_FROM": "1.10.1", "WARDSHIP_TO": "1.12.7", **words,
        }  # fmt: skip
        return subprocess.run(
            [self.change / "scripts" / script, *arguments],
            env=environment, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def state(self, unit: str) -> str:
        return (self.units / unit).read_text().strip()

    def log(self) -> list[str]:
        return (self.units / "log").read_text().splitlines()


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    scripts, units, etc = tmp_path / "change/scripts", tmp_path / "units", tmp_path / "etc"
    for directory in (scripts, units, etc, tmp_path / "logs"):
        directory.mkdir(parents=True)
    for source in HOST_SCRIPTS.iterdir():
        if "." not in source.name:
            shutil.copy(source, scripts)
            (scripts / source.name).chmod(0o700)
    shutil.copy(HOST_LIBRARY, scripts)
    for name, text in (("systemctl", SYSTEMCTL), ("runuser", RUNUSER), ("psql", PSQL)):
        program(tmp_path / "bin" / name, text)
    program(tmp_path / "bin/pg_conftool", "#!/bin/sh\necho /data/live/postgresql\n")
    program(tmp_path / "pg/15/bin/pg_controldata", CONTROLDATA)
    for unit in (DATABASE, PRODUCT):
        (units / unit).write_text("active")
    (units / "rows").write_text("")
    (units / "log").write_text("")
    (units / "cluster").write_text("shut down")
    with running(FakeOrthanc()) as orthanc, socket.create_server(("127.0.0.1", 0)) as dicom:
        names = {
            "product": PRODUCT, "database": DATABASE, "volume": "live", "storage": "orthanc",
            "is_archive": False,
            "configuration": str(etc), "logs": str(tmp_path / "logs"),
            "postgresql": str(tmp_path / "pg"), "start_seconds": 2,
        }  # fmt: skip
        (scripts / "settings.json").write_text(json.dumps(names))
        ports = {"HttpPort": orthanc.port, "DicomPort": dicom.getsockname()[1]}
        (etc / "orthanc.json").write_text(json.dumps(ports))
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        yield Machine(tmp_path / "change", units, orthanc, path)


ROWS = """\
1,1.2.1,10,1.2.1.1,CT,100,1.2.1.1.1,abcdef00-aa,500,0123
1,1.2.1,10,1.2.1.1,CT,101,1.2.1.1.2,,,
2,1.2.2,20,1.2.2.1,MR,,,,,
3,1.2.3,,,,,,,,
"""


def test_stop_takes_the_census_after_the_product_and_before_the_database(machine: Machine) -> None:
    census = machine.change / "census-before.json"
    ended = machine.run("stop", WARDSHIP_PHASE="quiesce", WARDSHIP_CENSUS=str(census))
    assert ended.returncode == 0, ended.stderr
    assert machine.log() == [f"stop {PRODUCT}", "census", "census", f"stop {DATABASE}"]
    assert json.loads(census.read_text())["patients"] == 3
    assert census.stat().st_mode & 0o777 == 0o600


def test_stop_refuses_a_database_that_was_not_shut_down(machine: Machine) -> None:
    (machine.units / "cluster").write_text("in production")
    ended = machine.run("stop", WARDSHIP_PHASE="quiesce")
    assert ended.returncode == 1
    assert "that it is: in production" in ended.stderr.splitlines()[-1]


def test_a_restore_stops_whatever_state_the_database_is_in(machine: Machine) -> None:
    (machine.units / "cluster").write_text("in production")
    (machine.units / PRODUCT).write_text("failed")
    for _ in range(2):
        assert machine.run("stop", WARDSHIP_PHASE="restore").returncode == 0
    assert machine.state(PRODUCT) == machine.state(DATABASE) == "inactive"


def test_stop_tells_a_unit_that_does_not_stop(machine: Machine) -> None:
    (machine.units / f"{PRODUCT}.stuck").write_text("")
    ended = machine.run("stop", WARDSHIP_PHASE="quiesce")
    assert ended.returncode == 1
    assert f"{PRODUCT} did not stop: it is active" in ended.stderr
    assert machine.state(DATABASE) == "active"


def test_a_census_that_cannot_be_taken_ends_the_stop(machine: Machine) -> None:
    (machine.units / DATABASE).write_text("failed")
    census = machine.change / "census-before.json"
    ended = machine.run("stop", WARDSHIP_PHASE="quiesce", WARDSHIP_CENSUS=str(census))
    assert ended.returncode == 1
    assert "no server" in ended.stderr.splitlines()[-1]
    assert not census.exists()


def test_the_census_keeps_empty_studies_and_instances_without_a_file(machine: Machine) -> None:
    (machine.units / "rows").write_text(ROWS)
    ended = machine.run("census")
    assert ended.returncode == 0, ended.stderr
    first, second, third = json.loads(ended.stdout)["studies"]
    one, other = first["series"][0]["instances"]
    assert one == {
        "uid": "1.2.1.1.1", "file": "orthanc/ab/cd/abcdef00-aa", "size": 500, "md5": "0123",
    }  # fmt: skip
    assert other["file"] is None
    assert second["series"] == [{"uid": "1.2.2.1", "modality": "MR", "instances": []}]
    assert third == {"uid": "1.2.3", "series": []}


def test_start_waits_until_the_asked_release_answers(machine: Machine) -> None:
    machine.orthanc.version = "1.12.7"
    for _ in range(2):
        ended = machine.run("start", WARDSHIP_RELEASE="1.12.7")
        assert ended.returncode == 0, ended.stderr


def test_start_tells_another_release(machine: Machine) -> None:
    ended = machine.run("start", WARDSHIP_RELEASE="1.12.7")
    assert ended.returncode == 1
    assert ended.stderr == f"{PRODUCT} answers as release 1.10.1, not as 1.12.7\n"
    assert f"restart {PRODUCT}" in machine.log()


def log(machine: Machine, text: str) -> None:
    """What the product logs while it starts, however long a busy machine takes until then."""
    path = machine.change.parent / "logs/Orthanc.log.1"
    path.write_text(text)
    soon = time.time() + 60
    os.utime(path, (soon, soon))


def test_start_tells_the_last_error_that_the_product_logged(machine: Machine) -> None:
    (machine.units / f"{PRODUCT}.broken").write_text("")
    machine.orthanc.version = "none"
    log(machine, "E0101 1 main a.cpp:1] first\nE0101 1 main a.cpp:9] the cause\nW0101 later\n")
    ended = machine.run("start", WARDSHIP_RELEASE="1.12.7")
    assert ended.returncode == 1
    assert ended.stderr == f"{PRODUCT} is failed: the cause\n"


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        ("E0101 1 main a.cpp:9] the cause\n", "the cause"),
        ("", f'systemctl start {PRODUCT}: See "systemctl status {PRODUCT}"'),
    ],
)
def test_what_the_product_logged_is_told_before_what_systemd_says_of_it(
    machine: Machine, logged: str, told: str
) -> None:
    (machine.units / f"{PRODUCT}.refused").write_text("")
    machine.orthanc.version = "none"
    log(machine, logged)
    ended = machine.run("start", WARDSHIP_RELEASE="1.12.7")
    assert ended.returncode == 1
    assert ended.stderr == f"{PRODUCT} is failed: {told}\n"


def test_start_tells_a_dicom_port_that_stays_shut(machine: Machine) -> None:
    settings = machine.change.parent / "etc/orthanc.json"
    settings.write_text(json.dumps({"HttpPort": machine.orthanc.port, "DicomPort": 1}))
    ended = machine.run("start", WARDSHIP_RELEASE="1.10.1")
    assert ended.returncode == 1
    assert "was not up within 2 s" in ended.stderr


@pytest.mark.parametrize(("there", "code"), [(0, 1), (1, 0), (2, 0)])
def test_the_old_release_must_have_all_that_was_counted(
    machine: Machine, there: int, code: int
) -> None:
    series = [{"instances": [{"uid": "1"}]}, {"instances": []}]
    census = {"studies": [{"series": series}]}
    (machine.change / "census-before.json").write_text(json.dumps(census))
    machine.orthanc.stored = {str(number): b"" for number in range(there)}
    ended = machine.run("start", WARDSHIP_RELEASE="1.10.1")
    assert ended.returncode == code, ended.stderr
    assert code == 0 or "there were 1 instances at the census, now there are 0" in ended.stderr


def test_forget_removes_one_study_and_is_content_without(machine: Machine) -> None:
    machine.orthanc.stored = {"1.2.3": b"", "1.2.4": b""}
    for _ in range(2):
        assert machine.run("forget", "1.2.3").returncode == 0
    assert list(machine.orthanc.stored) == ["1.2.4"]
    assert machine.run("forget", WARDSHIP_STUDY="1.2.4").returncode == 0
    assert machine.run("forget", "*").returncode == 1


@dataclass
class Volumes:
    """The volume as it was at the snapshot, and as it was when it was put aside."""

    snapshot: Path
    failed: Path

    def words(self) -> dict[str, str]:
        return {
            "WARDSHIP_SNAPSHOT_LIVE": str(self.snapshot), "WARDSHIP_FAILED_LIVE": str(self.failed),
        }  # fmt: skip

    def put(self, name: str, content: bytes, *, before: bool = False) -> None:
        for volume in (self.failed, self.snapshot) if before else (self.failed,):
            path = volume / "orthanc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@pytest.fixture
def volumes(machine: Machine, tmp_path: Path) -> Volumes:
    made = Volumes(tmp_path / "snapshot", tmp_path / "failed")
    old = dicom_file("1.1")
    made.put("aa/00/old", old, before=True)
    machine.orthanc.stored["1.1"] = old
    (machine.change / "reversal.json").write_text("{}")
    return made


def test_carry_brings_what_arrived_and_only_that(machine: Machine, volumes: Volumes) -> None:
    volumes.put("bb/00/new", dicom_file("1.2", pixels=b"x" * 99))
    volumes.put("bb/01/start", dicom_file("1.2", pixels=b"x" * 10))
    volumes.put("bb/02/probe", dicom_file("1.3", patient="WARDSHIP-7"))
    volumes.put("bb/03/summary", b"{}")
    ended = machine.run("carry", **volumes.words())
    assert ended.returncode == 0, ended.stderr
    assert "4 files: 1 carried, 0 there, 1 probe, 1 partial, 1 other" in ended.stdout
    assert sorted(machine.orthanc.stored) == ["1.1", "1.2"]
    assert machine.orthanc.stored["1.2"].endswith(b"x" * 99)
    again = machine.run("carry", **volumes.words())
    assert "4 files: 0 carried, 1 there, 1 probe, 1 partial, 1 other" in again.stdout


def test_carry_loses_nothing_silently(machine: Machine, volumes: Volumes) -> None:
    volumes.put("bb/00/clash", dicom_file("1.1", pixels=b"another"))
    ended = machine.run("carry", **volumes.words())
    assert ended.returncode == 1
    assert "not carried: " in ended.stdout
    assert "another object with the same UID is there" in ended.stderr


def test_carry_names_a_file_that_it_cannot_read(machine: Machine, volumes: Volumes) -> None:
    volumes.put("bb/00/damaged", bytes(128) + b"DIC" + bytes(99))
    ended = machine.run("carry", **volumes.words())
    assert ended.returncode == 1
    assert "bb/00/damaged: neither a DICOM file nor a summary" in ended.stderr


def test_carry_takes_no_directory_that_it_cannot_list_for_an_empty_one(tmp_path: Path) -> None:
    """By the script's own function: root, who runs it, may list everything but a broken disk."""

    def broken(root: Path, onerror: Callable[[OSError], None]) -> Iterator[Any]:
        yield str(root), ["bb"], ["old"]
        onerror(OSError(errno.EIO, "Input/output error", f"{root}/bb"))

    text = (HOST_SCRIPTS / "carry").read_text()
    body = text[text.index("def listing(root):") : text.index("def carry(web")]
    names: dict[str, Any] = {
        "os": SimpleNamespace(walk=broken), "Path": Path,
        "here": SimpleNamespace(ProblemError=ValueError),
    }  # fmt: skip
    exec(body, names)  # noqa: S102 - what the role ships
    with pytest.raises(ValueError, match="bb: Input/output error"):
        names["listing"](tmp_path)


def test_carry_that_is_refused_is_an_error(machine: Machine, volumes: Volumes) -> None:
    volumes.put("bb/00/new", dicom_file("1.2"))
    machine.orthanc.refuses_uploads = True
    ended = machine.run("carry", **volumes.words())
    assert ended.returncode == 1
    assert "POST /instances was answered with 404" in ended.stderr


def test_without_a_committed_change_nothing_is_carried(machine: Machine, volumes: Volumes) -> None:
    (machine.change / "reversal.json").unlink()
    volumes.put("bb/00/new", dicom_file("1.2"))
    ended = machine.run("carry", **volumes.words())
    assert ended.returncode == 0
    assert list(machine.orthanc.stored) == ["1.1"]


@dataclass
class Archive:
    """An archive that was listed at the snapshot, and what is on it now."""

    top: Path
    listing: Path

    def words(self) -> dict[str, str]:
        return {
            "WARDSHIP_VOLUME_IMAGES": str(self.top),
            "WARDSHIP_LISTING_IMAGES": str(self.listing),
        }

    def put(self, name: str, content: bytes) -> None:
        path = self.top / "orthanc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def archive(machine: Machine, tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "images", tmp_path / "listing")
    made.put("aa/00/old", dicom_file("1.1"))
    machine.orthanc.stored["1.1"] = dicom_file("1.1")
    lines = [{"top": 2}, ["orthanc/aa/00/old", 0o100640, 9, [1, 2, 3], None, ""]]
    made.listing.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    settings = machine.change / "scripts/settings.json"
    names = {**json.loads(settings.read_text()), "volume": "images", "is_archive": True}
    settings.write_text(json.dumps(names))
    (machine.units / "rows").write_text("old\n")
    return made


def test_what_came_to_an_archive_is_carried_and_its_first_file_named(
    machine: Machine, archive: Archive
) -> None:
    archive.put("bb/00/new", dicom_file("1.2"))
    ended = machine.run("carry", **archive.words())
    assert ended.returncode == 0, ended.stderr
    assert sorted(machine.orthanc.stored) == ["1.1", "1.2"]
    assert "1 files: 1 carried" in ended.stdout
    assert f"in no index: {archive.top}/orthanc/bb/00/new\n" in ended.stdout
    assert (archive.top / "orthanc/bb/00/new").exists(), "it was removed"


def test_what_was_deleted_on_an_archive_is_named_and_an_error(
    machine: Machine, archive: Archive
) -> None:
    (archive.top / "orthanc/aa/00/old").unlink()
    ended = machine.run("carry", **archive.words())
    assert ended.returncode == 1
    assert "aa/00/old was deleted since the snapshot" in ended.stderr


def test_carry_reads_compressed_files(machine: Machine, volumes: Volumes) -> None:
    whole = dicom_file("1.2", pixels=b"x" * 500)
    volumes.put("bb/00/packed", len(whole).to_bytes(8, "little") + zlib.compress(whole))
    assert machine.run("carry", **volumes.words()).returncode == 0
    assert machine.orthanc.stored["1.2"] == whole


def test_migrate_wants_the_plugins_of_the_release(machine: Machine, tmp_path: Path) -> None:
    plugin = tmp_path / "opt/1.12.7/plugins/x.so"
    settings = tmp_path / "etc/orthanc.json"
    settings.write_text(json.dumps({"Plugins": [str(tmp_path / "opt/current/plugins/x.so")]}))
    ended = machine.run("migrate", WARDSHIP_RELEASE="1.12.7")
    assert "is configured and not there" in ended.stderr
    plugin.parent.mkdir(parents=True)
    plugin.write_text("")
    (tmp_path / "opt/current").symlink_to("1.12.7")
    assert machine.run("migrate", WARDSHIP_RELEASE="1.12.7").returncode == 0
    assert "not of release 1.13.0" in machine.run("migrate", WARDSHIP_RELEASE="1.13.0").stderr
    settings.write_text('{"Plugins"xx: []}')
    assert machine.run("migrate", WARDSHIP_RELEASE="1.12.7").returncode == 1


def test_a_password_is_in_no_argument_and_no_message(machine: Machine, tmp_path: Path) -> None:
    accounts = tmp_path / "etc/credentials.json"
    accounts.write_text(json.dumps({"RegisteredUsers": {"wardship": "web-secret"}}))
    index = {"PostgreSQL": {"EnableIndex": True, "Password": "db-secret"}}
    (tmp_path / "etc/postgresql.json").write_text(json.dumps(index))
    program(tmp_path / "bin/psql", PSQL_THAT_REFUSES)
    ended = machine.run("start", WARDSHIP_RELEASE="1.10.1")
    assert ended.returncode == 1
    assert "the database does not let Orthanc in" in ended.stderr
    assert "secret" not in ended.stderr + ended.stdout + "".join(machine.log())
