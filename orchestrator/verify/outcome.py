"""What an exception in a check means: *failed* or *unknown*.

Failed: the product answered, and the answer is wrong or a refusal; or the line to it is proved to
be there, and the product hangs up or does not listen. Unknown: we could not look (no ssh, no
tunnel, nothing declared, a bug in a check), or there was only silence, which may end. Nothing else
exists, and no exception means *passed*.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.verify.model import Status
from orchestrator.wire.errors import Cut, NotConnected, WireError

LONGEST = 400


class Unknown(Exception):  # noqa: N818 - not an error: an answer that could not be had
    """A check cannot say: nothing to look at, nothing to compare with, no way there."""


class TimedOut(BaseException):
    """A check was cut off. No ``except Exception`` on its way may swallow this."""


def meaning(error: BaseException, *, line_is_up: Callable[[], str | None]) -> tuple[Status, str]:
    """Status and reason for an exception.

    Args:
        line_is_up: asked only where it decides: the reason why nobody can get through to the
            product's port at the moment, None where the way there is proved to be free.
    """
    because = first_line(error)
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return "failed", because
    if isinstance(error, WireError) and error.is_answer:
        return "failed", because
    if isinstance(error, Cut | NotConnected):
        obstacle = line_is_up()
        if obstacle is None:
            return "failed", f"{because}, while its host answers"
        return "unknown", f"{because}; {obstacle}"
    if isinstance(error, WireError | Unknown | TimedOut):
        return "unknown", because
    return "unknown", f"the check itself broke: {type(error).__name__}: {because}"


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, cut to a length that fits a report."""
    lines = str(error).strip().splitlines()
    return lines[0][:LONGEST] if lines else ""
