"""A plan as it is shown: grouped, within the width, nothing secret, what it is known from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.plan.compare import compare
from orchestrator.plan.compare import lines as difference_lines
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import ChangeSet, FileDifference, HostChange, Plan, Prediction
from orchestrator.plan.outage import Measured, Measurements
from orchestrator.plan.preview import changes, preview
from orchestrator.plan.preview_lines import WIDTH, lines, outage
from orchestrator.report.plan_html import to_html
from orchestrator.survey.model import SpaceSurvey
from orchestrator.wiring.preview import prediction
from tests.builders import NOW, a_facility_survey, a_fleet, a_host_survey

RENAMED = FileDifference(
    path="/etc/orthanc/orthanc.json", text='--- a\n+++ b\n@@ -1 +1 @@\n-Name = "A"\n+Name = "B"'
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """One host to change, for which check mode predicted a new name."""
    return make_plan(
        a_fleet(tmp_path),
        {"hospital-a": a_facility_survey(a_host_survey())},
        now=NOW,
        depot={"orthanc-1.12.7.tar.gz": "good"},
        predictions={"pacs-a": Prediction(differences=(RENAMED,))},
    )


def many(plan: Plan, count: int, **odd: object) -> Plan:
    """The same change at many hospitals; the last one's host has ``odd`` values."""
    first = plan.change_sets[0]
    sets = [
        ChangeSet(
            id=f"hospital-{n}-00000000",
            facility=f"hospital-{n}",
            hosts=(
                first.anchor.model_copy(
                    update={"host": f"pacs-{n}", "address": f"10.0.{n // 250}.{n % 250}"}
                    | (odd if n == count - 1 else {})
                ),
            ),
            verify=first.verify,
        )
        for n in range(count)
    ]
    return plan.model_copy(update={"change_sets": tuple(sets)})


def test_nine_thousand_equal_hosts_are_one_group_that_fits_a_screen(plan: Plan) -> None:
    shown = list(lines(preview(many(plan, 9000))))
    assert len(shown) < 40
    assert max(map(len, shown)) <= WIDTH
    assert any("9000 hosts: hospital-0/pacs-0" in line for line in shown)


def test_a_host_with_another_prediction_is_told_apart_in_its_group(plan: Plan) -> None:
    odd = many(plan, 5, prediction=Prediction())
    (group,) = preview(odd).groups
    assert [len(variant.hosts) for variant in group.variants] == [4, 1]
    told = list(lines(preview(odd)))
    assert "    at hospital-4/pacs-4" in told
    assert "      no file of the configuration becomes another" in told


def test_a_host_to_which_something_else_is_done_is_a_group_of_its_own(plan: Plan) -> None:
    assert [len(one.hosts) for one in preview(many(plan, 5, to_release="1.13.0")).groups] == [4, 1]


def test_hundreds_of_kinds_of_predictions_are_counted(plan: Plan) -> None:
    change_sets = tuple(
        one.model_copy(
            update={
                "hosts": (
                    one.anchor.model_copy(
                        update={
                            "prediction": Prediction(
                                differences=(FileDifference(path="/etc/x", text=f"+Age = {n}"),)
                            )
                        }
                    ),
                )
            }
        )
        for n, one in enumerate(many(plan, 300).change_sets)
    )
    told = list(lines(preview(plan.model_copy(update={"change_sets": change_sets}))))
    assert len(told) < 60
    assert "    … 292 more kinds, at 292 hosts: the page, or --json" in told


def test_a_setting_that_moves_is_one_line() -> None:
    diff = "--- a\n+++ b\n@@ -1 +1 @@\n-A = 1\n-Old = 2\n unchanged = 3\n+A = 2\n+New = 4\n+text"
    assert changes(diff) == ("- Old = 2", "~ A = 1 → 2", "+ New = 4", "+ text")


def test_lines_of_one_name_that_are_several_stay_apart() -> None:
    assert changes("-A = 1\n-A = 2\n+A = 3") == ("- A = 1", "- A = 2", "+ A = 3")


