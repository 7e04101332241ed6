"""A report: what was planned, what was done, what it means and what nobody looked at.

Written as JSON beside the HTML. All times are UTC here; ``timezone`` is the facility's, for those
who show them. Holds no patient data: counts, UIDs, names of checks and machines.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from orchestrator.fleet.model import Model
from orchestrator.report.parked import Parked
from orchestrator.report.planned import OnTheWay as OnTheWay
from orchestrator.report.planned import Planned as Planned
from orchestrator.verify.model import Moment, Status

#: How a change set stands. *unfinished* is everything that is not an end.
Standing = Literal["committed", "restored", "not started", "needs hands", "unfinished"]


class Advice(Model):
    """Something a person should do next; ``command`` is what to type, where there is one."""

    text: str
    command: str | None = None


class Cause(Model):
    """Why a change set did not simply commit. ``sentence`` stands alone.

    ``found``: what hosts said was wrong around the product at that moment.
    """

    sentence: str
    state: str
    host: str | None = None
    check: str | None = None
    protects: str = ""
    found: tuple[str, ...] = ()


class End(Model):
    """How it ended, in words for a person who was not there. ``lead`` stands in for a cause."""

    standing: Standing
    state: str
    headline: str
    lead: str
    meaning: tuple[str, ...]
    advice: tuple[Advice, ...]


class Activity(Model):
    """A step as it was done. ``seconds`` is None while it runs.

    ``limit``: the seconds that a host gives the step, None where it has no limit of its own.
    ``attempts`` is above one where a controller died in it and another went on.
    ``ended_ago``: how long before its end hosts had done it already, by themselves, in seconds.
    """

    state: str
    label: str
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    limit: int | None = None
    event: str | None
    because: str = ""
    attempts: int = 1
    host_seconds: dict[str, float] = Field(default_factory=dict)
    ended_ago: float = 0.0


class Stretch(Model):
    """Activities in a row during which the clinic was all the time out, or all the time not."""

    clinic: Literal["working", "out"]
    started_at: datetime
    ended_at: datetime
    activities: tuple[Activity, ...]

    @property
    def seconds(self) -> float:
        """From the first beginning to the last end."""
        return (self.ended_at - self.started_at).total_seconds()


class Outage(Model):
    """From the order to shut the door to the proof that it is open; None: no proof yet."""

    started_at: datetime
    ended_at: datetime | None
    seconds: float


class Reserve(Model):
    """What is kept for putting back, in seconds; ``used`` is None where it was not begun."""

    kept: int
    used: float | None


class CheckSeen(Model):
    """What one check found at one moment."""

    moment: Moment
    status: Status
    because: str = ""
    seconds: float | None = None
    measures: dict[str, JsonValue] = Field(default_factory=dict)
    evidence: tuple[str, ...] = ()


class CheckLine(Model):
    """One check over the moments at which it was run. ``protects`` may be empty."""

    check: str
    protects: str
    seen: tuple[CheckSeen, ...]

    @property
    def is_clean(self) -> bool:
        """Whether it passed every time that it was run."""
        return all(seen.status == "passed" for seen in self.seen)

    def at(self, moment: Moment) -> CheckSeen | None:
        """What it found then."""
        return next((seen for seen in self.seen if seen.moment == moment), None)


class CheckGroup(Model):
    """The checks that guard the same good."""

    title: str
    lines: tuple[CheckLine, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every check of it passed every time."""
        return all(line.is_clean for line in self.lines)


class Tally(Model):
    """How many checks of one run came to what."""

    moment: Moment
    taken_at: datetime
    total: int
    passed: int
    failed: int
    unknown: int


class Count(Model):
    """How much there is; None where it was not counted.

    A study with series of two modalities counts under both.
    """

    studies: int | None = 0
    series: int | None = 0
    images: int = 0


class CensusLine(Model):
    """One modality, or the whole archive. ``after`` is None where nothing was counted again."""

    modality: str
    before: Count
    after: Count | None

    @property
    def differs(self) -> bool:
        """Whether a count is known to have moved."""
        if self.after is None:
            return False
        pairs = (
            (self.before.studies, self.after.studies),
            (self.before.series, self.after.series),
            (self.before.images, self.after.images),
        )
        return any(was != now for was, now in pairs if now is not None)


class Census(Model):
    """What the archive held before and after; ``lines`` has differences first.

    ``proof`` is the check that compared all of it, ``proved`` its word. The rest are UIDs.
    """

    lines: tuple[CensusLine, ...]
    total: CensusLine
    studies_missing: tuple[str, ...] = ()
    studies_added: tuple[str, ...] = ()
    images_missing: tuple[str, ...] = ()
    images_added: tuple[str, ...] = ()
    images_changed: tuple[str, ...] = ()
    proof: str | None = None
    proved: Status | None = None

    @property
    def lost(self) -> bool:
        """Whether anything is known to be missing or changed; what came since is not lost."""
        after = self.total.after
        is_less = after is not None and after.images < self.total.before.images
        return is_less or any((self.studies_missing, self.images_missing, self.images_changed))


class Sampling(Model):
    """What hashing some files can miss.

    ``may_miss``: the most files that could be damaged and go unseen with a chance of 5 % or more.
    """

    files: int
    hashed: int
    may_miss: int


class HostReport(Model):
    """One host of the change set."""

    planned: Planned
    tallies: tuple[Tally, ...]
    groups: tuple[CheckGroup, ...]
    census: Census | None
    sampling: Sampling | None
    parked: Parked | None = None

    @property
    def host(self) -> str:
        """Its name."""
        return self.planned.host

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The moments at which checks were run, in order."""
        return tuple(tally.moment for tally in self.tallies)

    @property
    def worst(self) -> Status | None:
        """The worst word of the last run; None where there was none."""
        if not self.tallies:
            return None
        last = self.tallies[-1]
        return "failed" if last.failed else "unknown" if last.unknown else "passed"


class Report(Model):
    """Everything about one change set. ``gaps``: what should be in the journal and is not."""

    schema_version: Literal[1] = 1
    change_set: str
    facility: str
    title: str
    timezone: str
    plan: str
    started_at: datetime
    as_of: datetime
    end: End
    cause: Cause | None
    stopped_by: Cause | None
    remarks: tuple[str, ...]
    gaps: tuple[str, ...]
    outages: tuple[Outage, ...]
    stretches: tuple[Stretch, ...]
    reserve: Reserve
    hosts: tuple[HostReport, ...]
    limits: tuple[str, ...]

    @property
    def outage_seconds(self) -> float:
        """How long the clinic was out, all together; up to ``as_of`` where it still is."""
        return sum(outage.seconds for outage in self.outages)

    @property
    def is_out(self) -> bool:
        """Whether no proof is there that the door is open again."""
        return any(outage.ended_at is None for outage in self.outages)
