"""Pairs of variants against statsmodels, scipy, `compare` of each pair alone, and real answers of four models."""

from __future__ import annotations

import csv
from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from assay.errors import UsageError
from assay.statistics.conventions import ERROR, FEWEST_DISCORDANT
from assay.statistics.measured import Status
from assay.statistics.multiple.family import holm
from assay.statistics.multiple.pairwise import VariantOutcomes, VariantPair, compare_pairs
from assay.statistics.paired import compare, for_small_errors, pair
from assay.statistics.paired_bounds import ScoreBounds, strict_bounds
from tests.paths import SHARED

CLASSIFICATION = SHARED / "data" / "classification" / "ecommerce_products_4llms.csv"
SPLITS = 14


def outcomes(values: np.ndarray, clusters: list[int] | None = None) -> VariantOutcomes:
    """Records x variants, or records x variants x epochs."""
    columns = values.astype(float)
    return VariantOutcomes(values=columns if columns.ndim == 3 else columns[:, :, None], clusters=clusters)


def drawn(n: int, variants: int, seed: int, *, spread: float = 0.15) -> np.ndarray:
    random = np.random.default_rng(seed)
    hard, skill = random.normal(0, 1, (n, 1)), random.normal(0.8, spread, variants)
    return skill + hard + random.normal(0, 0.5, (n, variants)) > 0


def figures(one: VariantPair) -> tuple[float, ...]:
    found = one.comparison
    return (found.difference, found.low, found.high, found.lower, found.upper, found.p_value, found.gains, found.losses)


# Each pair is as if compared alone.


