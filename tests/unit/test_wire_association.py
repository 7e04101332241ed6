"""What pynetdicom leaves behind where a conversation ended, and what it means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from pydicom import Dataset

from orchestrator.wire.association import Peer, answer, answers
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.errors import Cut, Garbled, NotOffered, Silent, WireError

PEER = Peer("127.0.0.1", 104, "PACS", timeout=0.2)
NOTHING = Dataset()
Pair = tuple[Dataset, Dataset | None]


def status(code: int, **more: int) -> Dataset:
    made = Dataset()
    made.Status = code
    for keyword, value in more.items():
        setattr(made, keyword, value)
    return made


def raises(error: Exception) -> Callable[[], Dataset]:
    def ask() -> Dataset:
        raise error

    return ask


def late() -> Dataset:
    time.sleep(PEER.timeout)
    return NOTHING


@pytest.mark.parametrize(
    ("ask", "meaning"),
    [
        (raises(ValueError("no context")), NotOffered),
        (raises(RuntimeError("no association")), Cut),
        (lambda: NOTHING, Cut),
        (late, Silent),
    ],
)
def test_no_answer_has_a_meaning(ask: Callable[[], Dataset], meaning: type[WireError]) -> None:
    with pytest.raises(meaning):
        answer(PEER, "C-ECHO", ask)


def test_an_answer_is_its_status() -> None:
    assert answer(PEER, "C-STORE", lambda: status(0xA700)) == 0xA700


def saying(*pairs: Pair, then: Exception | None = None) -> Callable[[], Iterator[Pair]]:
    def ask() -> Iterator[Pair]:
        yield from pairs
        if then is not None:
            raise then

    return ask


PENDING, FINAL = (status(0xFF00), Dataset()), (status(0x0000), None)


@pytest.mark.parametrize(
    ("ask", "meaning"),
    [
        (saying(), Cut),
        (saying(PENDING), Cut),
        (saying(PENDING, (NOTHING, None)), Cut),
        (saying(then=ValueError("no context")), NotOffered),
        (saying(PENDING, then=RuntimeError("gone")), Cut),
    ],
)
def test_answers_without_the_final_one_are_none(
    ask: Callable[[], Iterator[Pair]], meaning: type[WireError]
) -> None:
    with pytest.raises(meaning):
        list(answers(PEER, "C-FIND", ask))


def test_every_answer_is_given_the_final_one_last() -> None:
    assert list(answers(PEER, "C-FIND", saying(PENDING, FINAL))) == [PENDING, FINAL]


def client(monkeypatch: pytest.MonkeyPatch, **says: Callable[..., Iterator[Pair]]) -> DicomClient:
    """A client whose association says this."""
    made = DicomClient(PEER)
    monkeypatch.setattr(made, "_with", lambda *_, **__: SimpleNamespace(**says))
    return made


def test_a_match_that_cannot_be_read_is_garbled(monkeypatch: pytest.MonkeyPatch) -> None:
    unread = saying((status(0xFF00), None), FINAL)
    with pytest.raises(Garbled, match="cannot be read"):
        client(monkeypatch, send_c_find=lambda *_: unread()).find("STUDY", {})


def test_a_move_that_does_not_say_how_much_it_sent_is_garbled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Garbled, match="does not say how many"):
        client(monkeypatch, send_c_move=lambda *_: saying(FINAL)()).move(
            "STUDY", {}, destination="US"
        )


def test_success_with_failures_is_garbled(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = status(0x0000, NumberOfFailedSuboperations=1, NumberOfCompletedSuboperations=1)
    with pytest.raises(Garbled, match="1 objects failed"):
        client(monkeypatch, send_c_move=lambda *_: saying((counted, None))()).move(
            "STUDY", {}, destination="US"
        )
