"""Hosts that need one another change as one set, and only to what fits together."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.model import Fleet
from orchestrator.fleet.needs import fits, is_range
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.outage import Measured
from orchestrator.plan.preview import preview
from orchestrator.plan.preview_lines import lines
from orchestrator.report.plan_html import to_html
from tests.builders import (
    CATALOG,
    NOW,
    a_facility_survey,
    a_fleet,
    a_host_survey,
    facility_yaml,
)

RIS = """\
  ris:
    role: orthanc
    releases:
      "4.4.1":
        artifact: {file: orthanc-1.10.1.tar.gz, sha256: "%(1.10.1)s", size: 6}
      "5.0.6":
        upgrades_from: ["4.4.1"]
        needs: {orthanc: ">=1.12"}
        artifact: {file: orthanc-1.12.7.tar.gz, sha256: "%(1.12.7)s", size: 6}
""" % {name: hashlib.sha256(name.encode()).hexdigest() for name in ("1.10.1", "1.12.7")}
ORDER = '  - {product: %s, release: "%s", facilities: all}\n'
DEPOT = {"orthanc-1.12.7.tar.gz": "good"}


def a_department(
    directory: Path,
    *,
    pacs: str | None = "1.12.7",
    ris: str | None = "5.0.6",
    catalog: str = RIS,
    address: str = "10.77.0.21",
) -> Fleet:
    """A hospital with a RIS, declared before its PACS; what is ordered of each."""
    host = facility_yaml("a", number=21).partition("hosts:\n")[2].replace("HOSPITALA", "RISA")
    first = host.replace("pacs-a", "ris-a").replace("product: orthanc", "product: ris")
    first = first.replace("10.77.0.21", address)
    hospital = facility_yaml("a", number=11).replace("hosts:\n", f"hosts:\n{first}")
    orders = [("orthanc", pacs), ("ris", ris)]
    listed = "".join(ORDER % (name, release) for name, release in orders if release)
    files = {
        "facilities/hospital-a.yml": hospital,
        "catalog.yml": CATALOG + catalog,
        "mandate.yml": f"mandate: a department\norders:\n{listed}",
    }
    return a_fleet(directory, files)


def planned(
    fleet: Fleet, *, pacs: str = "1.10.1", ris: str = "4.4.1", measured: tuple[Measured, ...] = ()
) -> Plan:
    hosts = (
        a_host_survey("pacs-a", release=pacs),
        a_host_survey("ris-a", release=ris).model_copy(update={"product": "ris"}),
    )
    surveys = {"hospital-a": a_facility_survey(*hosts)}
    return make_plan(fleet, surveys, now=NOW, depot=DEPOT, measured=measured)  # type: ignore[arg-type]


def names(plan: Plan) -> list[list[str]]:
    return [[host.host for host in one.hosts] for one in plan.change_sets]


def test_what_needs_the_other_changes_with_it_and_after_it(tmp_path: Path) -> None:
    plan = planned(a_department(tmp_path))
    assert plan.refusals == ()
    assert names(plan) == [["pacs-a", "ris-a"]]
    (change_set,) = plan.change_sets
    assert change_set.anchor.host == "pacs-a"
    assert [one.host for one in change_set.members] == ["ris-a"]


def test_what_was_needed_before_the_change_joins_too(tmp_path: Path) -> None:
    needed_before = RIS.replace(
        '"4.4.1":\n', '"4.4.1":\n        needs: {orthanc: ">=1.10"}\n'
    ).replace('        needs: {orthanc: ">=1.12"}\n', "")
    assert names(planned(a_department(tmp_path, catalog=needed_before))) == [["pacs-a", "ris-a"]]


def test_hosts_that_need_nothing_of_one_another_change_each_by_itself(tmp_path: Path) -> None:
    free = RIS.replace('        needs: {orthanc: ">=1.12"}\n', "")
    assert names(planned(a_department(tmp_path, catalog=free))) == [["ris-a"], ["pacs-a"]]


def test_a_host_whose_need_is_there_already_changes_alone(tmp_path: Path) -> None:
    plan = planned(a_department(tmp_path), pacs="1.12.7")
    assert names(plan) == [["ris-a"]]
    assert plan.refusals == ()


def test_what_a_release_on_the_way_needs_is_asked_too(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"1.12.7").hexdigest()
    on_the_way = RIS.replace(
        '      "5.0.6":\n        upgrades_from: ["4.4.1"]\n        needs: {orthanc: ">=1.12"}\n',
        '      "5.0.0":\n        upgrades_from: ["4.4.1"]\n        needs: {orthanc: ">=1.12"}\n'
        f"        artifact: {{file: orthanc-1.12.7.tar.gz, sha256: {sha256}, size: 6}}\n"
        '      "5.0.6":\n        upgrades_from: ["5.0.0"]\n',
    )
    alone = planned(a_department(tmp_path / "alone", pacs=None, catalog=on_the_way))
    (refusal,) = alone.refusals
    assert refusal.because == "ris 5.0.0 needs orthanc >=1.12, pacs-a will have 1.10.1"
    both = planned(a_department(tmp_path / "both", catalog=on_the_way))
    assert names(both) == [["pacs-a", "ris-a"]]


@pytest.mark.parametrize("order", [None, "1.10.1"])
def test_a_release_without_what_it_needs_is_refused(tmp_path: Path, order: str | None) -> None:
    plan = planned(a_department(tmp_path, pacs=order))
    assert plan.change_sets == ()
    (refusal,) = plan.refusals
    assert (refusal.gate, refusal.host) == ("needs", "ris-a")
    assert refusal.because == "ris 5.0.6 needs orthanc >=1.12, pacs-a will have 1.10.1"


def test_a_host_that_does_not_change_may_refuse_what_another_becomes(tmp_path: Path) -> None:
    stays = RIS.replace(">=1.12", "<1.12")
    plan = planned(a_department(tmp_path, ris=None, catalog=stays), ris="5.0.6")
    (refusal,) = plan.refusals
    assert refusal.because == "ris 5.0.6 needs orthanc <1.12, pacs-a will have 1.12.7"


def test_a_release_that_the_catalog_does_not_list_may_need_anything(tmp_path: Path) -> None:
    (refusal,) = planned(a_department(tmp_path, ris=None), ris="4.9").refusals
    assert refusal.because == "what ris 4.9 needs is not known: the catalog does not list it"


def test_hosts_that_ask_one_another_are_declared_by_address(tmp_path: Path) -> None:
    with pytest.raises(FleetError) as caught:
        a_department(tmp_path, address="ris.hospital-a.invalid")
    assert "expected its IPv4 address" in str(caught.value.problems)


def test_each_door_of_a_set_is_shut_as_long_as_all_of_them_take(tmp_path: Path) -> None:
    hop = Measured(
        facility="hospital-a", host="pacs-a", product="orthanc",
        way="1.10.1 → 1.12.7", day="2026-11-20", seconds=12.0,
    )  # fmt: skip
    ris = hop.model_copy(update={"host": "ris-a", "product": "ris", "way": "4.4.1 → 5.0.6"})
    fleet = a_department(tmp_path)
    both = planned(fleet, measured=(hop, ris.model_copy(update={"seconds": 80.0})))
    told = [host.outage for host in both.change_sets[0].hosts]
    assert [one and one.seconds for one in told] == [92.0, 92.0]
    half = planned(fleet, measured=(hop,))
    assert [one.outage and one.outage.seconds for one in half.change_sets[0].hosts] == [None, None]


def test_a_preview_names_who_changes_together(tmp_path: Path) -> None:
    shown = "\n".join(lines(preview(planned(a_department(tmp_path)))))
    assert "one set with hospital-a/ris-a" in shown
    assert "one set with hospital-a/pacs-a" in shown
    plan = planned(a_department(tmp_path / "page"))
    page = to_html(plan, preview(plan))
    assert "<p>One set with hospital-a/ris-a: all commit, or all are put back</p>" in page


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ('{orthanc: "about 1.12"}', "is no range of releases, expected one such as >=1.12"),
        ('{orthanc: ""}', "is no range of releases"),
        ('{pax: ">=1.12"}', "no other product pax in the catalog, expected one of orthanc"),
        ('{ris: ">=1.12"}', "no other product ris in the catalog, expected one of orthanc"),
    ],
)
def test_a_need_that_means_nothing_is_a_problem(tmp_path: Path, needs: str, told: str) -> None:
    with pytest.raises(FleetError) as caught:
        a_department(tmp_path, catalog=RIS.replace('{orthanc: ">=1.12"}', needs))
    assert told in str(caught.value.problems)


def test_products_that_need_each_other_could_not_change(tmp_path: Path) -> None:
    circle = CATALOG.replace('"1.12.7":\n', '"1.12.7":\n        needs: {ris: ">=5"}\n')
    with pytest.raises(FleetError) as caught:
        a_fleet(tmp_path, {"catalog.yml": circle + RIS})
    assert "orthanc needs what needs orthanc" in str(caught.value.problems)


def test_a_port_is_not_both_a_products_and_the_anchors(tmp_path: Path) -> None:
    settings = "fleet: test\nssh: {user: root, key: id_ed25519}\nanchor_port: 8042\n"
    with pytest.raises(FleetError) as caught:
        a_fleet(tmp_path, {"fleet.yml": settings})
    assert "port 8042 is the fleet's anchor_port" in str(caught.value.problems)


@pytest.mark.parametrize(
    ("release", "which", "is_in"),
    [
        ("1.12.7", ">=1.12", True),
        ("1.10.1", ">=1.12", False),
        ("1.13.0", ">=1.12,<1.13", False),
        ("21.1.1+dfsg-2", ">=21", True),
        ("21.1~what", ">=21", False),
        ("", ">=0", False),
    ],
)
def test_what_cannot_be_compared_does_not_fit(release: str, which: str, is_in: bool) -> None:
    assert fits(release, which) is is_in


def test_a_range_is_one() -> None:
    assert is_range(">=1.12,<2")
    assert not is_range("1.12")