def test_a_host_whose_own_name_alone_differs_is_no_other_group(plan: Plan) -> None:
    own = FileDifference(path="/etc/x", text="-Host = pacs-4\n+Host = pacs-4.local")
    like = FileDifference(path="/etc/x", text="-Host = pacs-0\n+Host = pacs-0.local")
    change_sets = [
        change_set.model_copy(
            update={
                "hosts": (
                    change_set.anchor.model_copy(
                        update={"prediction": Prediction(differences=(difference,))}
                    ),
                )
            }
        )
        for change_set, difference in zip(many(plan, 5).change_sets[::4], (like, own), strict=True)
    ]
    both = plan.model_copy(update={"change_sets": tuple(change_sets)})
    assert len(preview(both).groups[0].variants) == 1


def test_what_check_mode_was_not_asked_is_unknown_and_not_no_difference(plan: Plan) -> None:
    unasked = many(plan, 1, prediction=None)
    text = "\n".join(lines(preview(unasked)))
    assert "no file of the configuration becomes another" not in text
    assert "check mode was not asked" in text


def test_a_host_whose_staging_would_fail_is_refused(tmp_path: Path) -> None:
    made = make_plan(
        a_fleet(tmp_path),
        {"hospital-a": a_facility_survey(a_host_survey())},
        now=NOW,
        depot={"orthanc-1.12.7.tar.gz": "good"},
        predictions={"pacs-a": Prediction(failure="unreachable: no route")},
    )
    assert not made.change_sets
    assert [(one.gate, "no route" in one.because) for one in made.refusals] == [
        ("prediction", True)
    ]


def test_the_prediction_is_part_of_what_is_frozen(plan: Plan) -> None:
    other = many(plan, 1, prediction=Prediction())
    same = many(plan, 1)
    assert other.computed_digest() != same.computed_digest()


@pytest.mark.parametrize(("free", "gates"), [(1 << 20, ["free-space"]), (4 << 30, [])])
def test_too_little_room_for_the_release_is_refused(
    tmp_path: Path, free: int, gates: list[str]
) -> None:
    space = tuple(SpaceSurvey(path=p, free=free) for p in ("/opt/orthanc",))
    made = make_plan(
        a_fleet(tmp_path),
        {"hospital-a": a_facility_survey(a_host_survey().model_copy(update={"space": space}))},
        now=NOW,
        depot={"orthanc-1.12.7.tar.gz": "good"},
        unpacked={"orthanc-1.12.7.tar.gz": 100 << 20},
    )
    assert [one.gate for one in made.refusals] == gates


def measured(host: str, *, hop: tuple[str, str] = ("1.10.1", "1.12.7"), seconds: float) -> Measured:
    return Measured(
        facility=host.replace("pacs", "hospital"),
        host=host,
        product="orthanc",
        way=" → ".join(hop),
        day="2026-11-01",
        seconds=seconds,
    )


@pytest.mark.parametrize(
    ("known", "seconds", "source"),
    [
        ((), None, "nothing like it was measured yet"),
        ((measured("pacs-b", seconds=9),), 9, "this hop at other hosts, median of 1"),
        (
            (measured("pacs-a", seconds=8), measured("pacs-b", seconds=30)),
            8,
            "this hop here on 2026-11-01",
        ),
        (
            (measured("pacs-a", hop=("1.9.0", "1.10.1"), seconds=7),),
            7,
            "1.9.0 → 1.10.1 here on 2026-11-01, another hop",
        ),
    ],
)
def test_the_nearest_measured_outage_is_expected(
    plan: Plan, known: tuple[Measured, ...], seconds: float | None, source: str
) -> None:
    host: HostChange = plan.change_sets[0].anchor
    found = Measurements(known).expected(host, "hospital-a")
    assert (found.seconds, found.source) == (seconds, source)


def test_a_measured_outage_is_told_in_the_plan_and_moves_nothing_of_what_is_run(
    tmp_path: Path,
) -> None:
    told = [
        make_plan(
            a_fleet(tmp_path),
            {"hospital-a": a_facility_survey(a_host_survey())},
            now=NOW,
            depot={"orthanc-1.12.7.tar.gz": "good"},
            measured=known,
        )
        for known in ((), (measured("pacs-a", seconds=8),))
    ]
    seconds = [one.change_sets[0].anchor.outage for one in told]
    assert [each and each.seconds for each in seconds] == [None, 8]
    assert (told[0].digest, told[0].change_sets[0].id) == (
        told[1].digest,
        told[1].change_sets[0].id,
    )


