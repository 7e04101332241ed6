"""Who is connected when the door closes: awaited, then ended, always told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import door, nft
from orchestrator.host.host import Host
from orchestrator.host.manifest import Manifest, parse
from orchestrator.host.system import Ran
from tests.fakes.linux_host import LinuxHost, manifest

CT = "10.0.0.9:50000"


class Watched(LinuxHost):
    """Keeps what nft was given, in order."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.tables: list[str] = []
        self.ss_ends_with = 0

    def run(self, argv: Sequence[str], **given: Any) -> Ran:
        if argv[:2] == ["nft", "-f"]:
            self.tables.append(str(given["stdin"]))
        if argv[0] == "ss" and self.ss_ends_with:
            return Ran(self.ss_ends_with, "", "ss: not found")
        return super().run(argv, **given)


@pytest.fixture
def machine(tmp_path: Path) -> Watched:
    (tmp_path / "var/lib/wardship").mkdir(parents=True)
    return Watched(tmp_path)


def shut(machine: Watched) -> str:
    return door.shut(Host(machine), this())


def this() -> Manifest:
    return parse(manifest())


def test_an_empty_house_is_shut_at_once(machine: Watched) -> None:
    before = machine.clock
    assert shut(machine) == ""
    assert machine.clock - before < 0.1
    assert machine.tables[-1] == nft.shut([4242, 8042], [0])


def test_accounts_of_the_products_own_services_reach_it_over_loopback(machine: Watched) -> None:
    document = manifest()
    document["door"]["users"] = ["product-bridge"]
    door.shut(Host(machine), parse(document))
    assert machine.tables[-1] == nft.shut([4242, 8042], [0, 997])
    door.load(Host(machine))
    assert machine.tables[-1] == nft.shut([4242, 8042], [0, 997])


def test_who_is_connected_may_end_while_nobody_new_comes_in(machine: Watched) -> None:
    machine.guests = {CT: machine.clock + 2}
    told = shut(machine)
    assert machine.tables == [nft.nobody_new([4242, 8042]), nft.shut([4242, 8042], [0])]
    assert "waited 2." in told
    assert "ended for" not in told


def test_who_stays_is_ended_and_named(machine: Watched) -> None:
    machine.guests = {CT: machine.clock + 1000}
    before = machine.clock
    assert f"ended for {CT}" in shut(machine)
    assert machine.guests == {}
    assert door.GRACE <= machine.clock - before < 2 * door.GRACE


def test_a_door_that_is_shut_is_never_opened_a_crack(machine: Watched) -> None:
    shut(machine)
    machine.guests = {CT: machine.clock + 1000}
    machine.tables.clear()
    shut(machine)
    assert machine.tables == [nft.shut([4242, 8042], [0])]


def test_not_to_know_who_is_connected_is_told_and_shuts_all_the_same(machine: Watched) -> None:
    machine.ss_ends_with = 127
    assert "is not known" in shut(machine)
    assert machine.tables[-1] == nft.shut([4242, 8042], [0])
