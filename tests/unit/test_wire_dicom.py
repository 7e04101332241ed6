"""The DICOM client: done, or an exception that says why not. Silence is never success."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from orchestrator.verify.probe import SECONDARY_CAPTURE, make_probe
from orchestrator.wire.association import Peer
from orchestrator.wire.dicom import EXPLICIT, DicomClient
from orchestrator.wire.errors import (
    Cut,
    Declined,
    Garbled,
    NotConnected,
    NotOffered,
    Rejected,
    Silent,
    WireError,
)
from orchestrator.wire.receiver import Receiver
from tests.fakes.pacs import FAILURE, FakePacs

PROBE = make_probe(token=7)
STUDY = {"StudyInstanceUID": PROBE.study}
CT = "1.2.840.10008.5.1.4.1.1.2"
BRIEF = 0.4


@pytest.fixture(scope="module")
def running() -> Iterator[FakePacs]:
    with FakePacs() as pacs:
        yield pacs


@pytest.fixture
def pacs(running: FakePacs) -> FakePacs:
    running.mend()
    return running


@pytest.fixture
def client(pacs: FakePacs) -> Iterator[DicomClient]:
    with DicomClient(pacs.peer()) as ours:
        yield ours


@contextmanager
def receiver() -> Iterator[Receiver]:
    with Receiver(
        0, ae_title="WARDSHIP", sop_classes=[SECONDARY_CAPTURE], syntaxes=[EXPLICIT]
    ) as inbox:
        yield inbox


@contextmanager
def listening(*, hangs_up: bool) -> Iterator[int]:
    """A port where somebody answers the telephone and says nothing, or hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        held = []

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                if hangs_up:
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def test_an_echo_is_answered(client: DicomClient) -> None:
    client.echo()


def test_another_name_is_refused(pacs: FakePacs) -> None:
    with DicomClient(pacs.peer(ae_title="ANOTHER")) as wrong, pytest.raises(Rejected) as refused:
        wrong.echo()
    assert "Called AE title not recognised" in refused.value.what


def test_nobody_there_is_no_connection() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NotConnected):
        DicomClient(Peer("127.0.0.1", port, "NOBODY", timeout=BRIEF)).echo()


def test_a_silent_peer_is_silent() -> None:
    with listening(hangs_up=False) as port, pytest.raises(Silent):
        DicomClient(Peer("127.0.0.1", port, "SILENT", timeout=BRIEF)).echo()


def test_a_peer_that_hangs_up_is_cut() -> None:
    with listening(hangs_up=True) as port, pytest.raises(Cut):
        DicomClient(Peer("127.0.0.1", port, "GONE", timeout=5.0)).echo()


def test_an_echo_without_an_answer_is_silent(pacs: FakePacs) -> None:
    pacs.faults.slow = 3 * BRIEF
    with DicomClient(pacs.peer(timeout=BRIEF)) as client, pytest.raises(Silent):
        client.echo()


def test_what_was_stored_comes_back_the_same(client: DicomClient) -> None:
    client.store(PROBE.objects)
    came = client.get("STUDY", STUDY, classes=[SECONDARY_CAPTURE]).objects
    assert {o.sop_instance: o.fingerprint() for o in came} == {
        o.sop_instance: o.fingerprint() for o in PROBE.objects
    }


def test_a_refused_object_is_declined(pacs: FakePacs, client: DicomClient) -> None:
    pacs.faults.store = 0xA700
    with pytest.raises(Declined) as declined:
        client.store(PROBE.objects)
    assert declined.value.status == 0xA700


def test_a_warning_is_not_success(pacs: FakePacs, client: DicomClient) -> None:
    pacs.faults.store = 0xB000
    with pytest.raises(Declined):
        client.store(PROBE.objects)


def test_a_class_that_the_peer_does_not_take_is_not_offered(client: DicomClient) -> None:
    with pytest.raises(NotOffered):
        client.store([replace(stored, sop_class=CT) for stored in PROBE.objects])


