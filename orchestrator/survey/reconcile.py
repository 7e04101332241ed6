"""Two listings side by side: everything that one has and the other has not, or says otherwise.

Read as two streams in one order, so a million objects need little memory. What a whole study or
series lacks is one difference that says how many objects it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from orchestrator.errors import SurveyError
from orchestrator.survey.listing import Entry, ListedRecord, ListedSeries, ListedStudy, Listing

What = Literal["missing", "added", "changed"]
Level = Literal["study", "series", "instance", "record"]
#: What of an object is compared where it was retrieved.
PARTS = ("header", "pixels")


class Found(NamedTuple):
    """One difference. ``field``: what is another; ``instances``: how many objects it is about."""

    what: What
    level: Level
    study: str = ""
    series: str = ""
    instance: str = ""
    record: str = ""
    key: str = ""
    field: str = ""
    instances: int = 0


class Comparison:
    """Two listings. ``contents``: how many objects were compared byte for byte, so far.

    Raises:
        SurveyError: the two cannot be compared.
    """

    def __init__(self, before: Listing, after: Listing) -> None:
        if before.head.key != after.head.key:
            raise SurveyError(
                f"{before.path} and {after.path} were taken under different keys",
                hint="take both from the same fleet directory, or records from the same host",
            )
        self._before, self._after = before, after
        self.contents = 0

    def differences(self) -> Iterator[Found]:
        """Every difference, in the order of the listings.

        Raises:
            SurveyError: one of the listings is not whole.
        """
        for old, new in _paired(_groups(self._before), _groups(self._after)):
            if not new:
                yield from _only("missing", old)
            elif not old:
                yield from _only("added", new)
            else:
                yield from self._both(old, new)

    def _both(self, old: list[Entry], new: list[Entry]) -> Iterator[Found]:
        first, second = old[0], new[0]
        if isinstance(first, ListedRecord) and isinstance(second, ListedRecord):
            if first.digest != second.digest:
                yield Found("changed", "record", record=first.record, key=first.key)
            return
        yield from self._studies(_by_patient(old), _by_patient(new))

    def _studies(self, old: dict[str, ListedStudy], new: dict[str, ListedStudy]) -> Iterator[Found]:
        """The studies of one UID: with one on each side it is the same, whosever it is."""
        if len(old) == len(new) == 1:
            (before,), (after,) = old.values(), new.values()
            if before.patient != after.patient:
                yield Found("changed", "study", study=before.study, field="patient")
            yield from self._study(before, after)
            return
        for patient in sorted({*old, *new}):
            if patient not in new:
                yield from _only("missing", [old[patient]])
            elif patient not in old:
                yield from _only("added", [new[patient]])
            else:
                yield from self._study(old[patient], new[patient])

    def _study(self, before: ListedStudy, after: ListedStudy) -> Iterator[Found]:
        study = before.study
        for field in sorted({*before.said, *after.said}):
            if before.said.get(field) != after.said.get(field):
                yield Found("changed", "study", study=study, field=field)
        yield from _serieses(study, before, after)
        for sop in sorted(before.content.keys() & after.content.keys()):
            self.contents += 1
            for part, was, now in zip(PARTS, before.content[sop], after.content[sop], strict=True):
                if was != now:
                    yield Found("changed", "instance", study, instance=sop, field=part)


_Place = tuple[str, ...]


def _groups(listing: Listing) -> Iterator[tuple[_Place, list[Entry]]]:
    """The entries of one study UID (an archive may hold it for two patients), or one record."""
    for place, entries in groupby(listing.entries(), key=_place):
        yield place, list(entries)


def _place(entry: Entry) -> _Place:
    if isinstance(entry, ListedStudy):
        return ("study", entry.study)
    return ("~record", entry.record, entry.key)


def _paired(
    left: Iterator[tuple[_Place, list[Entry]]], right: Iterator[tuple[_Place, list[Entry]]]
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """What stands at each place on both sides; nothing where a side has none."""
    old, new = next(left, None), next(right, None)
    while old or new:
        if old and (not new or old[0] < new[0]):
            yield old[1], []
            old = next(left, None)
        elif new and (not old or new[0] < old[0]):
            yield [], new[1]
            new = next(right, None)
        elif old and new:
            yield old[1], new[1]
            old, new = next(left, None), next(right, None)


def _only(what: What, entries: Iterable[Entry]) -> Iterator[Found]:
    for entry in entries:
        if isinstance(entry, ListedRecord):
            yield Found(what, "record", record=entry.record, key=entry.key)
        else:
            yield Found(what, "study", study=entry.study, instances=entry.count)


def _by_patient(entries: list[Entry]) -> dict[str, ListedStudy]:
    return {entry.patient: entry for entry in entries if isinstance(entry, ListedStudy)}


def _serieses(study: str, before: ListedStudy, after: ListedStudy) -> Iterator[Found]:
    old = {series.uid: series for series in before.series}
    new = {series.uid: series for series in after.series}
    for uid in sorted({*old, *new}):
        if uid not in new:
            count = len(old[uid].instances)
            yield Found("missing", "series", study=study, series=uid, instances=count)
        elif uid not in old:
            count = len(new[uid].instances)
            yield Found("added", "series", study=study, series=uid, instances=count)
        else:
            yield from _series(study, old[uid], new[uid])


def _series(study: str, before: ListedSeries, after: ListedSeries) -> Iterator[Found]:
    if before.modality != after.modality:
        yield Found("changed", "series", study=study, series=before.uid, field="Modality")
    if before.instances == after.instances:
        return
    old, new = set(before.instances), set(after.instances)
    for uid in sorted(old - new):
        yield Found("missing", "instance", study, before.uid, uid, instances=1)
    for uid in sorted(new - old):
        yield Found("added", "instance", study, before.uid, uid, instances=1)
