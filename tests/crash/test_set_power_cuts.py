"""The power of one of two hosts is cut before an effect on its disk: both end as one.

Nobody comes back: the hosts end their change by themselves, the one that was cut when it boots.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from orchestrator.host import ballast, decide, member
from orchestrator.host.change import facts
from orchestrator.host.host import Host
from orchestrator.host.outcome import RefusedError
from orchestrator.host.phases import COMMIT, RESTORE, needs
from tests.fakes.linux_host import PowerCut
from tests.fakes.pair import CHANGE, Alone, Machine, Pair, is_as_before, is_new_and_open, phase

#: Before every how many effects: before each in the full set.
STRIDES = [pytest.param(1, marks=pytest.mark.full), 9]
#: Effects before which it is cut in any case: what is decided is there, or not.
DECISIVE = ("decision.json", "reversal.json", "intent.json")
#: The two are looked at so often until both have ended.
ROUNDS = 4


def committed(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")


def restored(pair: Pair) -> None:
    pair.forward()
    pair.decide(RESTORE)
    for name in ("restore", "open"):
        for machine in (pair.ris, pair.pacs):
            phase(machine, name)


def reversed_later(pair: Pair) -> None:
    committed(pair)
    for machine in (pair.ris, pair.pacs):
        decide.reverse(Host(machine), CHANGE, at=1, because="a doctor called")
    for name in ("restore", "open"):
        for machine in (pair.ris, pair.pacs):
            phase(machine, name)


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iterator[Pair]]:
    """Fresh pairs, in memory where there is such a place."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(ballast, "SIZE", 4096)
    memory = Path("/dev/shm")  # noqa: S108 - a private directory is made below it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as top:

        def made() -> Iterator[Pair]:
            for number in count():
                place = Path(top) / str(number)
                place.mkdir()
                pair = Pair(place)
                monkeypatch.setattr(socket, "create_connection", pair.connect)
                yield pair

        yield made()


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("who", ["pacs", "ris"])
@pytest.mark.parametrize("story", [committed, restored, reversed_later])
def test_a_power_cut_on_one_of_two_hosts_leaves_both_as_one(
    story: Callable[[Pair], None], who: str, stride: int, pairs: Iterator[Pair]
) -> None:
    uncut = next(pairs)
    effects = getattr(uncut, who).disk.effects
    effects.clear()
    story(uncut)
    decisive = {at for at, what in enumerate(effects) if what.endswith(DECISIVE)}
    assert decisive, "nothing was decided: this test proves nothing"
    ends: set[str] = set()
    for at in sorted({*range(stride // 2, len(effects), stride), *decisive}):
        pair = next(pairs)
        cut: Machine = getattr(pair, who)
        cut.disk.effects.clear()
        cut.disk.cut_before = at
        try:
            story(pair)
        except (PowerCut, RefusedError):  # refused: it was cut while it answered the other
            assert len(cut.disk.effects) == at
            cut.cut_and_boot()
        ends.add(settled(pair, f"cut before effect {at} of {who}: {effects[at]}"))
    assert ends == ({"as before"} if story is restored else {"as before", "new"})


def settled(pair: Pair, where: str) -> str:
    """How both have ended, when nobody but themselves did anything more."""
    both = (pair.ris, pair.pacs)
    for _ in range(ROUNDS):
        for machine in both:
            with suppress(Alone):
                pair.watch(machine, seconds=700)
        if all(needs(facts(pair.change(machine))) == "nothing" for machine in both):
            break
    told = [(facts(pair.change(machine)), member.unheard(pair.change(machine))) for machine in both]
    if all(map(is_as_before, both)):
        return "as before"
    assert all(map(is_new_and_open, both)), (where, told)
    return "new"
