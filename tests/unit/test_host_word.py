"""What hosts of a set say to one another: signed, said once, in time; and who has the key."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from orchestrator.host import anchor, member, word
from orchestrator.host.host import Host
from orchestrator.host.outcome import FailedError, RefusedError
from orchestrator.host.phases import COMMIT
from orchestrator.host.prepare import prepare
from orchestrator.host.status import status
from orchestrator.lab.run import until
from tests.fakes.pair import (
    CHANGE,
    KEY,
    Alone,
    Machine,
    Pair,
    document,
    is_new_and_open,
)


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
