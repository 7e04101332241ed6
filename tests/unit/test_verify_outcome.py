"""What each way to go wrong means: failed, or unknown; never passed."""

from __future__ import annotations

import pytest

from orchestrator.verify.model import Status
from orchestrator.verify.outcome import TimedOut, Unknown, meaning
from orchestrator.wire.errors import (
    Cut,
    Declined,
    Garbled,
    NotConnected,
    NotOffered,
    Rejected,
    Silent,
)

FREE, NO_SSH = None, "and its host cannot be reached"


@pytest.mark.parametrize(
    ("error", "with_line", "without_line"),
    [
        (AssertionError("two and two"), "failed", "failed"),
        (pytest.fail.Exception("two and two"), "failed", "failed"),
        (Rejected("wrong name"), "failed", "failed"),
        (NotOffered("404"), "failed", "failed"),
        (Declined("0xa700", status=0xA700), "failed", "failed"),
        (Garbled("half of it"), "failed", "failed"),
        (NotConnected("refused"), "failed", "unknown"),
        (Cut("gone"), "failed", "unknown"),
        (Silent("10 s"), "unknown", "unknown"),
        (Unknown("nothing to compare with"), "unknown", "unknown"),
        (TimedOut("60 s"), "unknown", "unknown"),
        (pytest.skip.Exception("not today"), "unknown", "unknown"),
        (OSError("port taken"), "unknown", "unknown"),
        (KeyError("p95"), "unknown", "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_what_an_error_means(error: BaseException, with_line: Status, without_line: Status) -> None:
    assert meaning(error, line_is_up=lambda: FREE)[0] == with_line
    assert meaning(error, line_is_up=lambda: NO_SSH)[0] == without_line


def test_the_line_is_looked_at_only_where_it_decides() -> None:
    def never() -> str | None:
        raise RuntimeError("asked for nothing")

    assert meaning(Rejected("wrong name"), line_is_up=never)[0] == "failed"
    assert meaning(Silent("10 s"), line_is_up=never)[0] == "unknown"


def test_the_reason_is_one_line() -> None:
    assert meaning(AssertionError("first\nsecond"), line_is_up=lambda: FREE)[1] == "first"


def test_the_obstacle_is_told() -> None:
    assert NO_SSH in meaning(Cut("gone"), line_is_up=lambda: NO_SSH)[1]
