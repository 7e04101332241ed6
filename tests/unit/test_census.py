"""The difference between two censuses: everything that is lost, and nothing else, is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.survey.census import Census, difference

Raw = dict[str, Any]


def raw() -> Raw:
    """Two studies: a CT of two series and three objects, and an MR of one object."""

    def instance(uid: str) -> Raw:
        return {"uid": uid, "file": f"orthanc/{uid}", "size": 100, "md5": f"hash-{uid}"}

    def series(uid: str, modality: str, *instances: str) -> Raw:
        return {"uid": uid, "modality": modality, "instances": [instance(i) for i in instances]}

    return {
        "schema": 1,
        "product": "orthanc",
        "patients": 2,
        "studies": [
            {
                "uid": "1",
                "series": [series("1.1", "CT", "1.1.1", "1.1.2"), series("1.2", "CT", "1.2.1")],
            },
            {"uid": "2", "series": [series("2.1", "MR", "2.1.1")]},
        ],
        "records": {"patients": {"1": "a"}, "orders": {"7": "c"}},
    }


def changed(change: Callable[[Raw], object]) -> Census:
    made = raw()
    change(made)
    return Census.model_validate(made)


BEFORE = Census.model_validate(raw())


def first(made: Raw) -> Raw:
    """The first object."""
    found: Raw = made["studies"][0]["series"][0]["instances"][0]
    return found


def test_the_same_is_equal() -> None:
    same = difference(BEFORE, Census.model_validate(raw()))
    assert same.equal
    assert not same.lost
    assert same.told() == ()
    assert same.modalities_before == same.modalities_after == {"CT": 3, "MR": 1}


@pytest.mark.parametrize(
    ("change", "field", "uids"),
    [
        (lambda m: m["studies"].pop(1), "studies_missing", ("2",)),
        (lambda m: m["studies"][0]["series"].pop(1), "series_missing", ("1.2",)),
        (
            lambda m: m["studies"][0]["series"][0]["instances"].pop(0),
            "instances_missing",
            ("1.1.1",),
        ),
        (lambda m: first(m).update(size=99), "instances_changed", ("1.1.1",)),
        (lambda m: first(m).update(md5="other"), "instances_changed", ("1.1.1",)),
        (lambda m: first(m).update(md5=None), "instances_changed", ("1.1.1",)),
        (lambda m: m["studies"][0]["series"][0].update(modality="PT"), "series_changed", ("1.1",)),
        (lambda m: m["studies"].clear(), "studies_missing", ("1", "2")),
        (lambda m: m["records"]["orders"].pop("7"), "records_missing", ("orders 7",)),
        (lambda m: m["records"]["patients"].update({"1": "b"}), "records_changed", ("patients 1",)),
        (lambda m: m["records"].clear(), "records_missing", ("orders 7", "patients 1")),
    ],
)
def test_what_is_lost_is_named(
    change: Callable[[Raw], object], field: str, uids: tuple[str, ...]
) -> None:
    found = difference(BEFORE, changed(change))
    assert getattr(found, field) == uids
    assert found.lost
    assert not found.equal


def test_what_was_added_is_not_lost_and_not_equal() -> None:
    found = difference(changed(lambda m: m["studies"].pop(1)), BEFORE)
    assert found.studies_added == ("2",)
    assert found.instances_added == ("2.1.1",)
    assert not found.lost
    assert not found.equal


def test_a_record_that_came_is_not_lost_and_not_equal() -> None:
    found = difference(BEFORE, changed(lambda m: m["records"]["orders"].update({"8": "d"})))
    assert found.records_added == ("orders 8",)
    assert found.told() == ("1 records added: orders 8",)
    assert not found.lost
    assert not found.equal


def test_an_object_that_moved_to_another_series_is_missing_there() -> None:
    def move(made: Raw) -> None:
        one, other = made["studies"][0]["series"]
        other["instances"].append(one["instances"].pop(0))

    found = difference(BEFORE, changed(move))
    assert found.instances_missing == found.instances_added == ("1.1.1",)
    assert found.lost


def test_a_file_may_lie_elsewhere() -> None:
    assert difference(BEFORE, changed(lambda m: first(m).update(file="elsewhere"))).equal


def test_one_of_two_equal_objects_that_is_gone_is_lost() -> None:
    def twice(made: Raw) -> None:
        made["studies"][0]["series"][0]["instances"].append(dict(first(made)))

    assert difference(changed(twice), BEFORE).lost


def test_a_study_that_is_there_twice_counts_twice() -> None:
    census = changed(lambda m: m["studies"].append(m["studies"][1]))
    assert census.counts() == {"1": 3, "2": 2}


def test_the_probes_studies_are_left_out() -> None:
    census = changed(lambda m: m["studies"][1].update(uid="9.9.1"))
    assert census.without("9.9").counts() == {"1": 3}
    assert census.without("9").counts() == {"1": 3}
    assert census.without("9.9.1").counts() == {"1": 3, "9.9.1": 1}


def test_many_are_counted_and_a_few_are_named() -> None:
    told = difference(BEFORE, changed(lambda m: m["studies"].clear())).told(most=1)
    assert "2 studies missing: 1 …" in told
    assert "4 objects missing: 1.1.1 …" in told


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(schema=2),
        lambda m: m.update(patient_names=[]),
        lambda m: first(m).update(size=-1),
        lambda m: m.pop("studies"),
    ],
)
def test_what_is_no_census_is_refused(change: Callable[[Raw], object]) -> None:
    with pytest.raises(ValidationError):
        changed(change)
