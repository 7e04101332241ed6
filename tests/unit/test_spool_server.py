"""The spool while a door is shut: what it takes from whom, and what it answers when it cannot."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import time
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom import build_context
from pynetdicom.dsutils import encode

from orchestrator.lab.authority import Authority
from orchestrator.spool import contexts as known
from orchestrator.spool.objects import digest, header
from orchestrator.spool.store import COMMITMENT, MPPS_CREATE, MPPS_SET, OBJECT
from orchestrator.wire.tls import show_certificate
from tests.fakes.product import CT, EXPLICIT
from tests.unit.spool_scene import image, spool, store

STUDY_FIND = known.QUERIES[0]
PLAIN = [str(one) for one in known.PLAIN]
ALL = {
    CT: [EXPLICIT],
    STUDY_FIND: PLAIN,
    "1.2.840.10008.5.1.4.1.2.2.2": PLAIN,
    "1.2.840.10008.5.1.4.1.2.2.3": PLAIN,
    known.COMMITMENT: PLAIN,
    known.MPPS: PLAIN,
}


def test_success_means_that_the_very_object_is_on_the_disk(tmp_path: Path) -> None:
    place = spool(tmp_path)
    sent = image("2.25.1", size=1_000_000)
    with place.serving(), place.association("CT2") as link:
        assert store(link, sent) == 0
        (item,) = place.store.items()
        assert (item.kind, item.source, item.number) == (OBJECT, "CT2", 1)
        encoded = encode(sent, is_implicit_vr=False, is_little_endian=True)
        assert encoded is not None
        assert digest(item.path) == hashlib.sha256(encoded).hexdigest()
        head = header(item.path)
        assert head is not None
        assert (head.uid, head.sop_class, head.syntax) == ("2.25.1", CT, EXPLICIT)
        assert item.path.stat().st_mode & 0o077 == 0
        assert list(place.store.incoming.iterdir()) == []


@pytest.mark.parametrize(("caller", "called"), [("STRANGER", "PACS"), ("CT1", "OTHER")])
def test_who_is_not_declared_and_who_means_another_is_sent_away(
    tmp_path: Path, caller: str, called: str
) -> None:
    place = spool(tmp_path)
    with place.serving():
        for _ in range(3):
            with place.association(caller, called=called) as link:
                assert link.is_rejected
    (line,) = place.store.refusals()  # however often he tries
    assert (line["caller"], line["what"]) == (caller, "association")


def test_only_what_was_learned_is_offered(tmp_path: Path) -> None:
    place = spool(tmp_path)
    mr = "1.2.840.10008.5.1.4.1.1.4"
    asked = [build_context(CT, EXPLICIT), build_context(mr, EXPLICIT), build_context(known.MPPS)]
    with place.serving(), place.association(contexts=asked) as link:
        assert [one.abstract_syntax for one in link.accepted_contexts] == [CT]


def test_a_full_quota_is_said_and_what_fits_is_still_taken(tmp_path: Path) -> None:
    place = spool(tmp_path, quota=300_000)
    with place.serving(), place.association() as link:
        assert store(link, image("2.25.1", size=200_000)) == 0
        assert store(link, image("2.25.2", size=5_000_000)) == 0xA700
        assert store(link, image("2.25.2", size=5_000_000)) == 0xA700
        assert store(link, image("2.25.3", size=50_000)) == 0
        assert store(link, image("2.25.4", size=60_000)) == 0xA700
        assert list(place.store.incoming.iterdir()) == []
    told = place.call("status")
    assert (told["parked"], told["waiting"], told["refused_count"]) == ({OBJECT: 2}, 2, 2)
    assert told["refused_by"] == {"CT1": 2}
    assert [one["uid"] for one in told["refused"]] == ["2.25.2", "2.25.4"]


def test_a_disk_that_refuses_in_the_middle_of_an_object_is_answered_and_not_waited_for(
    tmp_path: Path,
) -> None:
    place = spool(tmp_path)
    with place.serving(file_limit=1_000_000), place.association() as link:
        assert store(link, image("2.25.1", size=3_000_000)) == 0xA700
        assert store(link, image("2.25.2")) == 0
    assert place.parked() == [(OBJECT, "CT1")]
    (line,) = place.store.refusals()
    assert line["because"] == "the disk refused: File too large"


def test_an_object_that_was_refused_and_came_again_is_not_called_missing(tmp_path: Path) -> None:
    place = spool(tmp_path)
    with place.serving(file_limit=1_000_000), place.association() as link:
        assert store(link, image("2.25.1", size=3_000_000)) == 0xA700
    with place.serving(), place.association() as link:
        assert store(link, image("2.25.1", size=3_000_000)) == 0
    told = place.call("status")
    assert (told["refused_count"], told["refused_by"], told["refused"]) == (0, {}, [])


def test_half_an_object_is_nothing(tmp_path: Path) -> None:
    place = spool(tmp_path)
    with place.serving():
        with place.association() as link:
            made = image("2.25.1", size=4_000_000)
            sent = link.dul.socket.send  # type: ignore[union-attr]
            count = 0

            def cut(data: bytes) -> None:
                nonlocal count
                count += 1
                if count == 5:
                    raw = link.dul.socket.socket  # type: ignore[union-attr]
                    assert raw is not None
                    raw.close()
                    return
                sent(data)

            link.dul.socket.send = cut  # type: ignore[union-attr,method-assign]
            assert store(link, made) == -1
        for _ in range(100):
            if not list(place.store.incoming.iterdir()):
                break
            time.sleep(0.05)
        assert list(place.store.incoming.iterdir()) == []
    assert place.parked() == []


def test_queries_and_retrievals_fail_and_are_never_empty_answers(tmp_path: Path) -> None:
    place = spool(tmp_path, accepted=ALL)
    asked = [build_context(one, PLAIN) for one in ALL if one not in (CT, known.COMMITMENT)]
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientID = "STUDY", "LAB-1"
    find, move, get = STUDY_FIND, "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
    with place.serving(), place.association(contexts=asked) as link:
        found = [answer.Status for answer, _ in link.send_c_find(query, find)]
        moved = [answer.Status for answer, _ in link.send_c_move(query, "CT1", move)]
        got = [answer.Status for answer, _ in link.send_c_get(query, get)]
    assert (found, moved) == ([0xA700], [0xA801])
    assert got == [0xA700]


def test_commitment_and_procedure_steps_are_kept(tmp_path: Path) -> None:
    place = spool(tmp_path, accepted=ALL)
    asked = [build_context(known.COMMITMENT, PLAIN), build_context(known.MPPS, PLAIN)]
    reference, request, step = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, "2.25.1"
    request.TransactionUID = "2.25.99"
    request.ReferencedSOPSequence = Sequence([reference])
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    one = "1.2.840.10008.1.20.1.1"
    with place.serving(), place.association(contexts=asked) as link:
        answer, _ = link.send_n_action(request, 1, known.COMMITMENT, one)
        assert answer.Status == 0
        del request.ReferencedSOPSequence
        empty, _ = link.send_n_action(request, 1, known.COMMITMENT, one)
        assert empty.Status == 0x0115
        assert link.send_n_create(step, known.MPPS, "2.25.5")[0].Status == 0
        assert link.send_n_set(step, known.MPPS, "2.25.5")[0].Status == 0
    kinds = [kind for kind, _ in place.parked()]
    assert kinds == [COMMITMENT, MPPS_CREATE, MPPS_SET]
    kept = json.loads(next(place.store.items()).path.read_bytes())
    assert kept == {"transaction": "2.25.99", "objects": [[CT, "2.25.1"]]}


def test_what_was_acknowledged_survives_a_kill_and_the_order_goes_on(tmp_path: Path) -> None:
    place = spool(tmp_path)
    said = []
    with place.serving() as process, place.association() as link:
        for number in range(1, 21):
            assert store(link, image(f"2.25.{number}")) == 0
            said.append(f"2.25.{number}")
        process.kill()
        process.wait()
    (place.store.incoming / "half").write_bytes(b"half")
    with place.serving(), place.association("CT2") as link:
        assert list(place.store.incoming.iterdir()) == []
        assert store(link, image("2.25.21")) == 0
        said.append("2.25.21")
    heads = [header(item.path) for item in place.store.items()]
    assert [head.uid for head in heads if head] == said
    assert [item.number for item in place.store.items()] == list(range(1, 22))


def test_who_connects_over_tls_and_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    authority = Authority()
    own = authority.issue("localhost")
    files = {"certificate": own.certificate, "key": own.key, "ca": authority.certificate}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    place = spool(tmp_path, tls={name: str(tmp_path / name) for name in files}, callers="any")
    context = ssl.create_default_context(cadata=authority.certificate)
    with (
        place.serving(),
        socket.create_connection(("127.0.0.1", place.port)),
        place.association(secured=context) as link,
    ):
        assert store(link, image("2.25.1", size=1_000_000)) == 0


@pytest.mark.parametrize(
    ("callers", "shows", "is_let_in"),
    [
        ("certified", True, True),
        ("certified", False, False),
        ("any", False, True),
    ],
)
def test_over_tls_it_is_the_product_and_asks_for_what_the_product_asks(
    tmp_path: Path, callers: str, shows: bool, is_let_in: bool
) -> None:
    authority = Authority()
    own, scanner = authority.issue("localhost"), authority.issue("scanner.invalid")
    files = {"certificate": own.certificate, "key": own.key, "ca": authority.certificate}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    place = spool(tmp_path, tls={name: str(tmp_path / name) for name in files}, callers=callers)
    context = ssl.create_default_context(cadata=authority.certificate)
    if shows:
        show_certificate(context, scanner.certificate, scanner.key)
    with place.serving(), place.association(secured=context) as link:
        assert link.is_established == is_let_in
        if is_let_in:
            assert store(link, image("2.25.1")) == 0
    with place.serving(), place.association() as link:
        assert not link.is_established  # never in the clear
