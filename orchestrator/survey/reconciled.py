"""What became of a comparison: every difference counted, allowed or not, and told one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from orchestrator.errors import SurveyError
from orchestrator.fleet.model import Model
from orchestrator.survey.allowed import Allowed
from orchestrator.survey.listing import Counts, Listing, ListingHead
from orchestrator.survey.reconcile import Comparison, Found

#: Hears each difference, and the reason why it is allowed; none where it is not.
Hear = Callable[[Found, str | None], None]


class Reconciled(Model):
    """Both sides in numbers. ``differences``, ``allowed``: such as ``instance missing`` → number.

    ``contents``: how many objects were compared byte for byte. ``unused``: rules about nothing.
    """

    before: ListingHead
    after: ListingHead
    counts_before: Counts
    counts_after: Counts
    differences: dict[str, int]
    allowed: dict[str, int]
    #: Objects that are missing, those of missing studies and series included, allowed or not.
    instances_missing: int
    contents: int
    unused: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Everything is there and says the same, but for what was allowed."""
        return not self.differences

    @property
    def share(self) -> float:
        """Of the objects from before, how many are there: 0 to 1. Of none, all are."""
        total = self.counts_before.instances
        return 1 - self.instances_missing / total if total else 1.0


def reconcile(
    before: Listing, after: Listing, *, allowed: Sequence[Allowed], hear: Hear
) -> Reconciled:
    """Compare two listings to their ends.

    Raises:
        SurveyError: they cannot be compared, or one of them is not whole.
    """
    comparison = Comparison(before, after)
    counted: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    used: set[int] = set()
    missing = 0
    for found in comparison.differences():
        rule = next((n for n, each in enumerate(allowed) if each.covers(found)), None)
        used |= {rule} if rule is not None else set()
        (counted if rule is None else excused)[kind(found)] += 1
        missing += found.instances if found.what == "missing" else 0
        hear(found, None if rule is None else allowed[rule].why)
    if before.counts is None or after.counts is None:
        raise SurveyError("a listing was not read to its end", hint="wardship reconcile, again")
    return Reconciled(
        before=before.head,
        after=after.head,
        counts_before=before.counts,
        counts_after=after.counts,
        differences=dict(sorted(counted.items())),
        allowed=dict(sorted(excused.items())),
        instances_missing=missing,
        contents=comparison.contents,
        unused=tuple(each.why for n, each in enumerate(allowed) if n not in used),
    )


def kind(found: Found) -> str:
    """A difference's kind in words, such as ``instance missing`` or ``study changed: patient``."""
    level = f"record of {found.record}" if found.level == "record" else found.level
    return f"{level} {found.what}" + (f": {found.field}" if found.field else "")
