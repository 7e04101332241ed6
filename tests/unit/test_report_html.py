"""The page itself: one file, nothing loaded, everything escaped, times in two zones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from orchestrator.report.build import build
from orchestrator.report.html import bar, duration, host_lines, size, summary_line, to_html
from orchestrator.report.model import Activity, Stretch
from orchestrator.rollout.model import Record, State
from tests import builders_report as build_a
from tests.builders_report import Story
from tests.builders_report_documents import BEGAN, HOST, documents, result

Ended = Callable[[], tuple[Record, dict[str, str]]]
ALL: list[Ended] = [build_a.committed, build_a.restored, build_a.needs_hands, build_a.not_started]
VOID = {"meta", "br"}


class _Reader(HTMLParser):
    """Requires that every tag is closed, in order; keeps attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def _text(page: str) -> str:
    return " ".join(" ".join(_read(page).text).split())


@pytest.mark.parametrize("ended", ALL)
def test_the_page_loads_and_runs_nothing(ended: Ended) -> None:
    page = to_html(build(*ended()))
    reader = _read(page)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(reader.tags)
    assert not {"src", "href", "action", "onclick"} & {name for name, _ in reader.attributes}
    assert not re.search(r"https?:|@import|url\(", page)


def test_what_comes_from_outside_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    record = Story().fails(State.STAGING, 1, evil).record(State.NOT_STARTED, cause=evil)
    bad = {"disk-free": result("disk-free", "failed", evil, evil)}
    page = to_html(build(record, documents("baseline", baseline=bad), title=evil))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_times_are_told_in_the_facilitys_zone_and_in_utc() -> None:
    text = _text(to_html(build(*build_a.restored(), timezone="Africa/Mbabane")))
    assert "2026-11-22 · times are Africa/Mbabane (UTC+02:00) and UTC" in text
    assert "00:30:51 \u2013 00:31:20 22:30:51 \u2013 22:31:20 UTC" in text


def test_the_cause_stands_before_everything_but_the_verdict() -> None:
    text = _text(to_html(build(*build_a.restored())))
    places = [
        text.index(part)
        for part in ("Put back as it was", "because the check census-product", "Clinic out 30 s")
    ]
    assert places == sorted(places)


def test_a_running_outage_is_said_to_run() -> None:
    text = _text(to_html(build(*build_a.needs_hands())))
    assert "2 min 20 s so far" in text
    assert "The door is not proved open." in text


def test_an_unfinished_change_can_be_reported() -> None:
    record = build_a.applied().is_cut_off(State.VERIFYING, 3).record(State.VERIFYING)
    text = _text(to_html(build(record, documents("baseline"))))
    assert "Not finished: verifying" in text
    assert "the journal knows no end of it" in text


def test_a_change_that_has_not_begun_can_be_reported() -> None:
    assert "Not finished: staging" in _text(to_html(build(Story().record(State.STAGING), {})))


def test_gaps_are_shown_before_any_figure() -> None:
    record, _ = build_a.committed()
    text = _text(to_html(build(record, {})))
    assert text.index("Missing from the record") < text.index("Clinic out")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (0.44, "0.4 s"), (9.97, "10 s"), (59.6, "1 min 00 s"), (900, "15 min"),
     (187, "3 min 07 s"), (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_sizes_in_decimal_units() -> None:
    assert [size(999), size(96_401_233), size(5 * 10**13)] == ["999 B", "96.4 MB", "50.0 TB"]


def test_a_bar_is_seen_however_short_its_step() -> None:
    step = Activity(
        state="opening", label="", started_at=BEGAN, ended_at=BEGAN, seconds=0.0, event="done"
    )
    stretch = Stretch(clinic="out", started_at=BEGAN, ended_at=BEGAN, activities=(step,))
    left, width = bar(stretch, step)
    assert width > 0
    assert left + width <= 100


def test_one_line_says_all_on_a_terminal() -> None:
    report = build(*build_a.restored())
    assert summary_line(report).startswith(
        "hospital-b: restored: orthanc 1.10.1 → 1.12.7; clinic out 30 s; checks 14 of 14 passed. "
        "hospital-b was put back as it was because the check census-product"
    )
    assert host_lines(report) == (
        f"{HOST}: orthanc 1.10.1 → 1.12.7; checks: before 13 of 13 passed, "
        "new release 11 of 14 passed, put back 14 of 14 passed",
    )


def test_what_was_sent_meanwhile_is_told_and_what_is_not_there_is_named() -> None:
    record, known = build_a.committed()
    evil = "2.25.1: <b>status</b> 0xa900"
    aside = [{"number": 7, "kind": "object", "source": "CT1", "because": evil}]
    said = {"parking": True, "parked": {"object": 46}, "set_aside_count": 1, "set_aside": aside}
    text = _text(to_html(build(record, known | {f"parked/{HOST}": json.dumps(said)})))
    assert "What was sent while the door was shut" in text
    assert "Parked on the host: 46 images." in text
    assert "does not take 1 parked items" in text
    assert evil in text  # as text
    assert "What was sent while" not in _text(to_html(build(record, known)))
    broken = build(record, known | {f"parked/{HOST}": "no json"})
    assert "what the host says was parked cannot be read" in _text(to_html(broken))
