"""Hosts that change together: one decides, the others ask it, and nobody goes another way."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from orchestrator.host import aftercare, anchor, begin, decide, member, undo, units, word
from orchestrator.host.change import Change, facts, load
from orchestrator.host.diagnose import diagnose
from orchestrator.host.host import Host
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.phases import COMMIT, RESTORE, SUCCEEDED
from orchestrator.host.prepare import prepare
from orchestrator.host.status import status
from tests.fakes.linux_host import LinuxHost, install_product, manifest, stage

CHANGE = "hospital-a-1"
CHECKING = 60.0
FORWARD = ("quiesce", "snapshot", "apply")
KEY = "5a" * 32
PORT = 7710


class Alone(Exception):  # noqa: N818 - the test has seen enough
    """Nothing more happens in so long."""


class Machine(LinuxHost):
    """One host of the two; a test may end its time."""

    until: float = float("inf")

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.clock > self.until:
            raise Alone


class Pair:
    """A PACS, which decides, and a RIS; between them a line that may be cut."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.is_cut = False
        self.pacs, self.ris = Machine(root / "pacs"), Machine(root / "ris")
        for machine, name in ((self.pacs, "pacs-a"), (self.ris, "ris-a")):
            machine.root.mkdir()
            install_product(machine)
            stage(machine)
            prepare(Host(machine), json.dumps(document(name)), at=1)
        patch.setattr(socket, "create_connection", self.connect)

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        """The line to the anchor."""
        if self.is_cut and address[0] != "127.0.0.1":
            raise TimeoutError
        near, far = socket.socketpair()
        hear = anchor.hear
        change = self.change(self.pacs)
        Thread(target=answer, args=(far, lambda told: hear(change, told)), daemon=True).start()
        return near

    def change(self, machine: Machine) -> Change:
        return load(Host(machine), CHANGE)

    def forward(self, *names: str) -> None:
        """Each phase on both, the PACS first."""
        for name in names or FORWARD:
            for machine in (self.pacs, self.ris):
                assert phase(machine, name)["state"] == SUCCEEDED

    def decide(self, proposal: str) -> dict[str, Any]:
        return decide.decide(
            Host(self.pacs), CHANGE, at=1, propose=proposal, by="controller", because="a test"
        )

    def watch(self, machine: Machine, *, seconds: float = 1e5) -> None:
        """Its timer runs alone until the change is over there."""
        machine.until = machine.clock + seconds
        try:
            undo.run(Host(machine), CHANGE)
        finally:
            machine.until = float("inf")


def answer(far: socket.socket, hear: Any) -> None:
    with far:
        word.answer(far, KEY, hear)


def document(host: str) -> dict[str, Any]:
    made = manifest()
    made["limits"]["checks"] = int(CHECKING)
    together = {"anchor": "pacs-a", "address": "10.77.0.11", "port": PORT}
    hosts = ["pacs-a", "ris-a"]
    return {**made, "host": host, "together": {**together, "hosts": hosts}, "key": KEY}


def phase(machine: Machine, name: str) -> dict[str, Any]:
    return begin.phase(Host(machine), CHANGE, name, at=1, wait=None)


def is_as_before(machine: Machine) -> bool:
    as_it_was = machine.snapshot_of_truth() == machine.truth_before
    return as_it_was and set(machine.running.values()) == {"1.0"} and machine.table is None


def is_new_and_open(machine: Machine) -> bool:
    return set(machine.running.values()) == {"2.0"} and machine.table is None


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Pair(tmp_path, monkeypatch)


@contextmanager
def cut(pair: Pair) -> Iterator[None]:
    pair.is_cut = True
    yield
    pair.is_cut = False


