"""What is built is kept whole, the same bytes for the same content, and never another version."""

from __future__ import annotations

import multiprocessing
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.lab import artifacts, bundle, debian
from orchestrator.lab.kept import keep


@pytest.mark.parametrize(
    ("debian_version", "upstream"),
    [
        ("1.10.1+dfsg-2+deb12u1", "1.10.1"),
        ("1.12.7+dfsg-4", "1.12.7"),
        ("1.13.0+dfsg-1+b1", "1.13.0"),
        ("1:2.3-4", "2.3"),
        ("none", ""),
    ],
)
def test_the_upstream_version_of_a_package(debian_version: str, upstream: str) -> None:
    assert artifacts.upstream(debian_version) == upstream


def test_a_suite_that_moved_on_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.Suite, "update", lambda _suite: None)
    has = {"orthanc": "1.10.2+dfsg-1"}
    monkeypatch.setattr(debian.Suite, "candidates", lambda _suite, _packages: has)
    with pytest.raises(LabError, match=r"no orthanc 1\.10\.1 any more: bookworm has 1\.10\.2"):
        artifacts.build("1.10.1", cache=tmp_path, say=lambda _: None)


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no recipe"):
        artifacts.build("9.9.9", cache=tmp_path, say=lambda _: None)


def test_the_packages_that_apt_would_install_are_read() -> None:
    said = (
        "NOTE: This is only a simulation!\n"
        "Inst libc6 (2.36-9 Debian:12.1/stable [amd64]) [libc6:amd64 ]\n"
        "Inst orthanc [1.9-1] (1:1.10.1-2 Debian:12.1/stable [amd64])\n"
        "Conf libc6 (2.36-9 Debian:12.1/stable [amd64])\n"
    )
    assert debian.installs(said) == [("libc6", "2.36-9"), ("orthanc", "1:1.10.1-2")]


def test_the_same_content_packs_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = []
    for stamp in (1000, 2000):
        release = tmp_path / f"release{stamp}"
        (release / "bin").mkdir(parents=True)
        (release / "bin/tool").write_text("tool")
        (release / "bin/tool").chmod(0o700 + stamp // 1000)
        os.utime(release / "bin/tool", (stamp, stamp))
        monkeypatch.setattr(time, "time", lambda now=stamp: float(now))
        bundle.pack(release, tmp_path / f"{stamp}.tar.gz")
        packed.append((tmp_path / f"{stamp}.tar.gz").read_bytes())
    assert packed[0] == packed[1]


def test_a_packed_release_belongs_to_root_and_is_in_order(tmp_path: Path) -> None:
    names = [f"file{number}" for number in range(30)]
    (tmp_path / "release").mkdir()
    for name in names:
        (tmp_path / "release" / name).write_text(name)
    (tmp_path / "release/file3").chmod(0o755)
    bundle.pack(tmp_path / "release", tmp_path / "packed.tar.gz")
    with tarfile.open(tmp_path / "packed.tar.gz") as tar:
        entries = list(tar)
    assert [entry.name for entry in entries] == sorted(names)
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries} == {(0, 0, 0)}
    assert {entry.name for entry in entries if entry.mode == 0o755} == {"file3"}


def counted(made: list[int]) -> Callable[[Path], None]:
    def make(into: Path) -> None:
        made.append(1)
        (into / "content").write_text("whole")

    return make


def test_what_was_made_once_is_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []
    for _ in range(2):
        assert (keep(tmp_path / "entry", counted(made)) / "content").read_text() == "whole"
    assert len(made) == 1


@pytest.mark.parametrize("name", ["content", "sealed.json"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, name: str) -> None:
    made: list[int] = []
    entry = keep(tmp_path / "entry", counted(made))
    (entry / name).write_text("poison")
    assert (keep(entry, counted(made)) / "content").read_text() == "whole"
    assert len(made) == 2


def test_an_entry_with_a_file_too_many_is_made_again(tmp_path: Path) -> None:
    made: list[int] = []
    entry = keep(tmp_path / "entry", counted(made))
    (entry / "more").write_text("poison")
    keep(entry, counted(made))
    assert not (entry / "more").exists()


def test_a_failure_leaves_no_entry(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").touch()
        raise LabError("no network", hint="wait")

    with pytest.raises(LabError):
        keep(tmp_path / "entry", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["entry.lock"]


def _keep_slowly(entry: Path) -> None:
    def make(into: Path) -> None:
        with (entry.parent / "makers").open("a") as stream:
            stream.write("x")
        time.sleep(0.2)
        (into / "content").write_text("whole")

    keep(entry, make)


def test_of_two_makers_one_waits_for_the_other(tmp_path: Path) -> None:
    makers = [
        multiprocessing.get_context("fork").Process(target=_keep_slowly, args=(tmp_path / "e",))
        for _ in range(2)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(20)
    assert (tmp_path / "makers").read_text() == "x"
