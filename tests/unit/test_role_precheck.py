"""Every reason against a change of Orthanc is told, and what cannot be looked at is one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab.authority import Authority
from tests.fakes.orthanc import FakeOrthanc, running
from tests.unit.role_modules import role_module

precheck: Any = role_module("orthanc", "orthanc_precheck")


class Host:
    """A host's files; ``run`` stands for the programs that are asked."""

    def __init__(self, root: Path, *, port: int) -> None:
        self.root = root
        self.databases = "orthanc\npostgres\n"
        self.refuses = False
        self.images = "live"
        self.settings: dict[str, Any] = {
            "HttpPort": port,
            "StorageDirectory": str(root / "live/orthanc"),
            "Plugins": ["/opt/orthanc/current/plugins/libIndex.so"],
            "PostgreSQL": {"EnableIndex": True, "Database": "orthanc"},
        }
        for directory in ("live/orthanc", "live/postgresql/pg_tblspc", "etc", "opt/1.10.1"):
            (root / directory).mkdir(parents=True)
        (root / "opt/current").symlink_to("1.10.1")
        program(root / "opt/1.12.7/bin/orthanc")
        program(root / "opt/1.12.7/plugins/libIndex.so")
        for name in precheck.SCRIPTS:
            program(root / "change/scripts" / name)
        program(root / "change/files/orthanc/orthanc.json", json.dumps(self.settings))

    def run(self, argv: list[str], **_: object) -> str:
        if self.refuses:
            raise precheck.ProblemError("refused")
        if argv[0] == "pg_conftool":
            return f"{self.root / 'live/postgresql'}\n"
        return self.databases

    def refusals(self) -> list[str]:
        (self.root / "etc/orthanc.json").write_text(json.dumps(self.settings))
        given = {
            "change_dir": str(self.root / "change"), "root": str(self.root / "opt"),
            "configuration": str(self.root / "etc"), "from_release": "1.10.1",
            "to_release": "1.12.7", "database": "postgresql@15-main.service",
            "volume": str(self.root / "live"), "images": str(self.root / self.images),
        }  # fmt: skip
        found: list[str] = precheck.refusals(given)
        return found


def program(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)


class Busy(FakeOrthanc):
    """With its list of jobs."""

    jobs: tuple[dict[str, str], ...] = ()

    def answer(self, method: str, path: str, body: bytes) -> Any:
        return list(self.jobs) if path == "/jobs?expand" else super().answer(method, path, body)


@pytest.fixture
def orthanc() -> Any:
    with running(Busy()) as found:
        yield found


@pytest.fixture
def host(tmp_path: Path, orthanc: Busy, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, port=orthanc.port)
    monkeypatch.setattr(precheck, "run", made.run)
    monkeypatch.setattr(precheck, "ask_database", lambda _: made.run(["psql"]))
    return made


def test_a_host_that_is_ready_is_not_refused(host: Host) -> None:
    assert host.refusals() == []


def test_all_that_is_not_staged_is_named(host: Host) -> None:
    (host.root / "opt/1.12.7/bin/orthanc").unlink()
    (host.root / "opt/1.12.7/plugins/libIndex.so").unlink()
    (host.root / "change/scripts/carry").unlink()
    assert host.refusals() == [
        f"release 1.12.7 is not staged in {host.root}/opt/1.12.7",
        "the host script carry is not staged",
        "release 1.12.7 has no plugin libIndex.so",
    ]
    (host.root / "change/files/orthanc/orthanc.json").unlink()
    assert any("the new configuration is not staged" in told for told in host.refusals())


def test_another_current_release_is_refused(host: Host) -> None:
    (host.root / "opt/current").unlink()
    (host.root / "opt/current").symlink_to("1.12.7")
    (told,) = host.refusals()
    assert told.endswith("current leads to 1.12.7, the change starts from 1.10.1")


