"""Several hops are one change set: planned, gated, shown and told to the host as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.depot import look_at_ordered
from orchestrator.adapters.orders import manifest, variables
from orchestrator.fleet.model import Fleet
from orchestrator.host import manifest as host_manifest
from orchestrator.plan.gates import ArtifactState, gates
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import Plan
from orchestrator.plan.outage import Measured
from orchestrator.plan.preview import preview
from orchestrator.plan.preview_lines import lines
from orchestrator.plan.prospect import prospect
from tests.builders import CATALOG, MANDATE, NOW, a_facility_survey, a_fleet, a_host_survey

TO_LAST = {"mandate.yml": MANDATE.replace("1.12.7", "1.13.0")}
REVERSIBLE = {"catalog.yml": CATALOG.replace("        irreversible: true\n", "")}
DEPOT: dict[str, ArtifactState] = {
    f"orthanc-{release}.tar.gz": "good" for release in ("1.12.7", "1.13.0")
}
SURVEYS = {"hospital-a": a_facility_survey(a_host_survey())}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return a_fleet(tmp_path, TO_LAST | REVERSIBLE)


def planned(fleet: Fleet, depot: dict[str, ArtifactState] | None = None) -> Plan:
    return make_plan(fleet, SURVEYS, now=NOW, depot=DEPOT if depot is None else depot)


def test_the_host_is_told_each_release_on_the_way(fleet: Fleet) -> None:
    (change_set,) = planned(fleet).change_sets
    (change,) = change_set.hosts
    assert change.way == "1.10.1 → 1.12.7 → 1.13.0"
    told = manifest(change_set, change)
    assert (told["from_release"], told["hops"], told["to_release"]) == (
        "1.10.1", ["1.12.7"], "1.13.0",
    )  # fmt: skip
    assert host_manifest.parse(told).hops == ("1.12.7",)


def test_each_is_staged_in_a_directory_of_its_own(fleet: Fleet) -> None:
    (change_set,) = planned(fleet).change_sets
    (change,) = change_set.hosts
    given = [
        variables(change_set, change, depot=Path("/d"), host_program=Path("/p"), hop=hop)
        for hop in (0, 1)
    ]
    here = f"/var/lib/wardship/changes/{change_set.id}"
    assert [one["wardship_change_dir"] for one in given] == [here, f"{here}/hops/1"]
    assert [one["wardship_to_release"] for one in given] == ["1.13.0", "1.12.7"]
    assert {str(one["wardship_from_release"]) for one in given} == {"1.10.1"}
    files = [one["wardship_artifact"] for one in given]
    assert [isinstance(one, dict) and one["file"] for one in files] == [
        "orthanc-1.13.0.tar.gz", "orthanc-1.12.7.tar.gz",
    ]  # fmt: skip


def test_the_preview_names_every_release(fleet: Fleet) -> None:
    text = "\n".join(lines(preview(planned(fleet))))
    assert "orthanc 1.10.1 → 1.12.7 → 1.13.0" in text
    assert "current to 1.12.7" in text
    assert "proved to have all that was counted and stopped" in " ".join(text.split())
    assert "current to 1.13.0" in text
    assert "at 1.12.7: check mode asks the last" in " ".join(text.split())


def test_apply_may_take_as_long_as_all_of_them(fleet: Fleet, tmp_path: Path) -> None:
    alone = make_plan(a_fleet(tmp_path / "alone"), SURVEYS, now=NOW, depot=DEPOT)
    (one,), (both,) = (plan.change_sets[0].hosts for plan in (alone, planned(fleet)))
    assert both.limits.apply == 2 * one.limits.apply + one.limits.quiesce
    assert both.limits.restore == one.limits.restore
    (alone_takes, takes) = (
        next(room.needed for room in each.room if room.what.startswith("artifact"))
        for each in (one, both)
    )
    assert alone_takes is not None
    assert takes == alone_takes + 6


def test_all_that_is_brought_is_looked_for(fleet: Fleet) -> None:
    assert look_at_ordered(fleet, SURVEYS) == DEPOT
    assert list(look_at_ordered(fleet, {})) == ["orthanc-1.13.0.tar.gz"]
    plan = planned(fleet, {"orthanc-1.13.0.tar.gz": "good", "orthanc-1.12.7.tar.gz": "differs"})
    (refusal,) = plan.refusals
    assert refusal.gate == "artifact"
    assert "orthanc-1.12.7.tar.gz" in refusal.because


def test_a_release_on_the_way_that_cannot_be_put_back_is_refused(tmp_path: Path) -> None:
    catalog = REVERSIBLE["catalog.yml"].replace(
        '        upgrades_from: ["1.10.1"]\n',
        '        upgrades_from: ["1.10.1"]\n        irreversible: true\n',
    )
    plan = planned(a_fleet(tmp_path, TO_LAST | {"catalog.yml": catalog}))
    (refusal,) = plan.refusals
    assert (refusal.gate, "1.12.7 cannot be put back" in refusal.because) == ("irreversible", True)


def test_a_catalog_that_goes_another_way_by_now_refuses_what_was_planned(
    fleet: Fleet, tmp_path: Path
) -> None:
    by_now = a_fleet(
        tmp_path / "by-now",
        TO_LAST
        | {"catalog.yml": REVERSIBLE["catalog.yml"].replace('["1.12.7"]', '["1.12.7", "1.10.1"]')},
    )

    def told(known: Fleet, *planned: str) -> list[str]:
        made = prospect(
            known, "hospital-a", "pacs-a", to_release="1.13.0", survey=a_host_survey(),
            artifacts=DEPOT, now=NOW, planned=planned,
        )  # fmt: skip
        return [refusal.because for refusal in gates(made)]

    another = "the catalog's way from 1.10.1 to 1.13.0 is another than when it was planned"
    assert told(fleet, "1.12.7") == []
    assert told(fleet) == [another]
    assert told(by_now, "1.12.7") == [another]
    assert told(by_now) == []


def test_what_one_hop_took_says_nothing_of_several(fleet: Fleet) -> None:
    known = Measured(
        facility="hospital-a", host="pacs-a", product="orthanc", way="1.10.1 → 1.13.0",
        day="2026-11-01", seconds=12.0,
    )  # fmt: skip
    both = known.model_copy(update={"way": "1.10.1 → 1.12.7 → 1.13.0", "seconds": 30.0})
    for measured, seconds in (((known,), None), ((known, both), 30.0)):
        plan = make_plan(fleet, SURVEYS, now=NOW, depot=DEPOT, measured=measured)
        outage = plan.change_sets[0].hosts[0].outage
        assert outage
        assert outage.seconds == seconds