@pytest.mark.parametrize("clustered", [False, True])
def test_each_pair_is_that_of_compare_with_its_bootstrap(clustered: bool) -> None:
    values = drawn(120, 5, 1)
    clusters = (np.arange(120) // 4).tolist() if clustered else None

    found = compare_pairs(outcomes(values, clusters), resamples=500, seed=9)

    assert len(found) == 10
    for one in found:
        columns = ({i: [float(x)] for i, x in enumerate(values[:, which])} for which in (one.first, one.second))
        names = dict(enumerate(clusters)) if clusters else None
        alone = compare(pair(*columns, clusters=names), resamples=500, seed=9)
        expected = (alone.difference, alone.low, alone.high, alone.lower, alone.upper, alone.p_value)
        assert figures(one) == pytest.approx((*expected, alone.gains, alone.losses), abs=1e-12)
        assert (one.comparison.resampled is None) == (alone.resampled is None)
        if alone.resampled:
            assert one.comparison.resampled == pytest.approx(alone.resampled, abs=1e-9)


def test_records_that_a_variant_lacks_are_left_out_of_its_pairs_only() -> None:
    values = drawn(80, 3, 2).astype(float)[:, :, None]
    values[:20, 2] = np.inf

    complete, *others = compare_pairs(outcomes(values), resamples=100, seed=1)

    assert (complete.comparison.n, complete.comparison.left_out) == (80, 0)
    assert [(one.comparison.n, one.comparison.left_out) for one in others] == [(60, 20), (60, 20)]
    alone = compare_pairs(outcomes(values[20:, [0, 2]]), resamples=100, seed=1)[0]
    assert figures(others[0]) == figures(alone)
    assert others[0].comparison.resampled == pytest.approx(alone.comparison.resampled, abs=1e-9)


def test_unscored_outcomes_and_epochs_are_those_of_compare() -> None:
    values = np.stack([drawn(60, 3, seed) for seed in (3, 4)], axis=2).astype(float)
    values[5, 1, 0], values[7, 2, 1] = np.nan, np.inf

    found = compare_pairs(outcomes(values))

    for one in found:
        columns = (
            {i: [x for x in row if x != np.inf] for i, row in enumerate(values[:, which])}
            for which in (one.first, one.second)
        )
        alone = compare(pair(*columns))
        assert figures(one)[:6] == pytest.approx(
            (alone.difference, alone.low, alone.high, alone.lower, alone.upper, alone.p_value), abs=1e-12
        )
        assert one.comparison.status is alone.status
    assert found[0].comparison.status is Status.UNSCORED


def test_a_pair_without_a_common_record_is_omitted_and_no_pair_at_all_is_an_error() -> None:
    values = np.full((40, 3, 1), np.inf)
    values[:20, 0] = values[:20, 1] = 1.0
    values[20:, 2] = 1.0

    assert [(one.first, one.second) for one in compare_pairs(outcomes(values))] == [(0, 1)]
    with pytest.raises(UsageError, match="No two variants have a record in common"):
        compare_pairs(outcomes(values[:, [0, 2]]))


# Adjustment.


def test_adjusted_p_is_that_of_statsmodels() -> None:
    found = compare_pairs(outcomes(drawn(150, 7, 5, spread=0.4)))
    expected = multipletests([one.comparison.p_value for one in found], method="holm")[1]
    assert [one.test.p for one in found] == pytest.approx(expected.tolist(), abs=1e-12)
    assert holm([]) == []


def test_simultaneous_intervals_contain_those_of_each_pair_and_are_bonferronis() -> None:
    found = compare_pairs(outcomes(drawn(300, 6, 6, spread=0.4)))
    error = ERROR / (2 * len(found))
    for one in found:
        assert one.test.low <= one.comparison.low <= one.comparison.high <= one.test.high
        assert one.test.low == min(one.comparison.low, for_small_errors(one.comparison).bounds.lower(error))


def test_two_variants_have_the_p_value_and_interval_of_their_comparison() -> None:
    (one,) = compare_pairs(outcomes(drawn(100, 2, 7)))
    assert (one.test.p, one.test.low, one.test.high) == (
        one.comparison.p_value,
        one.comparison.low,
        one.comparison.high,
    )


@pytest.mark.parametrize("seed", range(6))
def test_an_interval_without_0_has_a_significant_test(seed: int) -> None:
    for clusters in (None, (np.arange(240) // 6).tolist()):
        for one in compare_pairs(outcomes(drawn(240, 6, seed, spread=0.35), clusters)):
            assert one.test.is_significant or one.test.interval_covers_zero


def test_too_few_clusters_decide_nothing() -> None:
    values = np.stack([np.ones(60), np.zeros(60), np.ones(60)], axis=1)
    found = compare_pairs(outcomes(values, (np.arange(60) // 10).tolist()))
    assert {one.better for one in found} == {None}


# Real answers: 4 models on 4,960 products.


@pytest.mark.skipif(not CLASSIFICATION.is_file(), reason="../shared/data/classification is not beside the checkout")
def test_pairs_of_real_models_have_the_difference_counts_and_mcnemar_p_of_statsmodels() -> None:
    """Of the four models, each on the rows of a part of the data, 14 columns are made: 91 pairs on 620 records each."""
    values = columns_of_real_answers()
    assert values.shape[1] == SPLITS

    found = compare_pairs(outcomes(values))

    assert len(found) == 91
    for one, (first, second) in zip(found, combinations(range(SPLITS), 2), strict=True):
        right, other = values[:, first] > 0, values[:, second] > 0
        table = [[int((a & b).sum()) for b in (other, ~other)] for a in (right, ~right)]
        gains, losses = table[0][1], table[1][0]
        assert (one.comparison.gains, one.comparison.losses) == (gains, losses)
        assert one.comparison.difference == pytest.approx((gains - losses) / len(values), abs=1e-9)
        exact = float(mcnemar(table, exact=True).pvalue)
        middle = (
            0.0 if gains + losses < FEWEST_DISCORDANT else float(binom.pmf(min(gains, losses), gains + losses, 0.5))
        )
        assert one.comparison.p_value == pytest.approx(exact - middle, abs=1e-9)


def columns_of_real_answers() -> np.ndarray:
    """Whether each answer is right: 620 rows of a split and, per column, one model on one split."""
    with CLASSIFICATION.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    models = [name for name in rows[0] if name.endswith("_prediction")]
    splits = sorted({row["split"] for row in rows})
    parts = {split: [row for row in rows if row["split"] == split] for split in splits}
    fewest = min(len(part) for part in parts.values())
    columns = [
        [float(row[model] == row["category"]) for row in parts[split][:fewest]]
        for split, model in product(splits, models)
    ]
    return np.array(columns[:SPLITS]).T


def test_bounds_of_a_family_are_exact_if_few_pairs_differ_in_one_direction() -> None:
    """Tango's bound has three times the nominal error there; an exact bound is at least as wide."""
    for gains, losses in ((1, 40), (40, 1), (4, 12)):
        bounds = ScoreBounds(gains=gains, losses=losses, n=400)
        strict = strict_bounds(bounds)
        assert strict.lower(0.0003) < bounds.lower(0.0003) and strict.upper(0.0003) > bounds.upper(0.0003)
    kept = ScoreBounds(gains=5, losses=40, n=400)
    assert strict_bounds(kept) is kept
