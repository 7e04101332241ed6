"""What a fleet or a facility declares to hold before a change: unknown is a refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path

import pytest

from orchestrator.fleet.gates_model import BackupGate, ChecklistItem, GateSettings
from orchestrator.plan import gates_declared as declared
from orchestrator.plan.gates import Backup, Prospect
from orchestrator.plan.prospect import prospect
from orchestrator.survey.model import ClockSurvey, HoldSurvey, TrafficSurvey
from tests.builders import NOW, a_fleet, a_host_survey


@pytest.fixture
def host(tmp_path: Path) -> Prospect:
    return prospect(
        a_fleet(tmp_path), "hospital-a", "pacs-a",
        to_release="1.12.7", survey=a_host_survey(), artifacts={}, now=NOW,
    )  # fmt: skip


def told(host: Prospect) -> list[str]:
    return [because for rule in declared.RULES for _, because, _ in rule(host)]


def found(host: Prospect, **survey: object) -> Prospect:
    return replace(host, survey=host.survey.model_copy(update=survey))


def test_where_nothing_is_declared_and_the_clock_is_right_nothing_is_refused(
    host: Prospect,
) -> None:
    assert told(host) == []


@pytest.mark.parametrize(
    ("clock", "refused"),
    [
        (ClockSurvey(offset=4.0, give_or_take=0.5), ""),
        (ClockSurvey(offset=7.0, give_or_take=0.5), "7 s ahead of"),
        (ClockSurvey(offset=-86400.0, give_or_take=0.5), "24 h behind"),
        (ClockSurvey(offset=0.0, give_or_take=9.0), "cannot be known"),
        (None, "could not be read"),
    ],
)
def test_a_clock_that_is_not_known_to_be_right_refuses(
    host: Prospect, clock: ClockSurvey | None, refused: str
) -> None:
    assert [refused in one for one in told(found(host, clock=clock))] == [True] * bool(refused)


@pytest.mark.parametrize(
    ("traffic", "refused"),
    [
        (TrafficSurvey(peers=(), received_ago=600.0), []),
        (TrafficSurvey(peers=("10.0.0.9",), received_ago=600.0), ["connected now: 10.0.0.9"]),
        (TrafficSurvey(peers=(), received_ago=30.0), ["an object came 30 s ago"]),
        (TrafficSurvey(peers=(), received_ago=None), ["is not known"]),
        (None, ["is not known"]),
    ],
)
def test_a_hospital_at_work_is_left_alone_where_quiet_is_declared(
    host: Prospect, traffic: TrafficSurvey | None, refused: list[str]
) -> None:
    quiet = replace(host, settings=GateSettings(quiet_minutes=5))
    said = told(found(quiet, traffic=traffic))
    assert len(said) == len(refused)
    assert all(part in one for part, one in zip(refused, said, strict=True))
    assert told(found(host, traffic=traffic)) == []


def test_the_facilitys_own_hold_refuses_with_its_reason(host: Prospect) -> None:
    hold = HoldSurvey(because="trauma night", since=NOW, by="radiology")
    (said,) = told(found(host, hold=hold))
    assert '"trauma night" (file of radiology)' in said


GATE = BackupGate(stamp="stamps/{host}.json", max_age_hours=24)


@pytest.mark.parametrize(
    ("backup", "refused"),
    [
        (Backup(taken_at=NOW - timedelta(hours=23)), ""),
        (Backup(taken_at=NOW - timedelta(hours=25)), "25 h old; at most 24 h"),
        (Backup(taken_at=NOW + timedelta(hours=1)), "a time to come"),
        (Backup(problem="x.tar: No such file or directory"), "no backup that can be read"),
        (None, "nobody looked"),
    ],
)
def test_a_backup_that_is_declared_must_be_there_and_young(
    host: Prospect, backup: Backup | None, refused: str
) -> None:
    gated = replace(host, settings=GateSettings(backup=GATE), backup=backup)
    assert [refused in one for one in told(gated)] == [True] * bool(refused)


@pytest.mark.parametrize(
    ("confirmed", "refused"),
    [
        ({}, "nobody confirmed antivirus"),
        ({"antivirus": NOW.astimezone(UTC).date()}, ""),
        ({"antivirus": date(2026, 1, 1)}, "holds 30 days"),
        ({"antivirus": date(2027, 1, 1)}, "a day to come"),
    ],
)
def test_a_checklist_is_confirmed_and_still_holds(
    host: Prospect, confirmed: dict[str, date], refused: str
) -> None:
    item = ChecklistItem(asks="Is /data/live excluded from scanning?", valid_days=30)
    settings = GateSettings(checklists={"orthanc": {"antivirus": item}})
    said = told(replace(host, settings=settings, confirmed=confirmed))
    assert [refused in one for one in said] == [True] * bool(refused)
