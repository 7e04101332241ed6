"""HL7 over MLLP: what is kept and acknowledged, in order, and what is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hl7
import pytest

from orchestrator.spool import listener
from orchestrator.spool.store import HL7, Store
from orchestrator.wire import mllp
from tests.fakes.product import message


@contextmanager
def listening(directory: Path, *, quota: int = 1 << 20) -> Iterator[tuple[Store, socket.socket]]:
    """A listener with its store, and a connection to it."""
    store = Store(directory, quota=quota)
    store.open()
    server = listener.start(store, 0, source="2575")
    try:
        with socket.create_connection(
            ("127.0.0.1", server.server_address[1]), timeout=10
        ) as connection:
            yield store, connection
    finally:
        server.shutdown()
        server.server_close()


def answers(connection: socket.socket, *, count: int) -> list[tuple[str, str]]:
    """So many acknowledgements: code, and what they are about."""
    replies = mllp.messages(connection)
    found = [hl7.parse(next(replies).decode()).segment("MSA") for _ in range(count)]
    return [(str(each(1)), str(each(2))) for each in found]


def kept(store: Store) -> list[bytes]:
    return [item.path.read_bytes() for item in store.items() if item.kind == HL7]


def test_messages_are_kept_as_they_came_and_acknowledged_one_by_one(tmp_path: Path) -> None:
    sent = [message("1"), message("2", kind="ADT^A08").replace(b"LAB-1", b"LAB-\xe9"), message("3")]
    with listening(tmp_path) as (store, connection):
        connection.sendall(b"".join(map(mllp.framed, sent)))
        assert answers(connection, count=3) == [("AA", "1"), ("AA", "2"), ("AA", "3")]
        assert kept(store) == sent


def test_a_message_that_comes_in_pieces_among_noise_is_one_message(tmp_path: Path) -> None:
    whole = b"\x1c\rnoise" + mllp.framed(message("1")) + b"\r\n" + mllp.framed(message("2"))
    with listening(tmp_path) as (store, connection):
        for at in range(len(whole)):
            connection.sendall(whole[at : at + 1])
        assert answers(connection, count=2) == [("AA", "1"), ("AA", "2")]
        assert kept(store) == [message("1"), message("2")]


@pytest.mark.parametrize(
    "sent",
    [b"not a message", b"PID|1||LAB-1\r", message(""), b"MSH", b"MSH|^~\\&|A\r", b""],
)
def test_what_is_no_message_is_rejected_and_the_next_is_taken(tmp_path: Path, sent: bytes) -> None:
    with listening(tmp_path) as (store, connection):
        connection.sendall(mllp.framed(sent) + mllp.framed(message("2")))
        assert [code for code, _ in answers(connection, count=2)] == ["AR", "AA"]
        assert kept(store) == [message("2")]
    assert [line["what"] for line in store.refusals()] == [HL7]


@pytest.mark.parametrize(
    "sent",
    [
        message("1", kind="ORM"),
        b"MSH|^~\\&|||||||ACK|1",
        message("1").replace(b"|", b"$"),
        message("1").replace(b"\r", b"\n"),
    ],
)
def test_whatever_a_message_leaves_out_it_is_acknowledged(tmp_path: Path, sent: bytes) -> None:
    with listening(tmp_path) as (store, connection):
        connection.sendall(mllp.framed(sent))
        assert answers(connection, count=1) == [("AA", "1")]
        assert kept(store) == [sent]


def test_what_there_is_no_room_for_is_to_come_again(tmp_path: Path) -> None:
    with listening(tmp_path, quota=100) as (store, connection):
        connection.sendall(mllp.framed(message("1")))
        connection.sendall(mllp.framed(message("2")))
        assert answers(connection, count=2) == [("AA", "1"), ("AE", "2")]
        assert kept(store) == [message("1")]
    (line,) = store.refusals()
    assert (line["caller"], line["uid"], line["because"]) == ("2575", "2", "parking is full")


def test_half_a_message_is_nothing(tmp_path: Path) -> None:
    with listening(tmp_path) as (store, connection):
        connection.sendall(mllp.framed(message("1"))[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
        assert kept(store) == []


def test_an_answer_to_another_message_is_none() -> None:
    other = hl7.parse(message("2").decode()).create_ack("AA")
    with socket.create_server(("127.0.0.1", 0)) as server:
        asking = mllp.framed(str(other).encode())

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                next(mllp.messages(connection))
                connection.sendall(asking)

        with _beside(answer), pytest.raises(mllp.BrokenError, match="another message"):
            mllp.answer_to(server.getsockname(), message("1"), timeout=5)


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
