"""Hosts that change together: one decides, the others ask it, and nobody goes another way."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from orchestrator.host import aftercare, anchor, answering, begin, decide, member, undo, units, word
from orchestrator.host.change import Change, facts, load
from orchestrator.host.diagnose import diagnose
from orchestrator.host.host import Host
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.phases import COMMIT, RESTORE, SUCCEEDED
from orchestrator.host.prepare import prepare
from orchestrator.host.status import status
from orchestrator.lab.run import until
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
        Thread(target=self.answer, args=(far,), daemon=True).start()
        return near

    def answer(self, far: socket.socket) -> None:
        """As the unit does: key and records are looked up for each question."""
        with far:
            word.answer(
                far,
                lambda change: word.key_at(load(Host(self.pacs), change).paths.key),
                lambda told: anchor.hear(load(Host(self.pacs), str(told["change"])), told),
            )

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

    def watch(self, machine: Machine, *, seconds: float = 2000) -> None:
        """Its timer runs alone until the change is over there."""
        machine.until = machine.clock + seconds
        try:
            undo.run(Host(machine), CHANGE)
        finally:
            machine.until = float("inf")


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
        assert begin.ready(Host(pair.ris), CHANGE) == {
            "problems": [],
            "silence": "10.77.0.11:7710 does not answer: timed out",
        }
        with pytest.raises(RefusedError, match=r"anchor: pacs-a, which decides .* timed out"):
            phase(pair.ris, "quiesce")
    assert pair.ris.table is None
    assert set(pair.ris.running.values()) == {"1.0"}
    assert begin.ready(Host(pair.ris), CHANGE)["silence"] == ""


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
    pair.watch(pair.pacs)
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
    member.listen(pair.change(pair.ris))
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)
    assert is_as_before(pair.pacs)
    standing = pair.change(pair.pacs).decided()
    assert standing is not None
    assert standing["because"] == "ris-a: the host went down before the change was decided"


def test_an_anchor_that_went_down_goes_back_and_so_does_its_member(pair: Pair) -> None:
    pair.forward()
    pair.pacs.cut_and_boot()
    assert is_as_before(pair.pacs)
    unit = units.name("anchor", str(PORT))
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
    with pytest.raises(RefusedError, match="restore needs the decision restore, or a reversal"):
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
    pair.watch(pair.pacs)
    pair.watch(pair.ris)
    assert is_as_before(pair.pacs)
    assert is_as_before(pair.ris)


def takes_leave(pair: Pair) -> bool:
    return answering.takes_leave(Host(pair.pacs), PORT)


def test_the_anchor_answers_until_everybody_is_over(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    assert not takes_leave(pair)
    pair.watch(pair.ris)
    assert takes_leave(pair)
    assert not Host(pair.pacs).layout.answering(PORT).exists()


def test_a_member_that_cannot_tell_its_end_asks_on_and_is_answered(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    with cut(pair):
        member.heed(Host(pair.ris), CHANGE, at=1, said=anchor.said(pair.change(pair.pacs)))
        for machine in (pair.pacs, pair.ris):
            assert phase(machine, "open")["state"] == SUCCEEDED
        with pytest.raises(Alone):
            pair.watch(pair.ris, seconds=3600)
    assert not takes_leave(pair)
    pair.watch(pair.ris)
    assert takes_leave(pair)
    (told,) = status(Host(pair.ris))["changes"]
    assert told["waits"] == ""


def test_a_member_that_began_after_the_line_was_cut_is_answered_later(pair: Pair) -> None:
    phase(pair.pacs, "quiesce")
    begin.phase(Host(pair.ris), CHANGE, "quiesce", at=1, wait=0)
    with cut(pair):
        pair.ris.sleep(1)
        pair.watch(pair.pacs)
        assert is_as_before(pair.pacs)
        assert not takes_leave(pair), "a member would stay closed for ever"
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)
    assert takes_leave(pair)


def test_a_member_that_never_began_is_not_waited_for(pair: Pair) -> None:
    phase(pair.pacs, "quiesce")
    pair.watch(pair.pacs)
    assert takes_leave(pair)


def test_a_change_that_never_begins_is_not_answered_for_ever(pair: Pair) -> None:
    assert not takes_leave(pair)
    pair.pacs.clock += answering.UNBEGUN + 1
    assert takes_leave(pair)
    begin.ready(Host(pair.pacs), CHANGE)
    assert not takes_leave(pair), "it was asked for again"


def test_the_next_change_is_answered_beside_one_that_has_not_ended(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    later = {**document("pacs-a"), "change_set": "hospital-a-2", "key": "17" * 32}
    stage(pair.pacs, "hospital-a-2")
    prepare(Host(pair.pacs), json.dumps(later), at=1)
    assert list(pair.pacs.units).count(units.name("anchor", str(PORT))) == 1
    assert begin.ready(Host(pair.ris), CHANGE)["silence"] == ""


def test_a_key_that_stage_made_anew_is_the_one_that_counts(pair: Pair) -> None:
    for machine, name in ((pair.pacs, "pacs-a"), (pair.ris, "ris-a")):
        prepare(Host(machine), json.dumps({**document(name), "key": "17" * 32}), at=1)
    assert begin.ready(Host(pair.ris), CHANGE)["silence"] == ""


def test_a_member_that_a_person_took_over_is_waited_for_until_it_told(pair: Pair) -> None:
    pair.forward()
    aftercare.clear(Host(pair.pacs), CHANGE, at=1, reason="mended")
    assert not takes_leave(pair)
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=200)
    (told,) = status(Host(pair.ris))["changes"]
    assert "a person took the change over there, undecided" in told["waits"]
    with pytest.raises(RefusedError, match="a person took the change over"):
        pair.decide(RESTORE)
    aftercare.clear(Host(pair.ris), CHANGE, at=1, reason="mended")
    pair.watch(pair.ris)
    assert facts(pair.change(pair.ris)).is_over
    assert takes_leave(pair)


def test_a_member_is_not_opened_before_its_anchor_is_back(pair: Pair) -> None:
    pair.forward()
    pair.decide(RESTORE)
    assert phase(pair.ris, "restore")["state"] == SUCCEEDED
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=10 * CHECKING)
    assert pair.ris.table is not None
    assert phase(pair.pacs, "restore")["state"] == SUCCEEDED
    pair.watch(pair.ris)
    assert is_as_before(pair.ris)


def test_what_the_anchor_cannot_put_back_leaves_no_intent(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    pair.watch(pair.ris)
    aftercare.cleanup(Host(pair.pacs), CHANGE, at=1)
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    (told,) = status(Host(pair.ris))["changes"]
    assert "has not confirmed the reversal" in told["waits"]
    with pytest.raises(RefusedError, match="cleaned up"):
        decide.reverse(Host(pair.pacs), CHANGE, at=1, because="asked for")
    pair.watch(pair.ris)
    assert not pair.change(pair.ris).paths.intent.exists()
    assert is_new_and_open(pair.ris)


def test_nothing_is_cleaned_up_that_a_host_of_the_set_still_needs(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    phase(pair.pacs, "open")
    with pytest.raises(RefusedError, match="has not ended as it did"):
        aftercare.cleanup(Host(pair.pacs), CHANGE, at=1)
    pair.watch(pair.ris)
    aftercare.cleanup(Host(pair.pacs), CHANGE, at=1)
    decide.reverse(Host(pair.ris), CHANGE, at=1, because="asked for")
    with pytest.raises(RefusedError, match="has not ended as it did"):
        aftercare.cleanup(Host(pair.ris), CHANGE, at=1)


def test_a_decision_stands_though_it_cannot_be_signed(pair: Pair) -> None:
    pair.forward()
    pair.change(pair.pacs).paths.key.unlink()
    pair.decide(COMMIT)
    assert anchor.said(pair.change(pair.pacs)) == ""


def test_what_would_stop_a_member_is_asked_before_anything_is_felt(pair: Pair) -> None:
    hold = pair.ris.at("/etc/wardship/hold")
    hold.parent.mkdir(parents=True)
    hold.write_text("the radiologist is on call")
    (problem,) = begin.ready(Host(pair.ris), CHANGE)["problems"]
    assert "the radiologist is on call" in problem


def test_an_old_question_takes_nothing_back(pair: Pair) -> None:
    pair.forward()
    pair.decide(COMMIT)
    pair.forward("open")
    pair.watch(pair.ris)
    late = {"change": CHANGE, "host": "ris-a", "phases": {"open": "running"}, "end": None}
    anchor.hear(pair.change(pair.pacs), late)
    assert takes_leave(pair)


@pytest.fixture
def talking() -> Iterator[tuple[socket.socket, list[str]]]:
    """Somebody's end of a line to an anchor, and what the anchor refuses."""
    near, far = socket.socketpair()
    refused: list[str] = []

    def run() -> None:
        try:
            word.answer(far, lambda _: KEY, lambda told: told)
        except (FailedError, OSError) as error:
            refused.append(str(error))

    thread = Thread(target=run, daemon=True)
    with near, far:
        thread.start()
        near.recv(100)
        yield near, refused
        thread.join(10)