def test_find_gives_every_match(client: DicomClient) -> None:
    client.store(PROBE.objects)
    (match,) = client.find("STUDY", {**STUDY, "NumberOfStudyRelatedInstances": ""})
    assert int(match.NumberOfStudyRelatedInstances) == len(PROBE.objects)


def test_find_without_a_match_is_empty_and_not_an_error(client: DicomClient) -> None:
    assert client.find("STUDY", {"StudyInstanceUID": "1.2.3"}) == ()


def test_a_failed_find_is_declined_and_not_empty(pacs: FakePacs, client: DicomClient) -> None:
    pacs.faults.find = FAILURE
    with pytest.raises(Declined):
        client.find("STUDY", {"StudyInstanceUID": ""})


def test_a_find_that_is_cut_off_gives_nothing(pacs: FakePacs, client: DicomClient) -> None:
    client.store(PROBE.objects)
    pacs.faults.hangs_up = True
    with pytest.raises(Cut):
        client.find("STUDY", {"StudyInstanceUID": ""})


def test_a_get_that_brings_less_than_it_says_is_garbled(
    pacs: FakePacs, client: DicomClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.store(PROBE.objects)
    monkeypatch.setattr(client, "_keep", lambda _: 0)
    with pytest.raises(Garbled, match="sent 2 objects, 0 came"):
        client.get("STUDY", STUDY, classes=[SECONDARY_CAPTURE])


def test_a_get_that_fails_is_declined(client: DicomClient) -> None:
    client.store(PROBE.objects)
    with pytest.raises(Declined):
        client.get("STUDY", STUDY, classes=[CT])


def test_a_changed_pixel_shows(pacs: FakePacs, client: DicomClient) -> None:
    client.store(PROBE.objects)
    pacs.faults.alters = 1
    came = client.get("STUDY", STUDY, classes=[SECONDARY_CAPTURE]).objects
    sent = {o.sop_instance: o.fingerprint() for o in PROBE.objects}
    assert all(o.fingerprint().pixels != sent[o.sop_instance].pixels for o in came)
    assert all(o.fingerprint().header == sent[o.sop_instance].header for o in came)


def test_a_move_delivers_to_us(pacs: FakePacs, client: DicomClient) -> None:
    client.store(PROBE.objects)
    with receiver() as inbox:
        pacs.destinations["WARDSHIP"] = inbox.port
        assert client.move("STUDY", STUDY, destination="WARDSHIP") == len(PROBE.objects)
        came = inbox.take(len(PROBE.objects), timeout=5.0)
    assert {o.sop_instance: o.fingerprint() for o in came} == {
        o.sop_instance: o.fingerprint() for o in PROBE.objects
    }


def test_a_move_to_nowhere_is_declined(client: DicomClient) -> None:
    client.store(PROBE.objects)
    with pytest.raises(Declined):
        client.move("STUDY", STUDY, destination="NOBODY")


def test_objects_that_never_come_are_missed() -> None:
    with receiver() as inbox, pytest.raises(Silent, match="0 of 2"):
        inbox.take(2, timeout=0.1)


def test_the_receiver_answers_to_its_own_name_only() -> None:
    with receiver() as inbox, pytest.raises(Rejected):
        DicomClient(Peer("127.0.0.1", inbox.port, "SOMEBODY")).store(PROBE.objects)


def test_one_association_serves_as_long_as_it_can(pacs: FakePacs, client: DicomClient) -> None:
    client.store(PROBE.objects)
    before = pacs.associations
    for _ in range(3):
        client.find("STUDY", {"StudyInstanceUID": ""})
    client.echo()
    assert pacs.associations == before + 1


def test_after_a_failure_the_next_question_gets_its_own_answer(
    pacs: FakePacs, client: DicomClient
) -> None:
    pacs.faults.find = FAILURE
    with pytest.raises(WireError):
        client.find("STUDY", {"StudyInstanceUID": ""})
    pacs.faults.find = 0
    assert client.find("STUDY", {"StudyInstanceUID": ""}) == ()
