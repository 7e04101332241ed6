"""Before the door shuts, and after it opened: what is learned, what is delivered and reported."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import JPEGLSLossless
from pynetdicom import AE, _config, evt

from orchestrator.spool import contexts, main
from orchestrator.spool.client import CannotError
from orchestrator.spool.replay import Replay
from orchestrator.spool.settings import load
from orchestrator.spool.store import COMMITMENT, SET_ASIDE
from tests.fakes.product import CT, EXPLICIT, free_port, running
from tests.unit.spool_scene import Spool, image, put, spool, store


@pytest.fixture(autouse=True)
def _setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", False)


@contextmanager
def scanner(*, title: str = "CT1", answer: int = 0) -> Iterator[tuple[int, queue.Queue[Any]]]:
    """One that waits for reports of storage commitment: its port, and what it heard."""
    heard: queue.Queue[Any] = queue.Queue()
    entity, port = AE(ae_title=title), free_port()
    entity.require_called_aet = True
    entity.add_supported_context(contexts.COMMITMENT, scu_role=True, scp_role=True)

    def report(event: Any) -> tuple[int, None]:
        heard.put((event.event_type, event.event_information))
        return answer, None

    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)]
    )
    assert server is not None
    try:
        yield port, heard
    finally:
        server.shutdown()


def ask(place: Spool, *uids: str, source: str = "CT1") -> None:
    """A parked request for commitment."""
    asked = {"transaction": "2.25.99", "objects": [[CT, uid] for uid in uids]}
    kept = place.store
    kept.open()
    kept.park_bytes(json.dumps(asked).encode(), COMMITMENT, source=source)


def deliver(place: Spool, *, is_patient: bool = True) -> list[str]:
    """One round; why something is left."""
    store = place.store
    giving = Replay(load(place.directory), store, sleep=lambda _: None)
    return main._deliver_once(store, giving, is_patient=is_patient)


def test_who_asked_for_commitment_hears_what_the_census_has(tmp_path: Path) -> None:
    with scanner() as (port, heard):
        place = spool(tmp_path, listens=port)
        ask(place, "2.25.1", "2.25.2")
        ask(place, "2.25.1")
        assert deliver(place) == ["there is no census yet"] * 2
        (tmp_path / "held").write_text("2.25.1\n2.25.7\n")
        assert deliver(place) == []
        kind, told = heard.get(timeout=5)
        assert (kind, told.TransactionUID) == (2, "2.25.99")
        assert [one.ReferencedSOPInstanceUID for one in told.ReferencedSOPSequence] == ["2.25.1"]
        (failed,) = told.FailedSOPSequence
        assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("2.25.2", 0x0112)
        kind, told = heard.get(timeout=5)
        assert (kind, "FailedSOPSequence" in told) == (1, False)
        assert deliver(place) == []
        assert heard.empty()


def test_a_report_that_is_not_taken_is_sent_again(tmp_path: Path) -> None:
    with scanner(answer=0x0110) as (port, _):
        place = spool(tmp_path, listens=port)
        ask(place, "2.25.1")
        (tmp_path / "held").write_text("2.25.1\n")
        assert deliver(place) == ["CT1 does not take the report"]
    assert deliver(place) == [f"CT1 at 127.0.0.1:{port} takes no association from PACS"]
    assert place.call("status")["unreported"] == 1


def test_what_has_no_room_is_set_aside_after_a_day_and_not_while_the_product_is_away(
    tmp_path: Path,
) -> None:
    with running() as product:
        place = spool(tmp_path, product=(product.port, product.hl7_port))
        kept = place.store
        kept.open()
        put(kept, image("2.25.1"))
        product.answers["2.25.1"] = [0xA700] * 100
        assert deliver(place) == [
            "1 items are not taken yet: the product answers 0xa700: out of resources"
        ]
        assert deliver(place, is_patient=False) == []
        assert kept.outcomes()[1].state == SET_ASIDE
        put(kept, image("2.25.2"))
    away = deliver(place, is_patient=False)
    assert away[-1].startswith("1 items are not taken yet")
    assert 2 not in kept.outcomes()


def test_the_program_gives_what_is_left_and_ends(tmp_path: Path) -> None:
    with running() as product:
        place = spool(tmp_path, product=(product.port, product.hl7_port))
        kept = place.store
        kept.open()
        put(kept, image("2.25.1"))
        told = place.call("deliver")
        assert product.names == ["2.25.1"]
    assert (told["waiting"], told["stored"]) == (0, {"object": 1})


def test_a_product_that_takes_little_is_learned_as_it_is(tmp_path: Path) -> None:
    takes = [(CT, EXPLICIT), (CT, JPEGLSLossless), ("1.2.840.10008.5.1.4.1.1.7", EXPLICIT)]
    with running(contexts=takes) as product:
        product.worklist = [Dataset()]
        product.worklist[0].AccessionNumber = "A1"
        place = spool(
            tmp_path,
            product=(product.port, product.hl7_port),
            refuses=["1.2.840.10008.5.1.4.1.1.7"],
        )
        told = place.call("learn")
    learned = contexts.kept(tmp_path).contexts
    assert learned[CT] == [EXPLICIT, str(JPEGLSLossless)]
    assert set(learned) == {CT, contexts.WORKLIST, contexts.MPPS}
    assert told == {"contexts": 6, "worklist": 1}


def test_who_is_declared_and_not_let_in_is_not_parked_for_and_named(tmp_path: Path) -> None:
    with running(callers=["CT2"]) as product:
        place = spool(tmp_path, product=(product.port, product.hl7_port))
        place.call("learn")
    assert contexts.kept(tmp_path).callers == ("CT2",)
    with place.serving():
        with place.association("CT1") as link:
            assert link.is_rejected
        with place.association("CT2") as link:
            assert store(link, image("2.25.1")) == 0
    assert place.call("status")["not_let_in"] == ["CT1"]


def test_a_product_that_is_away_or_takes_nothing_is_not_learned(tmp_path: Path) -> None:
    place = spool(tmp_path, product=(free_port(), 1))
    with pytest.raises(CannotError, match="takes no association"):
        contexts.learn(load(place.directory))
    with running(contexts=[]) as product:
        place = spool(tmp_path, product=(product.port, 1))
        with pytest.raises(CannotError, match="no kind of object from any"):
            contexts.learn(load(place.directory))