def test_a_group_says_at_how_many_hosts_its_outage_was_measured(plan: Plan) -> None:
    known = Measurements((measured("pacs-0", seconds=8), measured("pacs-9", seconds=20)))
    change_sets = [
        one.model_copy(
            update={
                "hosts": (
                    one.anchor.model_copy(
                        update={"outage": known.expected(one.anchor, one.facility)}
                    ),
                )
            }
        )
        for one in many(plan, 3).change_sets
    ]
    shown = preview(plan.model_copy(update={"change_sets": tuple(change_sets)}))
    assert outage(shown.groups[0].hosts).startswith(
        "about 8 s to 14 s (at 1 this hop was measured there; at 2 it was at other hosts);"
    )


def test_two_plans_differ_in_what_is_predicted(plan: Plan) -> None:
    old, new = many(plan, 1, prediction=Prediction()), many(plan, 1)
    told = list(difference_lines(compare(old, new)))
    assert '    /etc/orthanc/orthanc.json, predicted now: +Name = "B"' in told
    assert not compare(old, old).told


def test_two_plans_differ_in_hosts_and_releases(plan: Plan) -> None:
    found = compare(many(plan, 2), many(plan, 3, to_release="1.13.0"))
    assert (found.added, found.gone) == (("hospital-2/pacs-2",), ())
    found = compare(many(plan, 3), many(plan, 3, to_release="1.13.0"))
    assert [host.told for host in found.changed] == [("to_release: 1.12.7 → 1.13.0",)]


def test_two_plans_differ_in_the_outage_that_is_expected(plan: Plan) -> None:
    slower = Measurements((measured("pacs-0", seconds=8),))
    before = many(plan, 1)
    host = before.change_sets[0].anchor
    after = many(plan, 1, outage=slower.expected(host, "hospital-0"))
    (told,) = compare(before, after).changed[0].told
    assert told == "outage: not known → about 8 s (this hop here on 2026-11-01)"


def test_what_differs_at_many_hosts_alike_is_told_once(plan: Plan) -> None:
    old = many(plan, 300)
    new = plan.model_copy(
        update={
            "change_sets": tuple(
                one.model_copy(
                    update={"hosts": (one.anchor.model_copy(update={"to_release": "1.13.0"}),)}
                )
                for one in old.change_sets
            )
        }
    )
    shown = list(difference_lines(compare(old, new)))
    assert len(shown) < 8
    assert max(map(len, shown)) <= WIDTH
    assert "    to_release: 1.12.7 → 1.13.0" in shown


def test_hosts_that_came_and_went_are_counted_where_they_are_many(plan: Plan) -> None:
    shown = list(difference_lines(compare(many(plan, 1), many(plan, 300))))
    assert len(shown) < 8
    assert any("and 287 more" in line for line in shown)


def test_equal_plans_have_no_difference(plan: Plan) -> None:
    assert compare(plan, plan).is_nothing


def test_the_page_of_nine_thousand_hosts_names_each_and_is_no_table_of_all(plan: Plan) -> None:
    fleet = many(plan, 9000)
    page = to_html(fleet, preview(fleet))
    assert "<strong>hospital-8999</strong> pacs-8999" in page
    assert len(page) < 1 << 20


def test_the_page_escapes_what_comes_from_outside(plan: Plan) -> None:
    bad = FileDifference(path="/etc/x", text="+<script>alert(1)</script>")
    spoiled = many(plan, 2, prediction=Prediction(differences=(bad,)))
    page = to_html(spoiled, preview(spoiled))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_what_is_laid_down_beside_the_product_is_no_news(outcome_differences: list[str]) -> None:
    assert outcome_differences == ["/etc/orthanc/orthanc.json"]


@pytest.fixture
def outcome_differences() -> list[str]:
    from orchestrator.adapters.ansible import Difference, HostOutcome

    paths = ("/var/lib/wardship/changes/x", "/opt/orthanc/1.12.7", "/etc/orthanc/orthanc.json")
    outcome = HostOutcome(
        host="pacs-a",
        status="done",
        differences=tuple(Difference(path=path, text="+x") for path in paths),
    )
    return [one.path for one in prediction(outcome, "/opt/orthanc").differences]
