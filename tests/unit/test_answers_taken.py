"""An answer that comes while the association's own thread wakes up goes to whoever asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from orchestrator.spool import client
from orchestrator.wire.association import open_association
from orchestrator.wire.dicom import VERIFICATION
from tests.fakes.pacs import FakePacs

WAKES = 0.05


class Drowsy(threading.Event):
    """Whoever waits for it goes on only a while after it was set."""

    def wait(self, timeout: float | None = None) -> bool:
        was = super().wait(timeout)
        time.sleep(WAKES)
        return was


def of_verifier(pacs: FakePacs) -> Association:
    return open_association(pacs.peer(timeout=1.0), [build_context(VERIFICATION)])


def of_spool(pacs: FakePacs) -> Association:
    where, contexts = ("127.0.0.1", pacs.port), [build_context(VERIFICATION)]
    return client.associate(where, contexts, calling="CT1", called=pacs.ae_title)


@pytest.fixture(scope="module")
def pacs() -> Iterator[FakePacs]:
    with FakePacs() as running:
        yield running


@pytest.mark.parametrize("opened", [of_verifier, of_spool])
def test_an_answer_is_not_taken_by_a_thread_that_wakes(
    pacs: FakePacs, opened: Callable[[FakePacs], Association]
) -> None:
    link: Any = opened(pacs)
    link.dimse_timeout = 1.0
    link._reactor_checkpoint = Drowsy()
    link._reactor_checkpoint.set()
    time.sleep(2 * WAKES)
    send = link.dimse.send_msg

    def send_slowly(*args: Any) -> None:
        send(*args)
        time.sleep(3 * WAKES)  # busy elsewhere while the answer comes

    link.dimse.send_msg = send_slowly
    try:
        assert [link.send_c_echo().get("Status") for _ in range(3)] == [0, 0, 0]
    finally:
        link.abort()
