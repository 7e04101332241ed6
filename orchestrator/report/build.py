"""The journal's record and documents → a report. Pure: no clock, no file, no network.

Refuses to guess: a document that cannot be read is named as a gap, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.plan.model import HostChange
from orchestrator.plan.parking import told
from orchestrator.report import cause, checks, counts, parked, timeline, words
from orchestrator.report.model import Census, HostReport, OnTheWay, Planned, Report
from orchestrator.rollout.model import Record
from orchestrator.verify.model import CheckReport, Moment

_VOLUME = {"index": "captured whole", "archive": "never copied, proved by census"}


def build(
    record: Record,
    documents: Mapping[str, str],
    *,
    timezone: str = "UTC",
    title: str | None = None,
    as_of: datetime | None = None,
) -> Report:
    """The report of one change set.

    ``documents`` are the journal's by name: ``baseline/HOST``, ``applied/HOST``, ``restored/HOST``
    (check reports), ``census-before/HOST``, ``parked/HOST`` where intake was parked and, where
    somebody kept one, ``census-after/HOST``.
    ``timezone`` and ``title`` are the facility's. ``as_of`` is the moment that the report is made;
    without it, the last one that the journal knows of.
    """
    seen_until = as_of or timeline.last_word(record)
    problems: list[str] = []
    reports = _check_reports(record, documents, problems)
    hosts = tuple(
        _host(record, host, reports, documents, problems) for host in record.change_set.hosts
    )
    out = timeline.outages(record, as_of=seen_until)
    is_out = any(outage.ended_at is None for outage in out)
    return Report(
        change_set=record.change_set.id,
        facility=record.change_set.facility,
        title=title or record.change_set.facility,
        timezone=timezone,
        plan=record.plan,
        started_at=record.entries[0].at if record.entries else record.since,
        as_of=seen_until,
        end=words.end(record, hosts, is_out=is_out),
        cause=cause.first_cause(record, reports),
        stopped_by=cause.last_cause(record, reports),
        remarks=(
            *cause.remarks(record),
            *_parked_remarks(record, hosts),
            *checks.warnings(hosts),
        ),
        gaps=(*problems, *words.gaps(record, hosts)),
        outages=out,
        stretches=timeline.stretches(record, as_of=seen_until),
        reserve=timeline.reserve(record),
        hosts=hosts,
        limits=words.LIMITS,
    )


def _check_reports(
    record: Record, documents: Mapping[str, str], problems: list[str]
) -> dict[tuple[Moment, str], CheckReport]:
    found: dict[tuple[Moment, str], CheckReport] = {}
    for host in record.change_set.hosts:
        for moment in checks.MOMENTS:
            body = documents.get(f"{moment}/{host.host}")
            if body is None:
                continue
            try:
                found[moment, host.host] = CheckReport.model_validate_json(body)
            except ValueError:
                problems.append(f"{host.host}: the journal's {moment} results cannot be read.")
    return found


def _host(
    record: Record,
    host: HostChange,
    reports: Mapping[tuple[Moment, str], CheckReport],
    documents: Mapping[str, str],
    problems: list[str],
) -> HostReport:
    here = {moment: report for (moment, name), report in reports.items() if name == host.host}
    last = next((here[m] for m in reversed(checks.MOMENTS) if m in here), None)
    after = last if last is not None and last.moment != "baseline" else None
    census = _census(host.host, documents, after, problems)
    declared = record.change_set.verify.sample_files
    return HostReport(
        planned=_planned(host),
        tallies=checks.tallies(here),
        groups=checks.groups(here),
        census=census,
        sampling=counts.sampling(census, after, declared=declared),
        parked=_parked(host.host, documents, problems),
    )


def _parked(host: str, documents: Mapping[str, str], problems: list[str]) -> parked.Parked | None:
    try:
        return parked.read(documents.get(f"parked/{host}"))
    except ValueError:
        problems.append(f"{host}: what the host says was parked cannot be read.")
        return None


def _parked_remarks(record: Record, hosts: tuple[HostReport, ...]) -> tuple[str, ...]:
    changes = {host.host: host for host in record.change_set.hosts}
    return parked.remarks({h.host: (changes[h.host], h.parked) for h in hosts if h.parked})


def _census(
    host: str, documents: Mapping[str, str], last: CheckReport | None, problems: list[str]
) -> Census | None:
    before, after = (documents.get(f"census-{when}/{host}") for when in ("before", "after"))
    try:
        return counts.census(before, after, last)
    except ValueError:
        problems.append(f"{host}: the journal's census cannot be read.")
        return None


def _planned(host: HostChange) -> Planned:
    return Planned(
        host=host.host,
        product=host.product,
        kind=host.kind,
        from_release=host.from_release,
        to_release=host.to_release,
        way=host.way,
        artifact=host.artifact.file,
        artifact_sha256=host.artifact.sha256,
        artifact_size=host.artifact.size,
        hops=tuple(
            OnTheWay(
                release=hop.release,
                artifact=hop.artifact.file,
                artifact_sha256=hop.artifact.sha256,
            )
            for hop in host.hops
        ),
        services=host.services,
        meanwhile=told(host.parking, host.by_hand, host.unsaid),
        volumes=tuple(
            f"{volume.name}: {volume.path} ({_VOLUME.get(volume.kind, volume.kind)})"
            for volume in host.volumes
        ),
        paths=host.paths,
        ports=host.door_tcp,
        facts=host.facts,
    )