def test_state_outside_the_snapshot_is_refused(host: Host) -> None:
    host.settings["StorageDirectory"] = str(host.root / "elsewhere")
    host.settings["PostgreSQL"] |= {"EnableIndex": False, "EnableStorage": True}
    (host.root / "live/postgresql/pg_tblspc/16400").symlink_to("/mnt")
    (host.root / "live/postgresql/pg_wal").symlink_to("/fast/wal")
    told = "; ".join(host.refusals())
    assert f"stored objects are in {host.root}/elsewhere, outside the volume" in told
    assert "has a tablespace of its own" in told
    assert "write-ahead log is in /fast/wal, which would not go back" in told
    assert "the index is not in PostgreSQL there" in told
    assert "the images are in PostgreSQL there" in told


def test_index_and_images_that_lie_in_each_others_place_are_refused(host: Host) -> None:
    host.images = "images"
    told = "; ".join(host.refusals())
    assert f"stored objects are in {host.root}/live/orthanc, outside the volume" in told
    host.settings["StorageDirectory"] = str(host.root / "images/orthanc")
    told = "; ".join(host.refusals())
    assert "outside the volume" not in told
    assert f"{host.root}/live/orthanc is no part of Orthanc" in told


def test_what_is_not_ours_on_the_volume_is_refused(host: Host) -> None:
    (host.root / "live/worklists").mkdir()
    host.databases += "ris\n"
    directory, database = host.refusals()
    assert directory.startswith(f"{host.root}/live/worklists is no part of Orthanc")
    assert database.startswith("the database ris is no part of Orthanc")


@pytest.mark.parametrize("state", sorted(precheck.UNDER_WAY))
def test_a_job_under_way_is_refused(host: Host, orthanc: Busy, state: str) -> None:
    done = {"ID": "a", "Type": "Archive", "State": "Success"}
    orthanc.jobs = (done, {"ID": "b", "Type": "DicomMoveScu", "State": state})
    assert host.refusals() == [f"Orthanc's job DicomMoveScu b is {state.lower()}"]


def test_what_cannot_be_looked_at_is_a_reason(host: Host) -> None:
    host.refuses = True
    host.settings["HttpPort"] = 1
    told = host.refusals()
    assert "state is captured could not be learned: refused" in told
    assert "with the new configuration refused" in told
    assert any(each.startswith("jobs could not be learned: GET /jobs?expand") for each in told)


NAMES = ("DicomTlsCertificate", "DicomTlsPrivateKey", "DicomTlsTrustedCertificates")


def with_tls(host: Host, *, key: str | None = None, below: str = "etc/tls") -> None:
    """The new configuration speaks TLS, with files that are there."""
    authority = Authority()
    issued = authority.issue("pacs.invalid")
    texts = (issued.certificate, key or issued.key, authority.certificate)
    paths = [host.root / below / f"{number}.pem" for number in range(3)]
    for path, text in zip(paths, texts, strict=True):
        program(path, text)
    new = {"DicomTlsEnabled": True, **dict(zip(NAMES, map(str, paths), strict=True))}
    program(host.root / "change/files/orthanc/tls.json", json.dumps(new))


def test_tls_with_its_files_is_not_refused(host: Host) -> None:
    with_tls(host)
    assert host.refusals() == []


def test_a_key_of_another_certificate_is_refused_and_not_shown(host: Host) -> None:
    other = Authority().issue("other.invalid").key
    with_tls(host, key=other)
    (told,) = host.refusals()
    assert told.startswith("certificate, key and authorities of DICOM TLS cannot be used together")
    assert other[40:80] not in told


def test_files_of_tls_that_a_restore_would_not_put_back_are_refused(host: Host) -> None:
    with_tls(host, below="elsewhere")
    told = host.refusals()
    assert len([one for one in told if "a restore would not put it back" in one]) == 3


def test_files_of_tls_that_are_not_there_are_refused(host: Host) -> None:
    with_tls(host)
    (host.root / "etc/tls/1.pem").unlink()
    (told,) = host.refusals()
    assert "No such file" in told
