"""What can go wrong between us and a peer, told apart, because it decides what may be concluded.

WireError(SurveyError)
├ NotConnected   nothing listens there, or no way leads there
├ Silent         connected, and no answer within the time limit
├ Cut            the peer (or the line) ended the conversation
├ Rejected       the peer refuses us: A-ASSOCIATE-RJ
├ NotSecure      the peer's TLS is not what is declared for it, or it does not accept ours
├ NotOffered     the peer does not offer this service, or this transfer syntax
├ Declined       the peer answered, and the answer is a failure: a DIMSE status, an HTTP code
└ Garbled        the peer answered, and the answer contradicts itself or cannot be read

The last five are answers of the product. The first three say nothing about it on their own: whoever
asked has to find out whether the line was there.
"""

from __future__ import annotations

from orchestrator.errors import SurveyError


class WireError(SurveyError):
    """A peer did not give what was asked for."""

    #: Whether the product itself said this, as opposed to nobody.
    is_answer = False

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what, hint=hint or "look at the product's own log on the host")


class NotConnected(WireError):  # noqa: N818 - an outcome, named for what happened
    """No TCP connection."""


class Silent(WireError):  # noqa: N818
    """No answer within the time limit."""


class Cut(WireError):  # noqa: N818
    """The conversation ended before the answer was complete."""


class Rejected(WireError):  # noqa: N818
    """A-ASSOCIATE-RJ (DICOM PS3.8 section 9.3.4)."""

    is_answer = True
    is_transient = False


class NotSecure(WireError):  # noqa: N818
    """A TLS handshake that did not come about (PS3.15 B.9), or plain DICOM in its place."""

    is_answer = True


class NotOffered(WireError):  # noqa: N818
    """A presentation context that was not accepted, a resource that does not exist."""

    is_answer = True


class Declined(WireError):  # noqa: N818
    """A failure status (DICOM PS3.7 annex C) or an HTTP code that is not success.

    ``status`` is the number; comments of the peer are left out, they may hold a patient's data.
    """

    is_answer = True

    def __init__(self, what: str, *, status: int, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.status = status


class Garbled(WireError):  # noqa: N818
    """An answer that contradicts itself or cannot be read."""

    is_answer = True
