"""The census of a product, and the difference between two of them.

Comes from the ``census`` script of a product's role as JSON. Holds no patient data: of an archive
UIDs, modalities, and for every stored object where its file is, how large, and the MD5 that the
index keeps of it; of what keeps records (a RIS) the key of each and a keyed digest of what it says.
The same study UID may be there twice, under two patient ids: such is life in archives, so
everything is counted and nothing is taken for unique.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

from pydantic import Field

from orchestrator.fleet.model import Model

Key = TypeVar("Key", str, tuple[str, str], tuple[str, str, str])


class CensusInstance(Model):
    """A stored object. ``file`` is relative to the volume, ``size`` in bytes as stored."""

    uid: str
    file: str | None
    size: int = Field(ge=0)
    md5: str | None


class CensusSeries(Model):
    """A series of objects of one modality."""

    uid: str
    modality: str
    instances: tuple[CensusInstance, ...]


class CensusStudy(Model):
    """A study."""

    uid: str
    series: tuple[CensusSeries, ...]

    @property
    def count(self) -> int:
        """How many objects it has."""
        return sum(len(series.instances) for series in self.series)


class Census(Model):
    """Everything that the product's index says is there."""

    schema_: Literal[1] = Field(alias="schema")
    product: str
    patients: int = Field(ge=0)
    studies: tuple[CensusStudy, ...]
    #: Kind of record → its key → digest of what it says, of the same fields in every release.
    records: dict[str, dict[str, str]] = Field(default_factory=dict)

    def without(self, root: str) -> Census:
        """The same without the studies whose UID lies below ``root``: those of the probe."""
        kept = tuple(study for study in self.studies if not study.uid.startswith(f"{root}."))
        return self.model_copy(update={"studies": kept})

    def counts(self) -> dict[str, int]:
        """Study UID to number of objects."""
        found: Counter[str] = Counter()
        for study in self.studies:
            found[study.uid] += study.count
        return dict(found)

    def modalities(self) -> dict[str, int]:
        """Modality to number of objects."""
        found: Counter[str] = Counter()
        for _, series in self._series():
            found[series.modality] += len(series.instances)
        return dict(sorted(found.items()))

    def kinds(self) -> dict[str, int]:
        """Kind of record to number of records."""
        return {kind: len(known) for kind, known in sorted(self.records.items())}

    def objects(self) -> dict[tuple[str, str, str], list[CensusInstance]]:
        """Every object under (study, series, instance); more than one only in odd archives."""
        found: dict[tuple[str, str, str], list[CensusInstance]] = {}
        for study, series in self._series():
            for instance in series.instances:
                found.setdefault((study.uid, series.uid, instance.uid), []).append(instance)
        return found

    def _series(self) -> Iterable[tuple[CensusStudy, CensusSeries]]:
        return ((study, series) for study in self.studies for series in study.series)


class Difference(Model):
    """What one census has that the other has not. UIDs, sorted; all of them, never cut."""

    studies_missing: tuple[str, ...]
    studies_added: tuple[str, ...]
    series_missing: tuple[str, ...]
    series_added: tuple[str, ...]
    instances_missing: tuple[str, ...]
    instances_added: tuple[str, ...]
    #: Objects whose size or MD5 is another.
    instances_changed: tuple[str, ...]
    #: Series whose modality is another.
    series_changed: tuple[str, ...]
    modalities_before: dict[str, int]
    modalities_after: dict[str, int]
    #: Records, each as its kind and its key.
    records_missing: tuple[str, ...] = ()
    records_added: tuple[str, ...] = ()
    records_changed: tuple[str, ...] = ()

    @property
    def lost(self) -> bool:
        """Something that was there is missing or is not the same any more."""
        return bool(
            self.studies_missing
            or self.series_missing
            or self.instances_missing
            or self.instances_changed
            or self.series_changed
            or self.records_missing
            or self.records_changed
        )

    @property
    def equal(self) -> bool:
        """Nothing was lost and nothing was added."""
        added = (self.studies_added, self.series_added, self.instances_added, self.records_added)
        return not (self.lost or any(added))

    def told(self, *, most: int = 5) -> tuple[str, ...]:
        """Each kind of difference in one line, naming at most ``most`` UIDs of it."""
        named = {
            "studies missing": self.studies_missing,
            "series missing": self.series_missing,
            "objects missing": self.instances_missing,
            "objects changed": self.instances_changed,
            "series changed": self.series_changed,
            "studies added": self.studies_added,
            "series added": self.series_added,
            "objects added": self.instances_added,
            "records missing": self.records_missing,
            "records changed": self.records_changed,
            "records added": self.records_added,
        }
        return tuple(
            f"{len(uids)} {what}: {', '.join(uids[:most])}{' …' if len(uids) > most else ''}"
            for what, uids in named.items()
            if uids
        )


def difference(before: Census, after: Census) -> Difference:
    """Every difference. The place of a file may change, what it holds may not."""
    studies = _split(before.counts(), after.counts())
    series_before, series_after = _series_of(before), _series_of(after)
    series = _split(series_before, series_after)
    old, new = before.objects(), after.objects()
    instances = _split(old, new)
    changed = [key for key in old.keys() & new.keys() if _content(old[key]) != _content(new[key])]
    remodelled = [
        key
        for key in series_before.keys() & series_after.keys()
        if series_before[key] != series_after[key]
    ]
    was, now = _records(before), _records(after)
    records = _split(was, now)
    return Difference(
        studies_missing=tuple(studies[0]),
        studies_added=tuple(studies[1]),
        series_missing=tuple(key[-1] for key in series[0]),
        series_added=tuple(key[-1] for key in series[1]),
        instances_missing=tuple(key[-1] for key in instances[0]),
        instances_added=tuple(key[-1] for key in instances[1]),
        instances_changed=tuple(key[-1] for key in sorted(changed)),
        series_changed=tuple(key[-1] for key in sorted(remodelled)),
        modalities_before=before.modalities(),
        modalities_after=after.modalities(),
        records_missing=tuple(records[0]),
        records_added=tuple(records[1]),
        records_changed=tuple(
            sorted(key for key in was.keys() & now.keys() if was[key] != now[key])
        ),
    )


def _records(census: Census) -> dict[str, str]:
    return {
        f"{kind} {key}": digest
        for kind, known in census.records.items()
        for key, digest in known.items()
    }


def _content(instances: Iterable[CensusInstance]) -> list[tuple[int, str]]:
    return sorted((instance.size, instance.md5 or "") for instance in instances)


def _series_of(census: Census) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for study in census.studies:
        for series in study.series:
            found.setdefault((study.uid, series.uid), []).append(series.modality)
    return {key: sorted(modalities) for key, modalities in found.items()}


def _split(
    before: Mapping[Key, object], after: Mapping[Key, object]
) -> tuple[list[Key], list[Key]]:
    """What is only before, and what is only after."""
    return sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