def asked(said: str, change: str = CHANGE) -> bytes:
    return json.dumps({"change": change, "asked": said}).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (asked(word.sign(KEY, word.MEMBER, {"change": CHANGE, "nonce": "old"})), "an old question"),
        (asked(word.sign("17" * 32, word.MEMBER, {"change": CHANGE})), "not signed under the key"),
        (asked(word.sign(KEY, word.ANCHOR, {"change": CHANGE})), "not signed under the key"),
        (asked("{}"), "is no message"),
        (b"\xff\xfe\n", "is no question"),
        (b"[" * 5000 + b"\n", "is no question"),
        (b"x" * (word.LONGEST + 1), "it says too much"),
    ],
)
def test_who_has_not_the_key_or_says_it_twice_is_not_answered(
    line: bytes, told: str, talking: tuple[socket.socket, list[str]]
) -> None:
    near, refused = talking
    near.sendall(line)
    near.settimeout(10)
    assert until(lambda: bool(refused), timeout=10)
    assert told in refused[0]


def test_who_talks_too_long_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word, "TIMEOUT", 0.3)
    near, far = socket.socketpair()
    with near, far:
        talk = word.Talk(far)
        dripping = Thread(target=drip, args=(near,), daemon=True)
        dripping.start()
        with pytest.raises(TimeoutError):
            talk.hear()
    dripping.join(10)


def drip(near: socket.socket) -> None:
    for _ in range(100):
        try:
            near.sendall(b"x")
        except OSError:
            return
        time.sleep(0.02)


@pytest.mark.parametrize("first", [b"\xff\xff\n", b"[" * 9000 + b"\n", b"", b"nonce\n{}\n"])
def test_whatever_answers_in_the_anchors_place_is_only_silence(
    first: bytes, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.forward()
    pair.decide(COMMIT)
    member.heed(Host(pair.ris), CHANGE, at=1, said=anchor.said(pair.change(pair.pacs)))

    def stranger(*_: Any) -> socket.socket:
        near, far = socket.socketpair()
        with far:
            far.sendall(first)
        return near

    monkeypatch.setattr(socket, "create_connection", stranger)
    with pytest.raises(Alone):
        pair.watch(pair.ris, seconds=600)
    assert is_new_and_open(pair.ris), "what is decided does not wait for a stranger"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hosts": ["pacs-a"]}, "not two hosts or more"),
        ({"hosts": "ab"}, "together names 'ab', not hosts"),
        ({"address": "fd00::1"}, "the anchor's address is 'fd00::1'"),
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
