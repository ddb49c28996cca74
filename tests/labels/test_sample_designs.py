"""Samples have the inclusion probabilities they state, and totals weighted by them are unbiased."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest

from assay.labels.sample_designs import JudgedItem, allocate, draw_random, draw_stratified, pick_triage

DRAWS = 4000
SIZES = {"a": 30, "b": 8, "c": 3, "d": 1}
STRATA = {f"{name}{n:02}": name for name, size in SIZES.items() for n in range(size)}


def within_chance(share: float, probability: float, draws: int) -> bool:
    """True up to 4.5 standard errors, which one share in 150,000 passes by chance."""
    return abs(share - probability) <= 4.5 * math.sqrt(probability * (1 - probability) / draws) + 1e-12


def test_a_random_sample_takes_each_unit_as_often_as_it_says() -> None:
    units = [f"u{n}" for n in range(40)]
    taken = Counter(item.unit for seed in range(DRAWS) for item in draw_random(units, 10, seed=seed))
    assert {item.inclusion_probability for item in draw_random(units, 10, seed=1)} == {0.25}
    assert all(within_chance(taken[unit] / DRAWS, 0.25, DRAWS) for unit in units)


def test_pairs_of_a_random_sample_come_together_as_often_as_without_replacement() -> None:
    units = [f"u{n}" for n in range(12)]
    pairs = Counter(
        pair
        for seed in range(DRAWS)
        for pair in itertools.combinations(sorted(item.unit for item in draw_random(units, 4, seed=seed)), 2)
    )
    expected = 4 * 3 / (12 * 11)
    assert len(pairs) == 66
    assert all(within_chance(count / DRAWS, expected, DRAWS) for count in pairs.values())


@pytest.mark.parametrize("spreads", [None, {"a": 0.1, "b": 0.5, "c": 0.5, "d": 0.5}])
def test_a_stratified_sample_takes_each_unit_as_often_as_it_says(spreads: dict[str, float] | None) -> None:
    stated = {item.stratum: item.inclusion_probability for item in draw_stratified(STRATA, 14, seed=0, spreads=spreads)}
    taken = Counter(
        item.unit for seed in range(DRAWS) for item in draw_stratified(STRATA, 14, seed=seed, spreads=spreads)
    )
    assert all(within_chance(taken[unit] / DRAWS, stated[name] or 0.0, DRAWS) for unit, name in STRATA.items())


def test_horvitz_thompson_totals_are_unbiased_though_strata_differ() -> None:
    rng = random.Random(7)
    values = {unit: rng.random() < {"a": 0.9, "b": 0.4, "c": 0.1, "d": 1.0}[name] for unit, name in STRATA.items()}
    spreads = {"a": 0.2, "b": 0.5, "c": 0.5, "d": 0.5}
    totals, naive = [], []
    for seed in range(DRAWS):
        drawn = draw_stratified(STRATA, 14, seed=seed, spreads=spreads)
        totals.append(sum(values[item.unit] / (item.inclusion_probability or math.nan) for item in drawn))
        naive.append(sum(values[item.unit] for item in drawn) / len(drawn) * len(STRATA))
    truth, mean = sum(values.values()), sum(totals) / DRAWS
    error = math.sqrt(sum((total - mean) ** 2 for total in totals) / DRAWS / DRAWS)
    assert abs(mean - truth) <= 4 * error
    assert abs(sum(naive) / DRAWS - truth) > 10 * error  # labels of a stratified sample taken as a random one


def test_the_same_seed_draws_the_same_whatever_the_order_and_another_seed_another() -> None:
    units = list(STRATA)
    assert draw_random(units, 9, seed=3) == draw_random(reversed(units), 9, seed=3)
    backwards = dict(reversed(STRATA.items()))
    assert draw_stratified(STRATA, 14, seed=3) == draw_stratified(backwards, 14, seed=3)
    assert draw_random(units, 9, seed=3) != draw_random(units, 9, seed=4)


def test_the_order_of_reading_is_random_across_strata() -> None:
    first = Counter(draw_stratified(STRATA, 14, seed=seed)[0].stratum for seed in range(DRAWS))
    counts = allocate(SIZES, 14, spreads={})
    assert all(within_chance(first[name] / DRAWS, counts[name] / 14, DRAWS) for name in SIZES)


def test_a_sample_larger_than_the_frame_is_the_frame_with_certainty() -> None:
    assert {item.inclusion_probability for item in draw_random(STRATA, 1000, seed=0)} == {1.0}
    everything = draw_stratified(STRATA, 1000, seed=0)
    assert {item.unit for item in everything} == set(STRATA)
    assert {item.inclusion_probability for item in everything} == {1.0}


def test_every_stratum_has_two_units_or_all_it_has() -> None:
    assert allocate({"big": 100_000, "small": 50, "pair": 2, "one": 1}, 30, spreads={}) == {
        "big": 25, "small": 2, "pair": 2, "one": 1,
    }  # fmt: skip


def test_too_small_a_sample_for_its_strata_is_refused() -> None:
    with pytest.raises(ValueError, match="4 strata require at least 7 items"):
        draw_stratified(STRATA, 6, seed=0)


def test_proportional_allocation_is_proportional_to_a_unit() -> None:
    sizes = {"a": 600, "b": 300, "c": 100}
    assert allocate(sizes, 100, spreads={}) == {"a": 60, "b": 30, "c": 10}


def test_neyman_allocation_has_the_least_variance_of_all_whole_allocations() -> None:
    sizes, spreads, size = {"a": 40, "b": 12, "c": 9}, {"a": 0.2, "b": 0.5, "c": 0.45}, 15

    def variance(counts: dict[str, int]) -> float:
        return sum((sizes[h] * spreads[h]) ** 2 * (1 / counts[h] - 1 / sizes[h]) for h in sizes)

    possible = (
        dict(zip(sizes, counts, strict=True))
        for counts in itertools.product(*(range(2, n + 1) for n in sizes.values()))
        if sum(counts) == size
    )
    assert variance(allocate(sizes, size, spreads=spreads)) == pytest.approx(min(map(variance, possible)))


def reading(unit: str, **edits: object) -> JudgedItem:
    return JudgedItem(**{"unit": unit, "is_disputed": False, "passed": True, "value": None, "recency": 0.0, **edits})  # type: ignore[arg-type]


def test_triage_takes_disputed_near_and_failed_in_turns_and_states_no_probability() -> None:
    readings = [
        reading("fine", value=5.0),
        reading("near", value=3.0),
        reading("disputed", value=5.0, is_disputed=True),
        reading("old failure", passed=False, value=1.0, recency=1.0),
        reading("new failure", passed=False, value=2.0, recency=2.0),
    ]
    picked = pick_triage(readings, 4)
    assert [(item.unit, item.stratum) for item in picked] == [
        ("disputed", "judge_disagreement"),
        ("new failure", "near_threshold"),
        ("near", "near_threshold"),
        ("old failure", "recent_failure"),
    ]
    assert {item.inclusion_probability for item in picked} == {None}


def test_triage_of_yes_and_no_has_no_threshold_to_be_near() -> None:
    readings = [reading("a", value=1.0), reading("b", value=0.0, passed=False), reading("c", passed=None)]
    assert [(item.unit, item.stratum) for item in pick_triage(readings, 9)] == [("b", "recent_failure")]