def test_what_the_anchor_decided_counts_on_both(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    assert is_new_and_open(pair.pacs)
    assert is_new_and_open(pair.ris)
    ours = pair.change(pair.ris).decided()
    assert ours is not None
    assert (ours["decision"], ours["by"]) == (COMMIT, "controller")


def test_a_member_decides_nothing(pair: Pair) -> None:
    pair.forward()
    with pytest.raises(RefusedError, match="another host of this set keeps the decision"):
        decide.decide(Host(pair.ris), CHANGE, at=1, propose=RESTORE, by="x", because="y")


def test_a_member_that_does_not_hear_its_anchor_begins_nothing(pair: Pair) -> None:
    phase(pair.pacs, "quiesce")
    with cut(pair):
        assert member.hears(Host(pair.ris), CHANGE) == {
            "hears": False,
            "because": "10.77.0.11:7710 does not answer: timed out",
        }
        with pytest.raises(RefusedError, match=r"anchor: pacs-a, which decides .* timed out"):
            phase(pair.ris, "quiesce")
    assert pair.ris.table is None
    assert set(pair.ris.running.values()) == {"1.0"}
    assert member.hears(Host(pair.ris), CHANGE)["hears"]


@pytest.mark.parametrize("decision", [COMMIT, RESTORE])
def test_without_an_answer_a_member_stays_closed_and_says_so(pair: Pair, decision: str) -> None:
    pair.forward()
    pair.decide(decision)
    with cut(pair):
        with pytest.raises(RefusedError, match="which decides for this host"):
            phase(pair.ris, "open" if decision == COMMIT else "restore")
        with pytest.raises(Alone):
            pair.watch(pair.ris, seconds=200)
        assert pair.ris.table is not None
        (told,) = status(Host(pair.ris))["changes"]
        assert "pacs-a, which decides for this host, is not heard since" in told["waits"]
        assert told["waits"] in diagnose(Host(pair.ris), CHANGE)["found"]
    pair.watch(pair.ris)
    assert is_new_and_open(pair.ris) if decision == COMMIT else is_as_before(pair.ris)
    (told,) = status(Host(pair.ris))["changes"]
    assert told["waits"] == ""


def test_the_controller_hands_on_what_the_anchor_said(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    with cut(pair):
        said = anchor.said(pair.change(pair.pacs))
        member.heed(Host(pair.ris), CHANGE, at=1, said=said)
        assert phase(pair.ris, "open")["state"] == SUCCEEDED
    assert is_new_and_open(pair.ris)


def test_only_the_anchors_own_word_is_handed_on(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    stands = anchor.standing(pair.change(pair.pacs))
    forged = [
        word.sign("00" * 32, word.WORD, stands),
        word.sign(KEY, word.ANCHOR, stands),
        word.sign(KEY, word.WORD, {**stands, "change": "hospital-a-2"}),
        json.dumps({"text": json.dumps(stands)}),
        "commit",
    ]
    for said in forged:
        with pytest.raises(FailedError):
            member.heed(Host(pair.ris), CHANGE, at=1, said=said)
    assert pair.change(pair.ris).decided() is None


def test_nobody_comes_and_both_go_back(pair: Pair) -> None:
    pair.forward()
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def test_the_anchor_waits_while_a_phase_runs_elsewhere(pair: Pair) -> None:
    pair.forward("quiesce", "snapshot")
    phase(pair.pacs, "apply")
    pair.ris.hanging.add(units.name(CHANGE, "apply"))
    begin.phase(Host(pair.ris), CHANGE, "apply", at=1, wait=0)
    real = pair.pacs.sleep

    def both(seconds: float) -> None:
        member.listen(pair.change(pair.ris))
        real(seconds)

    pair.pacs.sleep = both  # type: ignore[method-assign]
    with pytest.raises(Alone):
        pair.watch(pair.pacs, seconds=5 * CHECKING)
    assert pair.change(pair.pacs).decided() is None
    pair.ris.hanging.clear()
    pair.ris.sleep(1)
    pair.watch(pair.pacs, seconds=5 * CHECKING)
    assert is_as_before(pair.pacs)


def test_a_member_that_went_down_has_the_set_put_back(pair: Pair) -> None:
    pair.forward()
    pair.ris.cut_and_boot()
    assert pair.ris.table is not None
    assert pair.change(pair.ris).decided() is None
    with cut(pair), pytest.raises(Alone):
        pair.watch(pair.ris, seconds=200)
    assert not pair.ris.running, "it started without a decision"
    pair.watch(pair.ris)
    pair.watch(pair.pacs)
    assert is_as_before(pair.ris)
    assert is_as_before(pair.pacs)
    standing = pair.change(pair.pacs).decided()
    assert standing is not None
    assert standing["because"] == "ris-a: the host went down before the change was decided"


def test_an_anchor_that_went_down_goes_back_and_so_does_its_member(pair: Pair) -> None:
    pair.forward()
    pair.pacs.cut_and_boot()
    assert is_as_before(pair.pacs)
    unit = units.name(CHANGE, "answer")
    assert pair.pacs.units[unit][0] == "active", "nobody answers the members after the boot"
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)


def test_a_member_that_went_down_after_the_commit_keeps_to_it(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    pair.ris.cut_and_boot()
    pair.watch(pair.ris)
    assert is_new_and_open(pair.ris)


def test_a_reversal_counts_once_the_anchor_has_it(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    assert decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")["reversal"] is None
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=200)
    assert is_new_and_open(pair.ris), "the anchor has not gone back"
    with pytest.raises(RefusedError):
        phase(pair.ris, "restore")
    decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.forward("restore", "open")
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def test_a_reversal_that_nobody_carries_out_is_on_both(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.watch(pair.ris)
    pair.watch(pair.pacs)
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def test_the_anchor_answers_until_everybody_is_over(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    change = pair.change(pair.pacs)
    assert not anchor.has_left(change, since=pair.pacs.clock)
    pair.watch(pair.ris)
    assert anchor.has_left(change, since=pair.pacs.clock)
    assert not change.paths.answering.exists()


def test_a_member_that_told_its_end_leaves_and_one_that_cannot_leaves_later(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    with cut(pair):
        began = pair.ris.clock
        pair.watch(pair.ris, seconds=2 * undo.TELLING)
        assert pair.ris.clock - began >= undo.TELLING
        assert not pair.change(pair.ris).paths.watched.exists()
        (told,) = status(Host(pair.ris))["changes"]
        assert told["waits"] == "", "it waits for nobody"
    assert not anchor.has_left(pair.change(pair.pacs), since=pair.pacs.clock)
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.forward("restore", "open")
    began = pair.ris.clock
    pair.watch(pair.ris)
    assert pair.ris.clock - began < undo.DECIDED
    assert anchor.has_left(pair.change(pair.pacs), since=pair.pacs.clock)


def test_a_change_that_never_begins_is_not_answered_for_ever(pair: Pair) -> None:
    change, began = pair.change(pair.pacs), pair.pacs.clock
    assert not anchor.has_left(change, since=began)
    pair.pacs.clock += anchor.UNBEGUN + 1
    assert anchor.has_left(change, since=began)


def test_a_member_that_a_person_took_over_is_not_waited_for(pair: Pair) -> None:
    pair.forward()
    for machine in (pair.pacs, pair.ris):
        aftercare.clear(Host(machine), CHANGE, at=1, reason="mended")
    pair.watch(pair.ris)
    assert anchor.has_left(pair.change(pair.pacs), since=pair.pacs.clock)
    assert facts(pair.change(pair.ris)).is_over


def test_what_was_said_once_is_not_said_again() -> None:
    near, far = socket.socketpair()
    heard: list[Any] = []
    with near, far:
        talking = Thread(target=answer_safely, args=(far, heard), daemon=True)
        talking.start()
        near.recv(100)
        old = word.sign(KEY, word.MEMBER, {"host": "ris-a", "nonce": "of another talk", "mine": ""})
        near.sendall(old.encode() + b"\n")
        talking.join(10)
    assert heard == ["an old question was asked again"]


def answer_safely(far: socket.socket, heard: list[Any]) -> None:
    try:
        word.answer(far, KEY, lambda told: told)
    except FailedError as error:
        heard.append(error.because)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hosts": ["pacs-a"]}, "not two hosts or more"),
        ({"hosts": ["pacs-b", "ris-a"]}, "together does not name pacs-a"),
        ({"anchor": "pacs-b"}, "together does not name pacs-b"),
        ({"address": "the PACS"}, "the anchor's address is 'the PACS'"),
        ({"port": 4242}, "none of the door's"),
        ({"port": "7710"}, "the anchor's port is '7710'"),
        ({"more": 1}, "together has"),
    ],
)
def test_a_manifest_that_names_no_set_is_refused(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    made = document("pacs-a")
    made["together"] = {**made["together"], **change}
    machine = Machine(tmp_path)
    with pytest.raises(RefusedError, match=told):
        prepare(Host(machine), json.dumps(made), at=1)


@pytest.mark.parametrize("key", [None, "", "5A" * 32, "5a" * 31])
def test_hosts_without_a_key_do_not_change_together(tmp_path: Path, key: str | None) -> None:
    made = {**document("pacs-a"), "key": key}
    with pytest.raises(RefusedError, match="need a key"):
        prepare(Host(Machine(tmp_path)), json.dumps(made), at=1)


def test_the_key_is_kept_apart_and_for_root_alone(pair: Pair) -> None:
    paths = pair.change(pair.ris).paths
    assert paths.key.read_text().strip() == KEY
    assert paths.key.stat().st_mode & 0o777 == 0o600
    assert KEY not in paths.manifest.read_text()
    assert KEY not in json.dumps(status(Host(pair.ris)))
