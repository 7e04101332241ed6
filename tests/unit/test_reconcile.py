"""Two listings side by side: every difference is found, and only what is allowed is let pass."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orchestrator.errors import SurveyError
from orchestrator.report.reconciled_html import share, to_html
from orchestrator.survey.allowed import Allowed, read_allowed
from orchestrator.survey.listing import Entry, ListedSeries, ListedStudy, Listing
from orchestrator.survey.reconcile import Found
from orchestrator.survey.reconciled import Reconciled, reconcile
from tests.unit.test_listing import HEAD, record, study, written

BEFORE: tuple[Entry, ...] = (
    study("1.2", "1.2.1", "1.2.2"), study("1.3", "1.3.1"), record("7"), record("8")
)  # fmt: skip


def compared(
    directory: Path, after: tuple[Entry, ...], *, allowed: tuple[Allowed, ...] = ()
) -> tuple[Reconciled, list[Found]]:
    old, new = written(directory / "a", *BEFORE), written(directory / "b", *after)
    heard: list[Found] = []
    found = reconcile(old, new, allowed=allowed, hear=lambda one, _: heard.append(one))
    return found, heard


def with_series(**changes: object) -> tuple[Entry, ...]:
    first = BEFORE[0]
    assert isinstance(first, ListedStudy)
    series = first.series[0].model_copy(update=changes)
    return (first.model_copy(update={"series": (series,)}), *BEFORE[1:])


def with_study(**changes: object) -> tuple[Entry, ...]:
    return (BEFORE[0].model_copy(update=changes), *BEFORE[1:])


def test_the_same_is_whole(tmp_path: Path) -> None:
    found, heard = compared(tmp_path, BEFORE)
    assert found.is_whole
    assert heard == []
    assert share(found) == "100 %"


MORE = ListedSeries(uid="1.2.7", modality="CT", instances=("1.2.7.1", "1.2.7.2"))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE[1:], [Found("missing", "study", study="1.2", instances=2)]),
        (
            (*BEFORE[:2], study("1.4", "1.4.1"), *BEFORE[2:]),
            [Found("added", "study", study="1.4", instances=1)],
        ),
        (
            with_series(instances=("1.2.1",)),
            [Found("missing", "instance", "1.2", "1.2.1", "1.2.2", instances=1)],
        ),
        (
            with_series(instances=("1.2.1", "1.2.2", "1.2.3")),
            [Found("added", "instance", "1.2", "1.2.1", "1.2.3", instances=1)],
        ),
        (
            with_series(modality="MR"),
            [Found("changed", "series", "1.2", "1.2.1", field="Modality")],
        ),
        (with_study(series=()), [Found("missing", "series", "1.2", "1.2.1", instances=2)]),
        (with_study(patient="q"), [Found("changed", "study", "1.2", field="patient")]),
        (
            with_study(said={"StudyDate": "x"}),
            [Found("changed", "study", "1.2", field="StudyDate")],
        ),
        (BEFORE[:3], [Found("missing", "record", record="orders", key="8")]),
        (
            (*BEFORE[:3], record("8", "other")),
            [Found("changed", "record", record="orders", key="8")],
        ),
        ((*BEFORE, record("9")), [Found("added", "record", record="orders", key="9")]),
    ],
)
def test_a_difference_is_found(
    after: tuple[Entry, ...], expected: list[Found], tmp_path: Path
) -> None:
    found, heard = compared(tmp_path, after)
    assert heard == expected
    assert not found.is_whole
    assert sum(found.differences.values()) == 1


def test_an_object_that_holds_something_else_is_found_and_counted(tmp_path: Path) -> None:
    old = with_study(content={"1.2.1": ("h", "p"), "1.2.2": ("h", "p")})
    new = with_study(content={"1.2.1": ("h", "other")})
    heard: list[Found] = []
    found = reconcile(
        written(tmp_path / "a", *old), written(tmp_path / "b", *new), allowed=(),
        hear=lambda one, _: heard.append(one),
    )  # fmt: skip
    assert heard == [Found("changed", "instance", "1.2", instance="1.2.1", field="pixels")]
    assert found.contents == 1


def test_a_study_of_two_patients_is_compared_patient_by_patient(tmp_path: Path) -> None:
    both = (study("1.2", "1.2.1", patient="p"), study("1.2", "1.2.2", patient="q"))
    heard: list[Found] = []
    reconcile(
        written(tmp_path / "a", *both), written(tmp_path / "b", both[0]), allowed=(),
        hear=lambda one, _: heard.append(one),
    )  # fmt: skip
    assert heard == [Found("missing", "study", study="1.2", instances=1)]


def test_almost_all_is_never_told_as_all(tmp_path: Path) -> None:
    found, _ = compared(tmp_path, with_series(instances=("1.2.1",)))
    assert share(found) == "66.667 %"
    most = found.model_copy(
        update={"counts_before": found.counts_before.model_copy(update={"instances": 10**7})}
    )
    assert share(most) == "99.999 %"


def test_listings_under_different_keys_are_not_compared(tmp_path: Path) -> None:
    other = HEAD.model_copy(update={"key": "other"})
    old, new = written(tmp_path / "a"), written(tmp_path / "b", head=other)
    with pytest.raises(SurveyError, match="different keys"):
        reconcile(old, new, allowed=(), hear=lambda *_: None)


def test_a_listing_that_is_not_whole_gives_no_result(tmp_path: Path) -> None:
    written(tmp_path / "a", *BEFORE)
    new = written(tmp_path / "b", *BEFORE)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    (tmp_path / "a").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(SurveyError, match="no end"):
        reconcile(Listing(tmp_path / "a"), new, allowed=(), hear=lambda *_: None)


def test_what_is_allowed_is_counted_apart_and_an_idle_rule_is_told(tmp_path: Path) -> None:
    rules = (
        Allowed(what="missing", study="1.2", why="merged into another"),
        Allowed(what="missing", study="1.9", why="never was"),
    )
    found, heard = compared(tmp_path, BEFORE[1:], allowed=rules)
    assert len(heard) == 1
    assert found.is_whole
    assert found.allowed == {"study missing": 1}
    assert found.instances_missing == 2
    assert found.unused == ("never was",)


def test_a_rule_covers_no_more_than_it_says(tmp_path: Path) -> None:
    rule = Allowed(what="changed", field="StudyDate", why="the new archive rounds")
    found, _ = compared(
        tmp_path, with_study(said={"StudyDate": "x", "StudyID": "y"}), allowed=(rule,)
    )
    assert found.differences == {"study changed: StudyID": 1}
    assert found.allowed == {"study changed: StudyDate": 1}


ALLOW = """allow:
  - {what: added, why: "came after the first census"}
  - {what: missing, record: orders, key: "8", why: "a test order"}
