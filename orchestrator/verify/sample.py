"""Samples: which stored objects are looked at more closely, and what such a look can miss."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import ceil, lgamma, log
from typing import TypeVar

from pydantic import JsonValue

from orchestrator.fleet.model import Model
from orchestrator.survey.census import Census
from orchestrator.verify.site import Site
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.dicomweb import Instance
from orchestrator.wire.errors import Garbled, Rejected
from orchestrator.wire.objects import StoredObject

Item = TypeVar("Item")
#: Associations that retrieve at a time.
LANES = 2
#: Offered where an archive does not say which SOP classes it holds: the common ones.
COMMON_CLASSES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{suffix}"
    for suffix in ("1", "1.1", "1.2", "2", "4", "7", "12.1", "128", "3.1", "6.1")
)


class Drawn(Model):
    """The objects that are retrieved, drawn at the baseline and the same ever after.

    ``objects``: study, series and instance UID. ``classes``: their SOP classes.
    """

    objects: tuple[tuple[str, str, str], ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """One retrieval by C-GET: what was asked for, what came, after how many seconds."""

    where: Instance
    stored: StoredObject
    seconds: float


def draw(items: Sequence[Item], count: int, *, seed: int) -> list[Item]:
    """``count`` of the items, or all if there are fewer; the same for the same seed."""
    return random.Random(seed).sample(list(items), min(count, len(items)))  # noqa: S311 - a repeatable sample


def unseen_share(population: int, sample: int, *, confidence: float = 0.95) -> float:
    """The largest share of damaged items that a clean sample leaves possible.

    Exact, from the hypergeometric distribution: more damage than this would have shown in the
    sample with a probability above ``confidence``. 0 where all was looked at, 1 where nothing was.
    """
    if sample <= 0:
        return 1.0
    low, high = 0, population - sample  # damaged items; none of them is in the sample
    while low < high:
        middle = (low + high + 1) // 2
        if _log_unseen(population, sample, middle) >= log(1 - confidence):
            low = middle
        else:
            high = middle - 1
    return low / population


def _log_unseen(population: int, sample: int, damaged: int) -> float:
    """Logarithm of the probability that a sample meets none of the damaged items."""
    return _log_choose(population - damaged, sample) - _log_choose(population, sample)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that ``share`` of all do not exceed."""
    return sorted(values)[ceil(share * len(values)) - 1]


def drawn(site: Site) -> Drawn:
    """The objects that this change retrieves: drawn at the baseline, the same ever after.

    Raises:
        Unknown: there is no baseline.
        WireError: the archive does not say what they are.
    """
    return site.once("drawn", lambda: _drawn(site))


def _drawn(site: Site) -> Drawn:
    if site.request.moment != "baseline":
        return Drawn.model_validate(site.baseline("retrieve-time").measures["drawn"])
    chosen = _choose(site.census_now(), site)
    return Drawn(objects=tuple(chosen), classes=_classes(site, sorted({o[0] for o in chosen})))


def _choose(census: Census, site: Site) -> list[tuple[str, str, str]]:
    return draw(sorted(census.objects()), site.request.settings.retrieves, seed=site.request.seed)


def _classes(site: Site, studies: Sequence[str]) -> tuple[str, ...]:
    """The SOP classes in these studies: one question, with a list of UIDs (PS3.4 C.2.2.2.2)."""
    if not studies:
        return ()
    keys = {"StudyInstanceUID": "\\".join(studies), "SOPClassesInStudy": ""}
    found: set[str] = set()
    for match in site.dicom.find("STUDY", keys):
        value = match.get("SOPClassesInStudy") or ()
        found |= {str(value)} if isinstance(value, str) else {str(uid) for uid in value}
    return tuple(sorted(found)) or COMMON_CLASSES


def retrieved(site: Site) -> tuple[Look, ...]:
    """The drawn objects, each by a C-GET, again from the beginning until there are enough.

    Raises:
        Unknown: there is no baseline to take them from.
        WireError: one of them did not come, or another came in its place.
    """
    return site.once("retrieved", lambda: _retrieve(site, drawn(site)))


def _retrieve(site: Site, plan: Drawn) -> tuple[Look, ...]:
    if not plan.objects:
        return ()
    count = max(site.request.settings.retrieves, len(plan.objects))
    wheres = [Instance(*plan.objects[n % len(plan.objects)]) for n in range(count)]
    site.dicom.close()  # its place is needed
    try:
        return _in_lanes(site, wheres, plan.classes, lanes=LANES)
    except Rejected:  # one place may be all that we get
        return _in_lanes(site, wheres, plan.classes, lanes=1)


def _in_lanes(
    site: Site, wheres: Sequence[Instance], classes: Sequence[str], *, lanes: int
) -> tuple[Look, ...]:
    """Retrieve over so many associations at a time; most of a retrieve is waiting for a network."""

    def retrieve(lane: int) -> list[Look]:
        with site.dicom_as(site.dicom_target.ae_title) as client:
            return [_get(client, where, classes) for where in wheres[lane::lanes]]

    with ThreadPoolExecutor(lanes) as pool:
        return tuple(chain.from_iterable(pool.map(retrieve, range(lanes))))


def _get(client: DicomClient, where: Instance, classes: Sequence[str]) -> Look:
    keys = {
        "StudyInstanceUID": where.study,
        "SeriesInstanceUID": where.series,
        "SOPInstanceUID": where.instance,
    }
    came = client.get("IMAGE", keys, classes=classes)
    uids = [stored.sop_instance for stored in came.objects]
    if uids != [where.instance]:
        raise Garbled(f"C-GET of object {where.instance} brought {uids or 'nothing'}")
    return Look(where, came.objects[0], came.seconds)


def as_measure(plan: Drawn) -> JsonValue:
    """For the baseline's report, from which later runs read it."""
    found: JsonValue = plan.model_dump(mode="json")
    return found
