"""A change as bars in a terminal: what was done when, and when the clinic was out."""

from __future__ import annotations

import pytest

from orchestrator.report import gantt
from orchestrator.report.build import build
from orchestrator.report.model import Report
from tests import builders_report as build_a

WITH_TIME = [build_a.committed, build_a.restored, build_a.needs_hands, build_a.not_started]


def shown(report: Report) -> list[str]:
    return list(gantt.lines(report))


@pytest.mark.parametrize("ended", WITH_TIME)
def test_every_step_has_a_bar_that_fits(ended: object) -> None:
    report = build(*ended())  # type: ignore[operator]
    drawn = shown(report)
    steps = [step for stretch in report.stretches for step in stretch.activities]
    bars = [line for line in drawn if gantt.OUT in line or gantt.WORKING in line]
    assert len(bars) == len(steps) > 0
    assert max(map(len, drawn)) <= 100


def test_a_bar_is_full_only_where_the_clinic_was_out() -> None:
    drawn = shown(build(*build_a.committed()))
    out = [line.split()[1] for line in drawn if gantt.OUT in line]
    assert out == ["quiescing", "snapshotting", "applying", "verifying", "committing", "opening"]
    assert sum("clinic OUT" in line for line in drawn) == 1


def test_bars_follow_one_another() -> None:
    drawn = [line for line in shown(build(*build_a.committed())) if gantt.OUT in line]
    begins = [line.index(gantt.OUT) for line in drawn]
    assert begins == sorted(begins)


def test_a_change_that_was_put_back_says_what_its_reserve_was_used_for() -> None:
    assert shown(build(*build_a.restored()))[-1].endswith(" used")
    assert shown(build(*build_a.committed()))[-1].endswith("none of it used")


def test_hosts_of_a_set_say_each_how_long_they_took() -> None:
    report = build(*build_a.committed())
    both = {"pacs-b": 1.0, "ris-b": 2.5}
    stretches = tuple(
        stretch.model_copy(
            update={
                "activities": tuple(
                    step.model_copy(update={"host_seconds": both}) for step in stretch.activities
                )
            }
        )
        for stretch in report.stretches
    )
    told = shown(report.model_copy(update={"stretches": stretches}))
    assert any(line.endswith("pacs-b 1.0 s, ris-b 2.5 s") for line in told)
