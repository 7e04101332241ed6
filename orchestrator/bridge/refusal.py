"""Why a message is not taken, and whether another try may help."""

from __future__ import annotations


class NotTakenError(Exception):
    """As it stands it is never taken (AR). ``str``: why, and nothing of what it says of a person.

    ``condition``: of HL7 table 0357.
    """

    def __init__(self, because: str, condition: str) -> None:
        super().__init__(because)
        self.condition = condition


class NotNowError(Exception):
    """Not done, and no fault of the message that is known (AE): it is to come again."""


def missing(field: str) -> NotTakenError:
    """A field that must be there is empty."""
    return NotTakenError(f"{field} is missing", "101")
