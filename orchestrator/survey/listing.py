"""A census on disk: every study, series, object and record, one line each, in order, sealed.

JSON lines: a head, the studies in order of their UIDs, the records in order of kind and key, an end
with the counts and the SHA-256 of everything before it. It is written and read as a stream, so two
of them are compared in no more memory than the largest study needs. A listing that was cut off or
touched is refused. What people are called is in it only as a digest under a key that is kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from orchestrator.errors import SurveyError
from orchestrator.files import write_whole
from orchestrator.fleet.model import Model

_STUDY, _RECORD, _END = b'{"study":', b'{"record":', b'{"end":'


class ListingHead(Model):
    """Where a listing comes from. ``key``: which key its digests were made with."""

    listing: Literal[1] = 1
    source: str
    how: str
    taken_at: datetime
    key: str


class ListedSeries(Model):
    """A series. ``instances``: the SOP Instance UIDs, sorted."""

    uid: str
    modality: str
    instances: tuple[str, ...]


class ListedStudy(Model):
    """A study of one patient. ``said``: attribute → digest of its value, if it has one.

    ``content``: SOP Instance UID → digests of header and pixels, of those that were retrieved.
    ``is_counted``: the archive itself said that these are all of its objects.
    """

    study: str
    patient: str
    said: dict[str, str] = Field(default_factory=dict)
    series: tuple[ListedSeries, ...]
    content: dict[str, tuple[str, str]] = Field(default_factory=dict)
    is_counted: bool = True

    @property
    def count(self) -> int:
        """How many objects it has."""
        return sum(len(each.instances) for each in self.series)


class ListedRecord(Model):
    """A record of a RIS: its kind, its key, and a digest of what it says."""

    record: str
    key: str
    digest: str


class Counts(Model):
    """What a listing holds, in numbers."""

    studies: int = 0
    series: int = 0
    instances: int = 0
    patients: int = 0
    content: int = 0
    #: Studies of which the archive did not say how many objects they have.
    uncounted: int = 0
    modalities: dict[str, int] = Field(default_factory=dict)
    records: dict[str, int] = Field(default_factory=dict)


class _Sealed(Counts):
    sha256: str


class _End(Model):
    end: _Sealed


Entry = ListedStudy | ListedRecord


class _Tally:
    """Counts and hashes what passes, and holds it to its order."""

    def __init__(self, head: bytes) -> None:
        self._digest = hashlib.sha256(head)
        self._patients: set[str] = set()
        self._numbers: Counter[str] = Counter()
        self._modalities: Counter[str] = Counter()
        self._records: Counter[str] = Counter()
        self._last: tuple[str, ...] = ()

    def add(self, entry: Entry, line: bytes) -> bool:
        """Count it; whether it comes after the one before."""
        place = order(entry)
        is_next, self._last = place > self._last, place
        self._digest.update(line)
        if isinstance(entry, ListedRecord):
            self._records[entry.record] += 1
            return is_next
        self._patients.add(entry.patient)
        self._numbers["studies"] += 1
        self._numbers["series"] += len(entry.series)
        self._numbers["content"] += len(entry.content)
        self._numbers["uncounted"] += not entry.is_counted
        for series in entry.series:
            self._numbers["instances"] += len(series.instances)
            self._modalities[series.modality] += len(series.instances)
        return is_next

    def end(self) -> _Sealed:
        """What passed."""
        return _Sealed(
            **self._numbers,
            patients=len(self._patients),
            modalities=dict(sorted(self._modalities.items())),
            records=dict(sorted(self._records.items())),
            sha256=self._digest.hexdigest(),
        )


def order(entry: Entry) -> tuple[str, ...]:
    """Where an entry stands among all."""
    if isinstance(entry, ListedStudy):
        return ("study", entry.study, entry.patient)
    return ("~record", entry.record, entry.key)


def write_listing(path: Path, head: ListingHead, entries: Iterable[Entry]) -> Counts:
    """Write a listing, whole or not at all, for its owner only; gives what is in it.

    Raises:
        SurveyError: the entries are not in order, so one would be there twice.
        OSError: it could not be written.
    """
    sealed: list[_Sealed] = []

    def lines() -> Iterator[bytes]:
        first = _line(head)
        tally = _Tally(first)
        yield first
        for entry in entries:
            line = _line(entry)
            if not tally.add(entry, line):
                raise SurveyError(
                    f"{' '.join(order(entry)[1:])} is listed twice or out of order",
                    hint="take the census again; if it stays, the archive answers with one twice",
                )
            yield line
        sealed.append(tally.end())
        yield _line(_End(end=sealed[0]))

    write_whole(path, lines(), mode=0o600)
    return Counts.model_validate(sealed[0].model_dump(exclude={"sha256"}))


class Listing:
    """A listing that is read, entry by entry. ``counts`` are known once all were read.

    Raises:
        SurveyError: it is not there, or no listing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counts | None = None
        try:
            with path.open("rb") as file:
                self.head = ListingHead.model_validate_json(file.readline())
        except OSError as error:
            raise SurveyError(
                f"{path}: {error.strerror}", hint="wardship census FACILITY"
            ) from None
        except ValidationError:
            raise SurveyError(
                f"{path}: no listing of a census", hint="give a file that wardship census wrote"
            ) from None

    def entries(self) -> Iterator[Entry]:
        """Every entry, in order; the last step proves that these were all.

        Raises:
            SurveyError: it was cut off, or is not as it was written.
        """
        with self.path.open("rb") as file:
            tally = _Tally(file.readline())
            for number, line in enumerate(file, start=2):
                if line.startswith(_END):
                    self._prove(line, tally, is_last=not file.readline())
                    return
                entry = self._entry(line, number)
                if not tally.add(entry, line):
                    raise self._refused(f"line {number} is out of order")
                yield entry
        raise self._refused("it has no end")

    def _entry(self, line: bytes, number: int) -> Entry:
        try:
            if line.startswith(_STUDY):
                return ListedStudy.model_validate_json(line)
            if line.startswith(_RECORD):
                return ListedRecord.model_validate_json(line)
        except ValidationError:
            pass
        raise self._refused(f"line {number} cannot be read")

    def _prove(self, line: bytes, tally: _Tally, *, is_last: bool) -> None:
        found = tally.end()
        try:
            said = _End.model_validate_json(line).end
        except ValidationError:
            raise self._refused("its end cannot be read") from None
        if said != found or not is_last:
            raise self._refused("it is not what was sealed at its end")
        self.counts = Counts.model_validate(found.model_dump(exclude={"sha256"}))

    def _refused(self, why: str) -> SurveyError:
        return SurveyError(
            f"{self.path}: was cut off or touched: {why}",
            hint="take it again: wardship census; nothing was compared to its end",
        )


def _line(entry: Model) -> bytes:
    return entry.model_dump_json(exclude_defaults=False).encode() + b"\n"
