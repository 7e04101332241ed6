"""Giving back: each item once, in order, to a product that refuses, is busy, or is away."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import JPEGLSLossless
from pynetdicom import _config

from orchestrator.spool.client import CannotError
from orchestrator.spool.replay import Replay
from orchestrator.spool.settings import load
from orchestrator.spool.store import (
    COMMITMENT,
    HL7,
    MPPS_CREATE,
    MPPS_SET,
    OBJECT,
    SET_ASIDE,
    STORED,
    Store,
)
from tests.fakes.product import CT, EXPLICIT, Product, free_port, message, running
from tests.unit.spool_scene import Spool, image, put, spool, step


@pytest.fixture(autouse=True)
def _setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay sets it for its whole process, which here is that of other tests too."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", False)


@pytest.fixture
def product() -> Iterator[Product]:
    """One that takes CT in explicit little endian, MPPS and HL7."""
    with running() as made:
        yield made


@pytest.fixture
def place(tmp_path: Path, product: Product) -> Spool:
    """The spool that stands in for it."""
    return spool(tmp_path, product=(product.port, product.hl7_port))


def replay(place: Spool) -> Store:
    """One pass, without its pauses."""
    store = place.store
    Replay(load(place.directory), store, sleep=lambda _: None).run()
    return store


def states(store: Store) -> dict[int, str]:
    """What became of each item."""
    return {number: outcome.state for number, outcome in store.outcomes().items()}


def test_messages_go_first_and_each_scanners_items_in_their_order(
    place: Spool, product: Product
) -> None:
    kept = place.store
    kept.open()
    put(kept, image("2.25.1"))
    put(kept, image("2.25.2"), source="CT2")
    kept.park_bytes(message("M1"), HL7, source=str(product.hl7_port))
    kept.park_bytes(step("2.25.9"), MPPS_CREATE, source="CT1")
    put(kept, image("2.25.3"))
    kept.park_bytes(step("2.25.9"), MPPS_SET, source="CT1")
    kept.park_bytes(message("M2"), HL7, source=str(product.hl7_port))
    store = replay(place)
    assert product.names[:2] == ["M1", "M2"]
    mine = [name for who, name, _ in product.taken if who == "CT1"]
    assert mine == ["2.25.1", "begun 2.25.9", "2.25.3", "changed 2.25.9"]
    assert set(states(store).values()) == {STORED}
    assert len(product.taken) == 7
    replay(place)
    assert len(product.taken) == 7  # again does no harm


def test_what_is_refused_is_set_aside_by_name_and_holds_nobody_up(
    place: Spool, product: Product
) -> None:
    kept = place.store
    kept.open()
    for number in (1, 2, 3):
        put(kept, image(f"2.25.{number}"))
    product.answers["2.25.2"] = [0xA900]
    store = replay(place)
    assert states(store) == {1: STORED, 2: SET_ASIDE, 3: STORED}
    assert store.outcomes()[2].because == "2.25.2: status 0xa900"
    assert all(item.path.exists() for item in store.items())


def test_what_there_is_no_room_for_is_asked_again_and_then_waits(
    place: Spool, product: Product
) -> None:
    kept = place.store
    kept.open()
    for number in (1, 2, 3):
        put(kept, image(f"2.25.{number}"))
    product.answers |= {"2.25.1": [0xA700] * 2, "2.25.2": [0xA702] * 5}
    store = replay(place)
    assert states(store) == {1: STORED, 3: STORED}
    assert [item.number for item in store.waiting()] == [2]
    assert states(replay(place))[2] == STORED


def test_a_product_that_is_away_ends_the_pass_and_settles_nothing(tmp_path: Path) -> None:
    place = spool(tmp_path, product=(free_port(), free_port()))
    kept = place.store
    kept.open()
    put(kept, image("2.25.1"))
    with pytest.raises(CannotError, match="takes no association from CT1"):
        replay(place)
    kept.park_bytes(message("M1"), HL7, source=str(free_port()))
    with pytest.raises(CannotError, match="HL7 at port"):
        replay(place)
    assert kept.outcomes() == {}


def test_a_product_that_hangs_up_in_the_middle_gets_the_rest(
    place: Spool, product: Product
) -> None:
    kept = place.store
    kept.open()
    for number in range(1, 6):
        put(kept, image(f"2.25.{number}"))
    product.hangs_up_at = {"2.25.3"}
    assert set(states(replay(place)).values()) == {STORED}
    assert product.names == [f"2.25.{number}" for number in range(1, 6)]


def test_who_is_let_in_no_more_holds_up_nobody_else(tmp_path: Path) -> None:
    with running(callers=["CT2"]) as product:
        place = spool(tmp_path, product=(product.port, product.hl7_port))
        kept = place.store
        kept.open()
        put(kept, image("2.25.1"), source="CT1")
        put(kept, image("2.25.2"), source="CT2")
        store = replay(place)
        assert product.names == ["2.25.2"]
    assert [item.number for item in store.waiting()] == [1]


def test_one_uid_with_other_bytes_is_kept_twice_and_the_first_is_given(
    place: Spool, product: Product
) -> None:
    kept = place.store
    kept.open()
    put(kept, image("2.25.1", fill=b"the first of all"), source="CT2")
    put(kept, image("2.25.1", fill=b"quite another..."), source="CT1")
    put(kept, image("2.25.1", fill=b"the first of all"), source="CT2")
    store = replay(place)
    assert states(store) == {1: STORED, 2: SET_ASIDE, 3: STORED}
    assert "another object with this UID" in store.outcomes()[2].because
    assert {who for who, _, _ in product.taken} == {"CT2"}
    put(kept, image("2.25.1", fill=b"and later......."), source="CT1")
    assert states(replay(place))[4] == SET_ASIDE


def test_a_line_that_a_power_cut_tore_means_given_again(place: Spool, product: Product) -> None:
    kept = place.store
    kept.open()
    for number in (1, 2):
        put(kept, image(f"2.25.{number}"))
    replay(place)
    outcomes = place.directory / "outcomes.jsonl"
    outcomes.write_bytes(outcomes.read_bytes()[:-12])
    assert states(replay(place)) == {1: STORED, 2: STORED}
    assert product.names == ["2.25.1", "2.25.2", "2.25.2"]


def test_what_the_product_does_not_take_at_all_is_set_aside(tmp_path: Path) -> None:
    with running(contexts=[(CT, JPEGLSLossless)]) as product:
        place = spool(tmp_path, product=(product.port, product.hl7_port))
        kept = place.store
        kept.open()
        put(kept, image("2.25.1"))
        (kept.incoming / "half").write_bytes(b"no object")
        kept.park(kept.incoming / "half", OBJECT, source="CT1")
        kept.park_bytes(b"{}", COMMITMENT, source="CT1")
        store = replay(place)
    assert states(store) == {1: SET_ASIDE, 2: SET_ASIDE}
    assert store.outcomes()[1].because == f"2.25.1: the product does not take {CT} in {EXPLICIT}"


def test_a_step_that_is_there_already_was_given_before(place: Spool, product: Product) -> None:
    kept = place.store
    kept.open()
    kept.park_bytes(step("2.25.9"), MPPS_CREATE, source="CT1")
    kept.park_bytes(step("2.25.9"), MPPS_SET, source="CT1")
    product.answers |= {"begun 2.25.9": [0x0111], "changed 2.25.9": [0x0112]}
    store = replay(place)
    assert states(store) == {1: STORED, 2: SET_ASIDE}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"M1": ["AE"] * 4}, {1: STORED, 2: STORED, 3: STORED, 4: STORED}),
        ({"M2": ["AR"]}, {1: STORED, 2: SET_ASIDE, 3: STORED, 4: STORED}),
        ({"M1": ["AE"] * 5}, {1: SET_ASIDE, 2: STORED, 3: STORED, 4: STORED}),
        ({"M4": ["AE"] * 5}, {1: STORED, 2: STORED, 3: STORED}),
        ({name: ["AE"] * 5 for name in ("M2", "M3", "M4")}, {1: STORED}),
        ({"M1": [None, "AE"]}, {1: STORED, 2: STORED, 3: STORED, 4: STORED}),
        ({"M2": ["??"] * 5}, {1: STORED, 2: SET_ASIDE, 3: STORED, 4: STORED}),
    ],
)
def test_messages_keep_their_order_whatever_is_answered(
    place: Spool, product: Product, answers: dict[str, list[str]], expected: dict[int, str]
) -> None:
    kept = place.store
    kept.open()
    for name in ("M1", "M2", "M3", "M4"):
        kept.park_bytes(message(name), HL7, source=str(product.hl7_port))
    product.answers |= answers
    store = replay(place)
    assert states(store) == expected
    assert product.names == sorted(product.names)


def test_a_disk_that_is_full_keeps_no_clinic_shut(
    place: Spool, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = place.store
    kept.open()
    for name in ("M1", "M2"):
        kept.park_bytes(message(name), HL7, source=str(product.hl7_port))
    for number in (1, 2):
        put(kept, image(f"2.25.{number}"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "settle", full)
        giving = Replay(load(place.directory), place.store, sleep=lambda _: None)
        giving.run()
    assert product.names == ["M1", "2.25.1", "2.25.2"]
    assert "could not be written down: the disk refused: No space left" in giving.because
    assert len(kept.waiting()) == 4
    assert set(states(replay(place)).values()) == {STORED}
