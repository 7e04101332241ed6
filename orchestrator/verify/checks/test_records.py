"""Every record that was there is there, and says what it said."""

from __future__ import annotations

from orchestrator.survey.census import Census, difference
from orchestrator.verify.model import CheckRequest
from orchestrator.verify.plugin import Record
from orchestrator.verify.site import Site


def test_records_kept(request_: CheckRequest, site: Site, record: Record) -> None:
    """Against the census that quiesce took, all of them; at the baseline they are only counted."""
    now = site.census_now()
    record.show(told("now", now))
    record.measure(**now.kinds())
    assert now.records, f"{now.product} counts no kind of record at all"
    if request_.moment == "baseline":
        return
    before = site.census_before()
    record.show(told("before", before))
    change = difference(before, now)
    record.show(*change.told())
    # What came between a commit and its reversal is not lost by being there.
    as_it_was = change.equal if request_.moment == "applied" else not change.lost
    assert as_it_was, f"the records are not as before: {'; '.join(change.told())}"


def told(when: str, census: Census) -> str:
    """One line."""
    return f"{when}: " + ", ".join(f"{count} {kind}" for kind, count in census.kinds().items())
