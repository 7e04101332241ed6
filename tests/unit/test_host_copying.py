"""Copies that are proved, and archives that are listed and held: what they keep and notice."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from orchestrator.host import begin, decide, prepare, volumes
from orchestrator.host.copying import Copy
from orchestrator.host.host import Host
from orchestrator.host.manifest import Volume
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.place import Place
from orchestrator.host.prove import prove
from tests.fakes.linux_host import LinuxHost, install_product, manifest, stage

CHANGE = "hospital-a-1"


@pytest.fixture
def machine(tmp_path: Path) -> LinuxHost:
    """A host that copies, with a change prepared."""
    made = LinuxHost(tmp_path)
    install_product(made)
    stage(made)
    prepare.prepare(Host(made), json.dumps(manifest(provider="copy")), at=1)
    return made


@pytest.fixture
def live(machine: LinuxHost) -> Path:
    return machine.at("/data/live")


def forward(machine: LinuxHost, *names: str) -> None:
    for name in names:
        report = begin.phase(Host(machine), CHANGE, name, at=1, wait=None)
        assert report["state"] == "succeeded", report


def copied(machine: LinuxHost, live: Path) -> Path:
    at, listed = live.parent / "copy", live.parent / "list"
    Copy(machine).freeze(live, at, listed)
    assert Copy(machine).difference(live, at, listed) == ""
    return at


def test_modes_times_links_and_attributes_are_kept(machine: LinuxHost, live: Path) -> None:
    (live / "link").symlink_to("/nowhere")
    (live / "twin").hardlink_to(live / "schema")
    os.setxattr(live / "schema", "user.site", b"B")
    (live / "schema").chmod(0o4750)
    os.utime(live / "objects", ns=(1, 2))
    at = copied(machine, live)
    assert os.readlink(at / "link") == "/nowhere"  # noqa: PTH115 - as the disk has it
    assert (at / "twin").stat().st_ino == (at / "schema").stat().st_ino
    assert os.getxattr(at / "schema", "user.site") == b"B"
    assert (at / "schema").stat().st_mode == (live / "schema").stat().st_mode
    assert (at / "objects").stat().st_mtime_ns == 2


def test_a_hole_stays_a_hole_and_zeros_that_were_written_stay_written(
    machine: LinuxHost, live: Path
) -> None:
    (live / "zeros").write_bytes(bytes(4 << 20))
    with (live / "hole").open("wb") as file:
        file.truncate(4 << 20)
    with (live / "holes").open("wb") as file:
        for page in range(4):  # a page of data in every half of a chunk
            os.pwrite(file.fileno(), b"x" * 4096, page << 19)
    at = copied(machine, live)
    for name in ("zeros", "hole", "holes"):
        assert (at / name).stat().st_blocks == (live / name).stat().st_blocks, name
    assert (at / "holes").read_bytes() == (live / "holes").read_bytes()


def test_a_socket_is_left_out(
    machine: LinuxHost, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(live)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("s")
        assert not (copied(machine, live) / "s").exists()


def test_a_copy_that_is_not_what_was_read_is_noticed(machine: LinuxHost, live: Path) -> None:
    at, listed = live.parent / "copy", live.parent / "list"
    Copy(machine).freeze(live, at, listed)
    times = (at / "schema").stat()
    (at / "schema").write_text("7")
    os.utime(at / "schema", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert Copy(machine).difference(live, at, listed) == "schema is another"


def test_what_changes_while_it_is_copied_is_noticed(machine: LinuxHost, live: Path) -> None:
    at, listed = live.parent / "copy", live.parent / "list"
    Copy(machine).freeze(live, at, listed)
    (live / "schema").write_text("1")
    assert "schema changed while it was copied" in Copy(machine).difference(live, at, listed)


def test_a_pipe_cannot_be_copied_and_is_refused(machine: LinuxHost, live: Path) -> None:
    os.mkfifo(live / "pipe")
    assert "pipe is neither file, directory, link nor socket" in Copy(machine).problems([live])[0]


def test_an_archive_on_the_disk_of_the_index_is_refused(
    machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "device", lambda _: 1)
    document = manifest(provider="copy")["volumes"]
    places = [
        Place(machine, CHANGE, Volume(v["name"], v["path"], ("stored",), v["class"]))
        for v in document
    ]
    told = volumes.problems(places, Copy(machine), machine)
    assert any("lies on one file system with" in each for each in told)


def test_an_archive_without_hard_links_is_refused(
    machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refused)
    with pytest.raises(RefusedError, match="archive has no hard links"):
        begin.phase(Host(machine), CHANGE, "quiesce", at=1, wait=None)


def test_a_release_does_not_start_on_an_archive_that_is_not_mounted(machine: LinuxHost) -> None:
    forward(machine, "quiesce", "snapshot")
    machine.at("/archive").rename(machine.at("/unmounted"))
    machine.at("/archive").mkdir()
    report = begin.phase(Host(machine), CHANGE, "apply", at=1, wait=None)
    assert (report["state"], "is it mounted?" in report["because"]) == ("failed", True)
    assert not machine.running


def test_what_is_touched_on_an_archive_is_hashed_for_the_index(machine: LinuxHost) -> None:
    stored = machine.at("/archive/stored")
    forward(machine, "quiesce", "snapshot", "apply")
    assert prove(Host(machine), CHANGE, sample=0, seed="")["touched_count"] == 0
    (stored / "a").chmod((stored / "a").stat().st_mode)
    (stored / "c").write_text("came later")
    proof = prove(Host(machine), CHANGE, sample=0, seed="")
    assert [one["path"] for one in proof["touched"]] == ["stored/a"]
    assert "/archive/stored/deep/b" in proof["missing"]
    assert proof["added"] == 1


def test_what_was_put_back_is_proved_without_reading_it(machine: LinuxHost) -> None:
    forward(machine, "quiesce", "snapshot", "apply")
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a test")
    forward(machine, "restore", "open")
    proof = prove(Host(machine), CHANGE, sample=0, seed="")
    assert (proof["files"], proof["reread"], proof["missing"]) == (4, 1, [])
    # Its name was taken away and given back, which changes ctime: the index's hash judges it.
    assert [one["path"] for one in proof["touched"]] == ["stored/deep/b"]


def test_a_change_of_the_copy_that_is_live_again_is_seen(machine: LinuxHost, live: Path) -> None:
    forward(machine, "quiesce", "snapshot", "apply")
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a test")
    forward(machine, "restore", "open")
    (live / "objects/b").write_text("IMAGE B")
    proof = prove(Host(machine), CHANGE, sample=0, seed="")
    assert proof["differing"] == ["/data/live/objects/b"]


def test_what_was_put_back_stays_when_its_failed_state_had_to_go(
    machine: LinuxHost, live: Path
) -> None:
    forward(machine, "quiesce", "snapshot")
    place = Place(machine, CHANGE, Volume("live", "/data/live", ()))
    snapshots = Copy(machine)
    volumes.put_back(place, snapshots, machine.disk)
    snapshots.empty(place.failed)
    (live / "schema").write_text("went on")
    assert "already" in volumes.put_back(place, snapshots, machine.disk)
    assert (live / "schema").read_text() == "went on"


def test_a_copy_that_is_gone_is_never_taken_for_put_back(machine: LinuxHost) -> None:
    forward(machine, "quiesce", "snapshot")
    place = Place(machine, CHANGE, Volume("live", "/data/live", ()))
    Copy(machine).delete(place.frozen)
    with pytest.raises(FailedError, match="is gone"):
        volumes.put_back(place, Copy(machine), machine.disk)


def test_a_deleted_object_of_an_archive_has_its_owner_and_place_again(machine: LinuxHost) -> None:
    top = machine.at("/archive/stored")
    (top / "deep").chmod(top.stat().st_mode)
    before = [(each.name, each.stat().st_mode) for each in sorted(top.rglob("*"))]
    forward(machine, "quiesce", "snapshot", "apply")
    assert not (top / "deep").exists()
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a test")
    forward(machine, "restore", "open")
    assert [(each.name, each.stat().st_mode) for each in sorted(top.rglob("*"))] == before


def test_an_archive_object_that_nothing_holds_any_more_is_named(machine: LinuxHost) -> None:
    forward(machine, "quiesce", "snapshot", "apply")
    place = Place(machine, CHANGE, Volume("images", "/archive", ("stored",), "archive"))
    machine.disk.remove_tree(place.frozen)
    with pytest.raises(FailedError, match="deep/b is gone, and so is"):
        volumes.put_back(place, Copy(machine), machine.disk)
