"""A comparison of two listings → one HTML page, to be signed by who answers for the archive.

Decides only how things look. Everything is escaped, and the page forbids itself to load or run
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import jinja2

from orchestrator import resources
from orchestrator.survey.reconcile import Found
from orchestrator.survey.reconciled import Reconciled, kind

#: Differences that are shown one by one; the CSV has all.
MOST = 1000


def to_html(
    found: Reconciled, shown: Sequence[tuple[Found, str | None]], *, table: str | None = None
) -> str:
    """The page; ``shown``: the first differences, each with the reason why it is allowed.

    ``table``: the file that has all of them.
    """
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(utc=_utc, kind=kind, named=named, share=share)
    before, after = found.counts_before, found.counts_after
    rows = [
        ("Studies", before.studies, after.studies),
        ("Series", before.series, after.series),
        ("Objects", before.instances, after.instances),
        ("Patients", before.patients, after.patients),
        ("Studies whose number of objects is not told", before.uncounted, after.uncounted),
        *_by_name("Objects of modality", before.modalities, after.modalities),
        *_by_name("Records:", before.records, after.records),
    ]
    return env.get_template("reconcile.html.j2").render(
        found=found,
        rows=[row for row in rows if row[1] or row[2]],
        shown=shown,
        table=table,
        total=sum(found.differences.values()) + sum(found.allowed.values()),
    )


def named(found: Found) -> str:
    """What a difference is about, by its UIDs or its key."""
    words = (found.study, found.series, found.instance, found.key)
    return " ".join(word for word in words if word)


def share(found: Reconciled) -> str:
    """How much of what was there is there, never rounded up to all."""
    if found.instances_missing == 0:
        return "100 %"
    return f"{min(found.share * 100, 99.999):.3f} %"


def _by_name(
    what: str, before: dict[str, int], after: dict[str, int]
) -> list[tuple[str, int, int]]:
    return [
        (f"{what} {name}", before.get(name, 0), after.get(name, 0))
        for name in sorted({*before, *after})
    ]


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
