"""The whole error tree. The exit code says in what state the hospital is; the worst one counts.

WardshipError(what, *, hint)
├ FleetError     10  the declaration is wrong            nothing changed
├ SurveyError    20  the truth could not be learned      nothing changed
├ CensusError    25  two censuses differ                 nothing changed
├ PlanError      30  unsafe, stale or refused            nothing changed
├ RolloutError   40  failed, and was restored            as before
└ RestoreError   50  could not be restored               needs a person

60 is the lab's (no hospital involved), 64 a wrong command line, 70 our bug, 74 this machine's: a
file or a disk refused.
"""

from __future__ import annotations

from collections.abc import Sequence


class WardshipError(Exception):
    """Something a person can act on: what happened, where, and what to do next."""

    exit_code = 70

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling with every field: errors cross process borders."""
        return (_rebuild, (type(self), self.__dict__.copy()))

    def __str__(self) -> str:
        return self.what


class FleetError(WardshipError):
    """The declaration is wrong; carries every problem at once, each as ``file:line: text``."""

    exit_code = 10

    def __init__(self, what: str, *, hint: str, problems: Sequence[str] = ()) -> None:
        super().__init__(what, hint=hint)
        self.problems = tuple(problems)


class SurveyError(WardshipError):
    """The truth about a host could not be learned."""

    exit_code = 20


class CensusError(WardshipError):
    """What was there before and what is there after are not the same; nothing was changed by us."""

    exit_code = 25


class PlanError(WardshipError):
    """What is asked for is unsafe, stale or refused; carries every refusal at once."""

    exit_code = 30

    def __init__(self, what: str, *, hint: str, refusals: Sequence[str] = ()) -> None:
        super().__init__(what, hint=hint)
        self.refusals = tuple(refusals)


class RolloutError(WardshipError):
    """A change failed and the hospital was put back as it was."""

    exit_code = 40


class RestoreError(WardshipError):
    """A hospital could not be put back by itself: a person is needed."""

    exit_code = 50


class LabError(WardshipError):
    """The lab could not do what was asked; no hospital is involved."""

    exit_code = 60


class UsageError(WardshipError):
    """The command line is wrong; nothing was begun."""

    exit_code = 64


class MachineError(WardshipError):
    """This machine did not let us read or write a file; what hosts did is in the journal."""

    exit_code = 74


def _rebuild(kind: type[WardshipError], fields: dict[str, object]) -> WardshipError:
    error = kind.__new__(kind)
    error.__dict__.update(fields)
    error.args = (error.what, error.hint)
    return error
