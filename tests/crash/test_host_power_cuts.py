"""The power is cut before every single effect on the disk, and everything is back afterwards."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import ballast, begin, boot, decide, prepare, status, watch
from orchestrator.host.change import load
from orchestrator.host.host import Host
from orchestrator.host.outcome import RefusedError
from tests.fakes.linux_host import (
    LinuxHost,
    PowerCut,
    by_hops,
    install_product,
    manifest,
    stage,
)

CHANGE = "hospital-a-1"


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake's disk forgets nothing; waiting for the real one would only cost minutes."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(ballast, "SIZE", 4096)


@pytest.fixture(params=["btrfs", "copy", "postgres", "hops"])
def places(request: pytest.FixtureRequest) -> Iterator[Iterator[Path]]:
    """A fresh place for each of hundreds of machines, in memory where there is such a place.

    The directory that they lie in is named by how they take their snapshots, or that they go by
    another release.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a private directory is made below it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as top:
        (Path(top) / request.param).mkdir()
        yield (Path(top) / request.param / str(number) for number in count())


def machine_at(place: Path) -> LinuxHost:
    place.mkdir()
    machine = LinuxHost(place)
    install_product(machine)
    stage(machine)
    kind = place.parent.name
    document = by_hops(manifest(provider="postgres")) if kind == "hops" else manifest(provider=kind)
    prepare.prepare(Host(machine), json.dumps(document), at=1)
    machine.disk.effects.clear()
    return machine


def phase(machine: LinuxHost, name: str) -> None:
    assert begin.phase(Host(machine), CHANGE, name, at=1, wait=None)["state"] == "succeeded", name


def choose(machine: LinuxHost, proposal: str) -> None:
    decide.decide(Host(machine), CHANGE, at=1, propose=proposal, by="test", because="a check")


def restored(machine: LinuxHost) -> None:
    for name in ("quiesce", "snapshot", "apply"):
        phase(machine, name)
    choose(machine, "restore")
    phase(machine, "restore")
    phase(machine, "open")


def committed(machine: LinuxHost) -> None:
    for name in ("quiesce", "snapshot", "apply"):
        phase(machine, name)
    choose(machine, "commit")
    phase(machine, "open")


def reversal(machine: LinuxHost) -> None:
    decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    phase(machine, "restore")
    phase(machine, "open")


def cut(machine: LinuxHost, story: Callable[[LinuxHost], None], at: int) -> bool:
    """Run ``story`` with the power cut before its effect ``at``; False when it was through."""
    machine.disk.cut_before = at
    try:
        story(machine)
    except PowerCut:
        return True
    return False


def about(machine: LinuxHost) -> dict[str, Any]:
    machine.disk.cut_before = None
    return status.status(Host(machine))


def assert_over(machine: LinuxHost) -> None:
    """Open, released, nothing left to do, and nothing mutating happened twice."""
    now = about(machine)
    assert (now["door"], now["hold"]) == ("open", False), now
    assert now["changes"][0]["needs"] == "nothing", now
    assert not list(machine.at("/etc/systemd/system").glob("*.d/*hold*")), "drop-ins are left"
    assert not machine.at("/var/lib/wardship/ballast").exists()
    assert not list(machine.root.glob("etc/.*wardship*")), "something set aside is left"
    migrated = [line for line in machine.ran if line.startswith("migrate")]
    assert len({*migrated}) == len(migrated), "a migration began twice"


def assert_as_before(machine: LinuxHost) -> None:
    assert_over(machine)
    assert machine.snapshot_of_truth() == machine.truth_before
    assert set(machine.running.values()) == {"1.0"}
    assert len(machine.running) == 2
    left = [name for name in machine.postgresql.databases if name.endswith("_tmp")]
    assert not left, "a half copy is left"


def assert_new(machine: LinuxHost) -> None:
    assert_over(machine)
    release = "3.0" if machine.root.parent.name == "hops" else "2.0"
    assert machine.at("/data/live/schema").read_text() == release[0]
    if machine.root.parent.name in ("postgres", "hops"):
        pacs = machine.postgresql.databases["pacs"]
        assert (pacs.content, pacs.limit) == (release[0], "40"), "another database is live"
    assert set(machine.running.values()) == {release}
    assert len(machine.running) == 2


