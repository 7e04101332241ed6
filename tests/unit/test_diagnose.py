"""What a host says is wrong around its product: its own look, and the role's script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.host.diagnose import diagnose
from orchestrator.host.host import Host
from orchestrator.host.system import Ran
from tests.fakes.linux_host import LinuxHost, install_product, manifest, stage
from tests.unit.test_host_changes import CHANGE, Caller, prepare
from tests.unit.test_role_scripts import DATABASE, Machine, program
from tests.unit.test_role_scripts import machine as orthanc

assert orthanc

PSQL = """#!/bin/sh
case "$*" in
*max_connections*) printf '%b' "$(cat "$UNITS/clients")" ;;
*pg_locks*) printf '%b' "$(cat "$UNITS/locks")" ;;
esac
[ ! -e "$UNITS/refuses" ] || { cat "$UNITS/refuses" >&2; exit 2; }
"""


class Diagnosed(LinuxHost):
    """A host with storage that takes no writes, or a role's script that says something."""

    shut: tuple[str, ...] = ()
    broken: str = ""
    said: Ran | None = None

    def is_read_only(self, path: Path) -> bool:
        if self.broken and path == self.at(self.broken):
            raise OSError(5, "Input/output error")
        return any(path == self.at(top) or self.at(top) in path.parents for top in self.shut)

    def run(self, argv: Any, **options: Any) -> Ran:
        if argv[0].endswith("/scripts/diagnose"):
            assert options["timeout"] is not None, "it may hang"
            assert self.said is not None
            return self.said
        return super().run(argv, **options)


@pytest.fixture
def host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Diagnosed:
    made = Diagnosed(tmp_path)
    install_product(made)
    stage(made)
    prepare(Caller(made, capsys), monkeypatch, manifest())
    return made


def script(host: Diagnosed, out: str, *, code: int = 0, err: str = "") -> None:
    host.said = Ran(code, out, err)
    (host.at("/var/lib/wardship/changes") / CHANGE / "scripts/diagnose").touch()


def test_where_nothing_is_wrong_nothing_is_found(host: Diagnosed) -> None:
    assert diagnose(Host(host), CHANGE) == {"found": [], "unknown": []}


@pytest.mark.parametrize("top", ["/data", "/data/live", "/data/live/objects"])
def test_read_only_storage_is_named_from_where_it_is_so(host: Diagnosed, top: str) -> None:
    host.shut = (top,)
    assert diagnose(Host(host), CHANGE)["found"] == [f"the storage {top} is read-only"]


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (0, "the volume of /data/live is full (0 B free)"),
        (100 << 20, "the volume of /data/live is nearly full (100 MiB free)"),
    ],
)
def test_a_full_disk_is_told_once(host: Diagnosed, room: int, told: str) -> None:
    host.room = room
    assert diagnose(Host(host), CHANGE)["found"] == [told]


def test_what_cannot_be_looked_at_is_said(host: Diagnosed) -> None:
    host.broken = "/data/live/objects"
    seen = diagnose(Host(host), CHANGE)
    assert seen == {"found": [], "unknown": ["/data/live/objects: Input/output error"]}


def test_what_the_role_finds_stands_though_its_script_failed(host: Diagnosed) -> None:
    script(host, "a lock is held\n\n", code=1, err="one thing was silent\n")
    seen = diagnose(Host(host), CHANGE)
    assert seen["found"] == ["a lock is held"]
    assert seen["unknown"] == ["script diagnose: one thing was silent"]


@pytest.fixture
def orthanc_host(orthanc: Machine) -> Machine:
    program(Path(orthanc.path.split(":")[0]) / "psql", PSQL)
    live = orthanc.change.parent / "live"
    (live / "orthanc").mkdir(parents=True)
    for name in ("clients", "locks"):
        (orthanc.units / name).write_text("")
    return orthanc


def look(host: Machine, *, code: int = 0) -> list[str]:
    ended = host.run("diagnose", WARDSHIP_VOLUME_LIVE=str(host.change.parent / "live"))
    assert ended.returncode == code, ended.stderr
    return ended.stdout.splitlines() or ended.stderr.splitlines()


def test_a_database_with_room_for_clients_is_no_finding(orthanc_host: Machine) -> None:
    row = r"5\t97\t4\torthanc\tpool\t127.0.0.1\n"
    (orthanc_host.units / "clients").write_text(row)
    assert look(orthanc_host) == []


def test_a_database_without_room_for_clients_is_told_with_who_has_it(orthanc_host: Machine) -> None:
    row = r"97\t97\t90\torthanc\t\t10.0.0.7\n"
    (orthanc_host.units / "clients").write_text(row)
    assert look(orthanc_host) == [
        "PostgreSQL takes no more connections (97 of 97, 90 by orthanc (no name) from 10.0.0.7)"
    ]


def test_a_database_that_lets_nobody_in_is_told(orthanc_host: Machine) -> None:
    (orthanc_host.units / "refuses").write_text("FATAL:  sorry, too many clients already")
    (found,) = look(orthanc_host)
    assert found.startswith("PostgreSQL takes no more connections, not even ours: ")


def test_a_database_that_does_not_answer_is_unknown(orthanc_host: Machine) -> None:
    (orthanc_host.units / "refuses").write_text("no route to host")
    (problem,) = look(orthanc_host, code=1)
    assert "no route to host" in problem


def test_a_lock_is_told_with_who_holds_it(orthanc_host: Machine) -> None:
    row = r"resources\t4711\tpsql\tthis host\t21:03:11\t2\n"
    (orthanc_host.units / "locks").write_text(row)
    assert look(orthanc_host) == [
        "a lock on table resources is held by pid 4711 (psql, from this host, since 21:03:11 UTC); "
        "2 wait for it"
    ]


def test_a_database_that_has_failed_is_told(orthanc_host: Machine) -> None:
    (orthanc_host.units / DATABASE).write_text("failed")
    assert look(orthanc_host) == [f"PostgreSQL does not run: {DATABASE} has failed"]


def test_storage_that_its_account_cannot_write_is_told(orthanc_host: Machine) -> None:
    program(Path(orthanc_host.path.split(":")[0]) / "runuser", "#!/bin/sh\nexit 1\n")
    (orthanc_host.units / DATABASE).write_text("inactive")
    storage = orthanc_host.change.parent / "live/orthanc"
    assert look(orthanc_host)[0].endswith(f"cannot write in {storage}")
