"""Samples: repeatable, and honest about what they can miss."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import pytest

from orchestrator.verify.probe import PATIENT_PREFIX, PROBE_ROOT, is_ours, make_probe
from orchestrator.verify.sample import draw, percentile, unseen_share


def test_the_same_seed_draws_the_same() -> None:
    items = range(1000)
    assert draw(items, 20, seed=7) == draw(items, 20, seed=7)
    assert draw(items, 20, seed=7) != draw(items, 20, seed=8)


def test_of_fewer_all_are_drawn() -> None:
    assert sorted(draw("abc", 20, seed=1)) == ["a", "b", "c"]


@pytest.mark.parametrize(("population", "sample"), [(290, 200), (50, 10), (1000, 200), (30, 19)])
def test_the_unseen_share_is_the_largest_that_a_clean_sample_allows(
    population: int, sample: int
) -> None:
    damaged = round(unseen_share(population, sample) * population)
    unseen = [
        comb(population - bad, sample) / comb(population, sample) for bad in (damaged, damaged + 1)
    ]
    assert unseen[0] >= 0.05 > unseen[1]


def test_all_looked_at_leaves_nothing_and_none_leaves_everything() -> None:
    assert unseen_share(290, 290) == 0
    assert unseen_share(290, 0) == 1


def test_a_larger_sample_leaves_less() -> None:
    shares = [unseen_share(10_000, sample) for sample in (10, 100, 1000, 9999)]
    assert all(more > less for more, less in pairwise(shares))


def test_the_95th_percentile_of_twenty_is_the_nineteenth() -> None:
    assert percentile([n / 10 for n in range(20, 0, -1)], 0.95) == 1.9
    assert percentile([3.0], 0.95) == 3.0


def test_every_probe_is_its_own_and_known_as_ours() -> None:
    one, other = make_probe(), make_probe()
    assert one.study != other.study
    assert is_ours(one.study, one.patient)
    assert all(len(stored.sop_instance) <= 64 for stored in one.objects)


@pytest.mark.parametrize(
    ("study", "patient"),
    [
        ("1.2.840.1", f"{PATIENT_PREFIX}1"),
        (f"{PROBE_ROOT}.1", "PATIENT-1"),
        (f"{PROBE_ROOT}1.1", f"{PATIENT_PREFIX}1"),
        (PROBE_ROOT, f"{PATIENT_PREFIX}1"),
    ],
)
def test_a_clinical_study_is_never_taken_for_a_probes(study: str, patient: str) -> None:
    assert not is_ours(study, patient)