"""


def test_the_rules_are_read(tmp_path: Path) -> None:
    (tmp_path / "allow.yml").write_text(ALLOW)
    rules = read_allowed(tmp_path / "allow.yml")
    assert [rule.key for rule in rules] == [None, "8"]


@pytest.mark.parametrize(
    "text",
    [
        "allow:\n  - {what: missing, why: all of it}\n",
        "allow:\n  - {what: missing, record: orders, why: all of them}\n",
        "allow:\n  - {what: missing, study: '1.2'}\n",
        "allow:\n  - {what: changed, field: pixels, why: all of them}\n",
        "allow:\n  - {what: changed, field: patient, why: all of them}\n",
        "allow:\n  - {what: missing, key: '8', why: of which kind}\n",
        "allow:\n  - {what: gone, study: '1.2', why: x}\n",
        "allow: []\n",
        "",
        "allow: [",
    ],
)
def test_what_would_allow_anything_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "allow.yml").write_text(text)
    with pytest.raises(SurveyError, match=r"allow\.yml"):
        read_allowed(tmp_path / "allow.yml")


def test_the_page_escapes_and_counts(tmp_path: Path) -> None:
    found, heard = compared(tmp_path, (*BEFORE[:2], study("1.<b>", "1"), *BEFORE[2:]))
    page = to_html(found, [(one, None) for one in heard])
    assert "1.&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<h1>1 difference</h1>" in page


def test_every_loss_in_random_archives_is_found(tmp_path: Path) -> None:
    drawn = random.Random(5)  # noqa: S311 - a test's
    old = [study(f"1.{n:03}", *(f"1.{n:03}.{i}" for i in range(1, 5))) for n in range(60)]
    new: list[Entry] = []
    lost: set[str] = set()
    for one in old:
        kept = [uid for uid in one.series[0].instances if drawn.random() < 0.9]
        if drawn.random() < 0.1:
            lost |= set(one.series[0].instances)
            continue
        lost |= set(one.series[0].instances) - set(kept)
        series = one.series[0].model_copy(update={"instances": tuple(kept)})
        new.append(one.model_copy(update={"series": (series,)}))
    found = reconcile(
        written(tmp_path / "a", *old), written(tmp_path / "b", *new), allowed=(),
        hear=lambda *_: None,
    )  # fmt: skip
    assert found.instances_missing == len(lost) > 0
