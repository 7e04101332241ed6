"""Room for copies: counted by file system before anything is felt, and given back by a restore."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import pytest

from orchestrator.host import copying, decide, restore, room
from orchestrator.host.copying import Copy
from orchestrator.host.host import Host
from orchestrator.host.system import System
from tests.fakes.linux_host import LinuxHost
from tests.unit.test_host_copying import CHANGE, forward, live, machine

assert live
assert machine


def test_too_little_room_is_refused_unless_blocks_are_shared(
    machine: LinuxHost, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (live / "much").write_bytes(os.urandom(3 << 20))
    machine.room = room.SPARE + (2 << 20)
    monkeypatch.setattr(copying, "shares_blocks", lambda _: False)
    (told,) = Copy(machine).problems([live])
    assert told == f"258 MiB free, a copy of {live} needs 259"
    monkeypatch.setattr(copying, "shares_blocks", lambda _: True)
    assert Copy(machine).problems([live]) == []


def test_volumes_of_one_file_system_have_its_room_together(
    machine: LinuxHost, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "shares_blocks", lambda _: False)
    other, elsewhere = live.parent / "other", machine.at("/archive/index")
    for each in (live, other, elsewhere):
        each.mkdir(parents=True, exist_ok=True)
        (each / "much").write_bytes(os.urandom(3 << 20))
    machine.room = room.SPARE + (5 << 20)
    for each in (live, other, elsewhere):
        assert Copy(machine).problems([each]) == [], "each alone finds room"
    assert Copy(machine).problems([live, elsewhere]) == []
    (told,) = Copy(machine).problems([live, other, elsewhere])
    assert told == f"261 MiB free, a copy of {live} and {other} needs 262"


def test_too_few_inodes_are_refused_also_where_blocks_are_shared(
    machine: LinuxHost, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "shares_blocks", lambda _: True)
    machine.inodes = room.SPARE_INODES + 5  # the volume, schema, objects and two in it
    assert Copy(machine).problems([live]) == []
    machine.inodes -= 1
    (told,) = Copy(machine).problems([live])
    assert told == f"1004 inodes free, a copy of {live} needs 1005"


@pytest.mark.parametrize(("counted", "free", "left"), [(0, 0, None), (10, 0, 0), (10, 3, 3)])
def test_a_file_system_without_a_number_of_inodes_does_not_lack_them(
    monkeypatch: pytest.MonkeyPatch, counted: int, free: int, left: int | None
) -> None:
    found = os.statvfs("/")
    mocked = os.statvfs_result((*found[:5], counted, free, free, *found[8:]))
    monkeypatch.setattr(os, "statvfs", lambda _: mocked)
    system = System()
    assert (system.inodes_left(Path("/")), system.has_names_left(Path("/"))) == (left, left != 0)


def half_copied(machine: LinuxHost) -> Path:
    """A change that is to be put back, its copy cut off; where that lies."""
    forward(machine, "quiesce")
    half = machine.at(f"/data/.wardship/{CHANGE}/live.tmp")
    (half / "objects").mkdir(parents=True)
    (half / "objects/a").write_text("ima")
    held = machine.at(f"/archive/.wardship/{CHANGE}/images.tmp/0/0")
    held.parent.mkdir(parents=True)
    held.hardlink_to(machine.at("/archive/stored/a"))
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a test")
    return half


def told_by_restore(machine: LinuxHost) -> str:
    forward(machine, "restore", "open")
    assert machine.snapshot_of_truth() == machine.truth_before
    return machine.at(f"/var/lib/wardship/changes/{CHANGE}/phases/restore.log").read_text()


def test_half_a_copy_is_gone_before_the_old_release_starts(
    machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = half_copied(machine)
    there: list[bool] = []
    effect = machine.disk.effect

    def at_the_start(what: str, path: Path) -> None:
        there.extend([half.exists()] if (what, path.name) == ("begin", "start") else [])
        effect(what, path)

    monkeypatch.setattr(machine.disk, "effect", at_the_start)
    assert f"{half} is removed: it was not proved" in told_by_restore(machine)
    assert there == [False]
    assert machine.at(f"/archive/.wardship/{CHANGE}/images.tmp").exists(), "it takes no room"


@pytest.mark.parametrize("why", ["it cannot", "it takes long"])
def test_half_a_copy_that_stays_does_not_stop_the_start(
    machine: LinuxHost, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    half, never = half_copied(machine), Event()

    def stays(_: Path) -> None:
        if why == "it takes long":
            never.wait(60)
        raise PermissionError(1, "Operation not permitted", "a")

    monkeypatch.setattr(restore, "REMOVING", 0.01)
    monkeypatch.setattr(machine.disk, "remove_tree", stays)
    told = told_by_restore(machine)
    never.set()
    tellings = {"it cannot": f"{half} stays: ", "it takes long": f"{half} is still being removed"}
    assert tellings[why] in told


def test_what_was_proved_stays_also_when_nothing_was_applied(machine: LinuxHost) -> None:
    forward(machine, "quiesce", "snapshot")
    decide.decide(Host(machine), CHANGE, at=1, propose="restore", by="test", because="a test")
    told_by_restore(machine)
    assert machine.at(f"/data/.wardship/{CHANGE}/live/schema").read_text() == "1"
