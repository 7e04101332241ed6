"""Censuses → counts by modality before and after, differences first, and what a sample can miss.

Shows counts, modalities and study UIDs; a text that is neither is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import lgamma, log

from pydantic import JsonValue

from orchestrator.report.model import Census, CensusLine, Count, Sampling
from orchestrator.survey.census import Census as Archive
from orchestrator.survey.census import CensusSeries, difference
from orchestrator.verify.model import CheckReport, CheckResult

#: DICOM PS3.5 section 9.1: digits and dots, at most 64.
_UID = re.compile(r"[0-9.]{1,64}")
#: DICOM PS3.5 section 6.2, VR CS.
_MODALITY = re.compile(r"[A-Z0-9_ ]{1,16}")
EVERYTHING = "all"
OTHER = "other"
#: The checks that compare all of it, the stronger one first.
_COMPARES = ("census-index", "census-product")
_SAMPLES = "archive-sample"
_BY_CHANCE = 0.05


def census(before: str | None, after: str | None, last: CheckReport | None) -> Census | None:
    """What the archive held.

    ``last``: the run of checks after which the door was to open. Without a census ``after``, what
    its checks counted stands for it.

    Raises:
        ValueError: a census is not what the host program writes.
    """
    if before is None:
        return None
    was = Archive.model_validate_json(before)
    now = Archive.model_validate_json(after) if after is not None else None
    counted = _counts(now) if now is not None else _counted(last)
    by_modality = len(counted) > 1 or now is not None
    lines = [
        CensusLine(
            modality=name,
            before=count,
            after=counted.get(name, Count() if by_modality else None),
        )
        for name, count in _union(_counts(was), counted).items()
    ]
    total = next(line for line in lines if line.modality == EVERYTHING)
    proof = _proof(last)
    moved = None if now is None else difference(was, now)
    return Census(
        lines=tuple(sorted((ln for ln in lines if ln is not total), key=_differences_first)),
        total=total,
        studies_missing=_named(moved.studies_missing) if moved else (),
        studies_added=_named(moved.studies_added) if moved else (),
        images_missing=_named(moved.instances_missing) if moved else (),
        images_added=_named(moved.instances_added) if moved else (),
        images_changed=_named(moved.instances_changed) if moved else (),
        proof=proof.check if proof else None,
        proved=proof.status if proof else None,
    )


def sampling(before: Census | None, last: CheckReport | None, *, declared: int) -> Sampling | None:
    """What the sample can miss; None where no sample is known to have been hashed well.

    ``declared``: how many files the fleet asks to be hashed.
    """
    result = last.result(_SAMPLES) if last else None
    if result is None or result.status != "passed":
        return None
    files = _figure(result, ("files",)) or (before.total.before.images if before else 0)
    if not files:
        return None
    hashed = min(_figure(result, ("hashed", "sampled", "sample")) or declared, files)
    return Sampling(files=files, hashed=hashed, may_miss=may_miss(files, hashed))


def may_miss(files: int, hashed: int) -> int:
    """The most damaged files that a random sample shows none of with a chance of 5 % or more.

    Hypergeometric: the chance is C(files - damaged, hashed) / C(files, hashed).
    """
    low, high = 0, files - hashed
    while low < high:
        middle = (low + high + 1) // 2
        if _log_choose(files - middle, hashed) - _log_choose(files, hashed) >= log(_BY_CHANCE):
            low = middle
        else:
            high = middle - 1
    return low


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _counts(archive: Archive) -> dict[str, Count]:
    everything = [series for study in archive.studies for series in study.series]
    found = {EVERYTHING: _count(len(archive.studies), everything)}
    for name in sorted({_modality(series.modality) for series in everything}):
        of_it = [series for series in everything if _modality(series.modality) == name]
        studies = sum(
            any(_modality(series.modality) == name for series in study.series)
            for study in archive.studies
        )
        found[name] = _count(studies, of_it)
    return found


def _count(studies: int, series: Sequence[CensusSeries]) -> Count:
    return Count(studies=studies, series=len(series), images=sum(len(s.instances) for s in series))


def _counted(last: CheckReport | None) -> dict[str, Count]:
    """What the check of the index counted: images by modality, or at least all of them."""
    result = last.result(_COMPARES[0]) if last is not None else None
    if result is None:
        return {}
    found: dict[str, Count] = {}
    images = result.measures.get("modalities")
    for name, number in images.items() if isinstance(images, dict) else ():
        known = found.get(_modality(name), Count()).images
        found[_modality(name)] = _only(known + int(number) if isinstance(number, int) else known)
    total = _figure(result, ("objects",))
    if total is None and found:
        total = sum(count.images for count in found.values())
    if total is not None:
        studies = _figure(result, ("studies",))
        found[EVERYTHING] = Count(studies=studies, series=None, images=total)
    return found


def _only(images: int) -> Count:
    return Count(studies=None, series=None, images=images)


def _modality(name: str) -> str:
    return name if _MODALITY.fullmatch(name) else OTHER


def _union(was: Mapping[str, Count], now: Mapping[str, Count]) -> dict[str, Count]:
    return {name: was.get(name, Count()) for name in sorted({*was, *now})}


def _differences_first(line: CensusLine) -> tuple[bool, str]:
    return (not line.differs, line.modality)


def _named(uids: Sequence[str]) -> tuple[str, ...]:
    return tuple(uid if _UID.fullmatch(uid) else "(not a UID)" for uid in uids)


def _proof(last: CheckReport | None) -> CheckResult | None:
    results = [last.result(check) for check in _COMPARES] if last is not None else []
    return next((result for result in results if result is not None), None)


def _figure(result: CheckResult, names: tuple[str, ...]) -> int | None:
    values: list[JsonValue] = [result.measures.get(name) for name in names]
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool)), None)
