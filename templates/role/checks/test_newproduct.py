"""What only newproduct's own service can tell: which release runs, as others see it."""

from __future__ import annotations

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.wire.dicomweb import WebClient


def test_newproduct_release(request_: CheckRequest, web: WebClient, record: Record) -> None:
    """The release that runs is the one that was ordered, by its own word."""
    raise Unknown("not written: ask the product through web which release it is")