def test_a_power_cut_anywhere_in_a_restored_change_ends_as_before(places: Iterator[Path]) -> None:
    for at in range(10_000):
        machine = machine_at(next(places))
        was_cut = cut(machine, restored, at)
        machine.cut_and_boot()
        assert_as_before(machine)
        assert not machine.started_wrongly, "a product started before it was put back"
        if not was_cut:
            break
    assert at > 100


def test_a_power_cut_anywhere_in_a_committed_change_ends_before_or_after_it(
    places: Iterator[Path],
) -> None:
    ends = set()
    for at in range(10_000):
        machine = machine_at(next(places))
        was_cut = cut(machine, committed, at)
        decision = about(machine)["changes"][0]["decision"]
        machine.cut_and_boot()
        is_committed = decision is not None and decision["decision"] == "commit"
        (assert_new if is_committed else assert_as_before)(machine)
        ends.add(is_committed)
        if not was_cut:
            break
    assert ends == {True, False}


def test_a_power_cut_anywhere_in_a_reversal_ends_as_before_the_change(
    places: Iterator[Path],
) -> None:
    for at in range(10_000):
        machine = machine_at(next(places))
        committed(machine)
        machine.disk.effects.clear()
        was_cut = cut(machine, reversal, at)
        is_reversed = about(machine)["changes"][0]["reversal"] is not None
        machine.cut_and_boot()
        (assert_as_before if is_reversed else assert_new)(machine)
        if not was_cut:
            break
    assert at > 40


def test_a_second_power_cut_in_the_restore_at_boot_does_no_harm(places: Iterator[Path]) -> None:
    first = len(effects_of_apply(next(places)))
    for at in range(10_000):
        machine = machine_at(next(places))
        assert cut(machine, restored, first)
        machine.cut_and_boot_without_boot_unit()
        machine.disk.effects.clear()
        was_cut = cut(machine, boot_alone, at)
        machine.cut_and_boot()
        assert_as_before(machine)
        assert not machine.started_wrongly, "a product started before it was put back"
        if not was_cut:
            break
    assert at > 30


def boot_alone(machine: LinuxHost) -> None:
    boot.boot(Host(machine))


def effects_of_apply(place: Path) -> list[str]:
    """The effects until the middle of the migration."""
    machine = machine_at(place)
    for name in ("quiesce", "snapshot", "apply"):
        phase(machine, name)
    effects = machine.disk.effects
    return effects[: effects.index("middle migrate") + 1]


def test_the_program_killed_anywhere_is_restored_by_the_controller(places: Iterator[Path]) -> None:
    """Not the host dies but our process in it: whatever ran goes on running."""
    for at in range(10_000):
        machine = machine_at(next(places))
        was_cut = cut(machine, restored, at)
        machine.disk.cut_before = None
        if about(machine)["changes"][0]["finished"] is None:
            choose(machine, "restore")
            phase(machine, "restore")
        phase(machine, "open")
        assert_as_before(machine)
        if not was_cut:
            break
    assert at > 100


@pytest.mark.parametrize("name", ["quiesce", "snapshot", "apply"])
def test_a_phase_that_was_cut_never_starts_again(places: Iterator[Path], name: str) -> None:
    machine = machine_at(next(places))
    for each in ("quiesce", "snapshot", "apply")[: ("quiesce", "snapshot", "apply").index(name)]:
        phase(machine, each)
    watch.keep(load(Host(machine), CHANGE))  # the phase's own beginning is what is cut
    machine.disk.effects.clear()
    assert cut(machine, lambda m: phase(m, name), 4)
    machine.disk.cut_before = None
    ran = list(machine.ran)
    report = begin.phase(Host(machine), CHANGE, name, at=1, wait=None)
    assert report["state"] == "interrupted"
    assert machine.ran == ran


def test_after_a_restore_at_boot_nothing_goes_onward(places: Iterator[Path]) -> None:
    machine = machine_at(next(places))
    phase(machine, "quiesce")
    machine.cut_and_boot()
    with pytest.raises(RefusedError, match="decided"):
        begin.phase(Host(machine), CHANGE, "snapshot", at=1, wait=None)
