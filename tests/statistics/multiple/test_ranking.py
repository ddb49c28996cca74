"""Ranks, groups, the Pareto set and the best of several, against brute force and worked examples."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assay.statistics.multiple.pairwise import VariantOutcomes, compare_pairs
from assay.statistics.multiple.ranking import (
    VariantQuality,
    indistinguishable_groups,
    pareto_set,
    rank_variants,
)
from assay.statistics.multiple.selection import best_variant
from assay.statistics.sampling import INDEPENDENT, Sampling


def decided(*pairs: tuple[int, int, int | None]) -> list[Any]:
    """Pairs with the variant that is better, if any."""
    return [SimpleNamespace(first=first, second=second, better=better) for first, second, better in pairs]


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_the_maximal_cliques_of_variants_without_a_difference(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 8))
    different = {frozenset(pair) for pair in combinations(range(n), 2) if random.random() < 0.5}

    found = indistinguishable_groups(range(n), different)

    alike = [
        frozenset(group)
        for size in range(1, n + 1)
        for group in combinations(range(n), size)
        if not any(frozenset(pair) in different for pair in combinations(group, 2))
    ]
    assert set(found) == {group for group in alike if not any(group < other for other in alike)}
    assert len(found) == len(set(found))


def test_a_rank_is_bounded_by_the_variants_that_are_better_and_worse() -> None:
    pairs = decided((0, 1, None), (0, 2, 0), (0, 3, 0), (1, 2, None), (1, 3, 1), (2, 3, None))

    found = rank_variants([0.9, 0.88, 0.8, 0.7], pairs)

    assert [(one.variant, one.best, one.worst, one.groups) for one in found] == [
        (0, 1, 2, (1,)),
        (1, 1, 3, (1, 2)),
        (2, 2, 4, (2, 3)),
        (3, 3, 4, (3,)),
    ]


def test_equal_variants_share_all_ranks() -> None:
    values = np.random.default_rng(1).random((200, 4)) < 0.8
    pairs = compare_pairs(VariantOutcomes(values=values.astype(float)[:, :, None]))
    ranks = rank_variants(values.mean(axis=0).tolist(), pairs)
    assert {(one.best, one.worst, one.groups) for one in ranks} == {(1, 4, (1,))}


def test_the_pareto_set_holds_what_no_other_dominates_and_doubt_is_stated() -> None:
    qualities = [
        VariantQuality(rate=0.9, cost=2.0, cost_low=1.9, cost_high=2.1),
        VariantQuality(rate=0.8, cost=1.0, cost_low=0.9, cost_high=1.1),
        VariantQuality(rate=0.7, cost=3.0, cost_low=2.8, cost_high=3.2),
        VariantQuality(rate=0.79, cost=1.05, cost_low=0.9, cost_high=1.2),
        VariantQuality(rate=0.95, cost=None),
    ]
    pairs = decided((0, 2, 0), (0, 1, 0), (1, 2, None), (1, 3, None), (2, 3, 3))

    found = pareto_set(qualities, pairs)

    assert [one.is_on_front for one in found] == [True, True, False, False, None]
    assert (found[2].dominated_by, found[2].decisively_by) == ((0, 1, 3), (0, 3))
    assert (found[3].dominated_by, found[3].decisively_by) == ((1,), ())


def test_equal_variants_do_not_dominate_each_other() -> None:
    same = VariantQuality(rate=0.9, cost=1.0)
    assert [one.is_on_front for one in pareto_set([same, same], [])] == [True, True]


def test_the_best_of_many_equal_variants_is_corrected_downward() -> None:
    """Truth 0.8: the highest of 14 rates is too high, the corrected one is not, and its bound holds."""
    random, naive, corrected, covered = np.random.default_rng(4), [], [], []
    for seed in range(60):
        found = best_variant((random.random((200, 14)) < 0.8).astype(float), INDEPENDENT, resamples=200, seed=seed)
        naive.append(found.rate)
        corrected.append(found.corrected)
        covered.append(found.lower <= 0.8)
    assert np.mean(naive) > 0.835
    assert np.mean(corrected) == pytest.approx(0.8, abs=0.01)
    assert np.mean(covered) > 0.93


def test_a_clear_winner_needs_hardly_a_correction_and_one_cluster_has_none() -> None:
    values = np.stack([np.random.default_rng(5).random(400) < rate for rate in (0.9, 0.5)], axis=1).astype(float)
    found = best_variant(values, INDEPENDENT, resamples=500, seed=1)
    assert found.variant == 0 and found.corrected == pytest.approx(found.rate, abs=0.003)
    assert best_variant(values, Sampling(clusters=[1] * 400), resamples=10, seed=1).corrected is None


def test_the_corrected_rate_is_at_most_the_measured_one() -> None:
    for seed in range(40):
        values = (np.random.default_rng(seed).random((60, 2)) < (0.9, 0.5)).astype(float)
        found = best_variant(values, INDEPENDENT, resamples=100, seed=seed)
        assert found.corrected is not None and found.corrected <= found.rate
