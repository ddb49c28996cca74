"""Comparisons against published tables, statsmodels, scipy, matrices and their own promise."""

from __future__ import annotations

import csv
import json
import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, bootstrap, ttest_rel
from scipy.stats import t as student
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar

from assay.errors import UsageError
from assay.statistics.exact_tests import difference_bounds
from assay.statistics.measured import Status
from assay.statistics.paired import PairedComparison, Pairs, compare, pair
from assay.statistics.paired_bounds import SignBounds, StudentBounds, mcnemar_p, tango_interval, tango_score
from assay.statistics.sampling import Sampling
from tests.paths import SHARED

PUBLISHED = SHARED / "data" / "stats"
published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="../shared/data/stats is not beside the checkout")


def counts(gains: int, losses: int, n: int) -> Pairs:
    """Yes/no pairs with so many of each."""
    candidate = np.array([1.0] * gains + [0.0] * losses + [1.0] * (n - gains - losses))
    champion = np.array([0.0] * gains + [1.0] * losses + [1.0] * (n - gains - losses))
    return Pairs(candidate=candidate, champion=champion)


def differences(values: np.ndarray, clusters: list[int] | None = None, weights: list[float] | None = None) -> Pairs:
    """Pairs whose differences are the values."""
    return Pairs(
        candidate=np.maximum(values, 0.0),
        champion=np.maximum(-values, 0.0),
        sampling=Sampling(clusters=clusters, weights=weights),
    )


def clustered(groups: int = 40, size: int = 8, seed: int = 3) -> tuple[np.ndarray, list[int]]:
    random = np.random.default_rng(seed)
    own = random.normal(0.05, 0.3, groups)
    codes = np.repeat(np.arange(groups), random.integers(1, 2 * size, groups))
    return np.clip(own[codes] + random.normal(0, 0.2, len(codes)), -1, 1), codes.tolist()


# Tests and intervals of yes/no pairs.


@published
def test_mcnemars_exact_test_is_as_published() -> None:
    lines = (PUBLISHED / "worked_examples.jsonl").read_text(encoding="utf-8").splitlines()
    examples = [example for example in map(json.loads, lines) if example["statistic"] == "McNemar exact"]
    assert len(examples) == 6
    for example in examples:
        (_, b), (c, _) = example["data"]["table"]
        assert mcnemar_p(b, c, exact=True) == pytest.approx(example["p_two"], abs=1e-6)


def test_mcnemars_exact_test_is_that_of_statsmodels() -> None:
    for gains, losses in product(range(0, 30, 3), range(0, 30, 4)):
        table = [[5, gains], [losses, 7]]
        assert mcnemar_p(gains, losses, exact=True) == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)


@pytest.mark.parametrize(
    ("gains", "losses", "exact", "midp"),
    # Fagerland, Lydersen & Laake, BMC Med. Res. Methodol. 13 (2013) 91, table 1 (Bentur et al.): 0.0703 and 0.0391.
    [(1, 7, 0.0703, 0.0391), (7, 1, 0.0703, 0.0391)],
)
def test_mcnemars_mid_p_is_as_published(gains: int, losses: int, exact: float, midp: float) -> None:
    assert round(mcnemar_p(gains, losses, exact=True), 4) == exact
    assert round(mcnemar_p(gains, losses, exact=False), 4) == midp


def test_mid_p_counts_half_of_what_was_seen_on_both_sides() -> None:
    ways = [math.comb(12, k) / 2**12 for k in range(13)]

    assert mcnemar_p(6, 6, exact=False) == pytest.approx(1 - ways[6])
    assert mcnemar_p(9, 3, exact=False) == pytest.approx(2 * (sum(ways[:3]) + ways[3] / 2))


@pytest.mark.parametrize(
    ("gains", "losses", "n", "error", "low", "high"),
    [
        # Tango, Statistics in Medicine 17 (1998) 891, examples.
        (9, 3, 32, 0.05, -0.027, 0.390),
        (0, 1, 44, 0.10, -0.096, 0.037),
        # Agresti & Min, Statistics in Medicine 24 (2005) 729.
        (16, 8, 86, 0.05, -0.020, 0.207),
        # Fagerland, Lydersen & Laake, Statistics in Medicine 33 (2014) 2850.
        (1, 7, 21, 0.05, -0.517, -0.026),
    ],
)
def test_tangos_interval_is_as_published(
    gains: int, losses: int, n: int, error: float, low: float, high: float
) -> None:
    found = tango_interval(gains, losses, n, error=error)

    assert (round(found[0], 3), round(found[1], 3)) == (low, high)


@pytest.mark.parametrize(
    ("gains", "losses", "n"), [(12, 30, 400), (3, 0, 50), (0, 0, 20), (50, 0, 50), (0, 9, 9), (1, 1, 2)]
)
def test_tangos_bounds_are_where_the_constrained_likelihood_puts_the_score(gains: int, losses: int, n: int) -> None:
    """The nuisance share is found by a search instead of the formula."""
    low, high = tango_interval(gains, losses, n)
    shares = np.linspace(0, 1, 400_001)
    for bound, z in ((low, 1.959964), (high, -1.959964)):
        if abs(bound) == 1:
            continue
        gain, loss = shares + bound, shares
        rest = 1 - gain - loss
        fits = (gain > 0) & (loss >= 0) & (rest >= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            likely = sum(
                np.where(k > 0, k * np.log(p), 0.0)
                for k, p in ((gains, gain), (losses, loss), (n - gains - losses, rest))
            )
        best = shares[fits][np.nanargmax(likely[fits])]
        variance = n * (2 * best + bound - bound**2)
        assert (gains - losses - n * bound) / math.sqrt(variance) == pytest.approx(z, abs=0.01)


def test_the_score_falls_as_the_difference_grows() -> None:
    scores = [tango_score(20, 12, 150, step / 100) for step in range(-90, 91)]

    assert scores == sorted(scores, reverse=True)


def test_candidate_and_champion_mirror_each_other() -> None:
    one, other = compare(counts(30, 14, 300)), compare(counts(14, 30, 300))

    assert (one.low, one.high, one.lower, one.upper) == pytest.approx(
        (-other.high, -other.low, -other.upper, -other.lower)
    )
    assert one.p_value == other.p_value


def test_few_discordant_pairs_get_exact_bounds() -> None:
    found = compare(counts(2, 4, 200))

    assert (found.method, found.status) == ("exact_unconditional", Status.TOO_FEW)
    assert (found.lower, found.upper) == difference_bounds(2, 4, 200, error=0.05)
    assert (found.low, found.high) == difference_bounds(2, 4, 200, error=0.025)
    assert found.reason == "6 records differ, fewer than 10: conservative bounds"


@pytest.mark.parametrize("n", [1, 2, 12, 500])
@pytest.mark.parametrize("lost", [0, 1])
def test_no_interval_is_without_width(n: int, lost: int) -> None:
    found = compare(counts(0, lost * n, n))

    assert found.low < found.high and found.low <= found.difference <= found.high
    assert found.lower < found.upper and found.mde > 0


def test_twelve_equal_records_say_little_and_five_hundred_say_enough() -> None:
    assert compare(counts(0, 0, 12)).lower < -0.2
    assert compare(counts(0, 0, 500)).lower > -0.02


def test_p_values_are_those_of_the_bounds() -> None:
    for pairs in (counts(30, 14, 300), counts(2, 4, 200), differences(*clustered())):
        found = compare(pairs)
        assert found.bounds.p_above(found.lower) == pytest.approx(0.05, abs=1e-3)
        assert found.bounds.p_below(found.upper) == pytest.approx(0.05, abs=1e-3)
        assert found.bounds.p_below(found.upper + 0.05) < 0.05 < found.bounds.p_below(found.difference)


def test_the_p_value_of_yes_no_pairs_is_mcnemars() -> None:
    assert compare(counts(30, 14, 300)).p_value == pytest.approx(mcnemar_p(30, 14, exact=False))
    assert compare(counts(2, 4, 200)).p_value == pytest.approx(mcnemar_p(2, 4, exact=True))


def test_signs_test_a_bar_by_the_binomial_tail_of_what_speaks_against_it() -> None:
    signs = SignBounds(above=0, below=2, n=100)

    assert signs.p_above(-0.1) == pytest.approx(binom.cdf(2, 100, 0.1))
    assert signs.p_below(0.1) == pytest.approx(binom.cdf(0, 100, 0.1))
    assert (signs.p_above(0.0), signs.p_below(0.0)) == (1.0, 1.0)


# Fractions, epochs, clusters, weights.


def test_fractions_are_compared_as_scipy_does() -> None:
    random = np.random.default_rng(8)
    candidate, champion = random.random(80), random.random(80)
    found, expected = compare(Pairs(candidate=candidate, champion=champion)), ttest_rel(candidate, champion)
    bounds = expected.confidence_interval(0.95)

    assert found.method == "paired_t"
    assert (found.difference, found.low, found.high) == pytest.approx(
        (candidate.mean() - champion.mean(), bounds.low, bounds.high), abs=1e-9
    )
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)


def test_epochs_are_averaged_within_their_record() -> None:
    random = np.random.default_rng(1)
    candidate, champion = random.integers(0, 2, (60, 5)).astype(float), random.integers(0, 2, (60, 3)).astype(float)
    candidate[0, 3:] = np.inf
    means = np.concatenate([[candidate[0, :3].mean()], candidate[1:].mean(axis=1)]), champion.mean(axis=1)

    found, by_means = (
        compare(Pairs(candidate=candidate, champion=champion)),
        compare(Pairs(candidate=means[0], champion=means[1])),
    )

    assert (found.low, found.high, found.n) == (by_means.low, by_means.high, 60)


def cr(x: np.ndarray, y: np.ndarray, codes: np.ndarray, *, kind: int) -> np.ndarray:
    """Cluster-robust variances of least squares by matrices: CR0 or CR2 of Bell & McCaffrey."""
    bread = np.linalg.inv(x.T @ x)
    residuals, meat = y - x @ bread @ x.T @ y, np.zeros((x.shape[1], x.shape[1]))
    for code in np.unique(codes):
        own = codes == code
        adjusted = residuals[own]
        if kind == 2:
            values, vectors = np.linalg.eigh(np.eye(own.sum()) - x[own] @ bread @ x[own].T)
            adjusted = vectors @ np.diag(values**-0.5) @ vectors.T @ adjusted
        score = x[own].T @ adjusted
        meat += np.outer(score, score)
    return np.asarray(bread @ meat @ bread)


@published
def test_the_matrices_give_statas_published_cluster_errors() -> None:
    with (PUBLISHED / "grunfeld.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:200]
    y = np.array([float(row["invest"]) for row in rows])
    x = np.array([[float(row["value"]), float(row["capital"]), 1.0] for row in rows])
    codes = np.unique([row["firm"] for row in rows], return_inverse=True)[1]
    lines = (PUBLISHED / "worked_examples.jsonl").read_text(encoding="utf-8").splitlines()
    errors = [line["se"] for line in map(json.loads, lines) if str(line["data"]).startswith("grunfeld")]

    correction = 10 / 9 * 199 / 197
    assert np.sqrt(np.diag(cr(x, y, codes, kind=0)) * correction) == pytest.approx(errors, rel=1e-7)

    # Clusters of equal size: CR2 of a mean is Stata's G / (G - 1).
    scaled = y / 3000
    stata = OLS(scaled, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": codes}).bse[0]
    assert compare(differences(scaled, codes.tolist())).bounds.standard_error == pytest.approx(stata, rel=1e-9)


def test_clustered_errors_are_those_of_the_matrices() -> None:
    values, codes = clustered()
    variance = cr(np.ones((len(values), 1)), values, np.array(codes), kind=2)[0, 0]

    found = compare(differences(values, codes))

    assert (found.method, found.clusters, found.status) == ("cr2_t", 40, Status.OK)
    assert found.bounds.standard_error == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert 0 < found.bounds.df <= 39


def test_weighted_errors_are_those_of_the_weighted_matrices() -> None:
    values, codes = clustered()
    weights = np.random.default_rng(2).uniform(0.5, 3, len(values))
    root = np.sqrt(weights)
    variance = cr(root[:, None], root * values, np.array(codes), kind=2)[0, 0]

    found = compare(differences(values, codes, weights.tolist()))

    assert found.difference == pytest.approx(np.average(values, weights=weights))
    assert found.bounds.standard_error == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_clusters_of_one_record_are_none() -> None:
    values = clustered()[0]

    assert compare(differences(values, list(range(len(values))))) == compare(differences(values))


@pytest.mark.parametrize(
    ("groups", "status"), [(2, "inconclusive"), (9, "inconclusive"), (10, "warning"), (29, "warning"), (30, "ok")]
)
def test_few_clusters_warn_or_decide_nothing(groups: int, status: str) -> None:
    found = compare(differences(*clustered(groups=groups)))

    assert found.status == status
    assert status == "ok" or found.reason == f"{groups} clusters, fewer than {10 if status == 'inconclusive' else 30}"


def test_one_cluster_is_inconclusive_with_the_widest_bounds() -> None:
    found = compare(differences(np.linspace(-0.5, 1, 40), [7] * 40))

    assert found.status is Status.INCONCLUSIVE
    assert (found.low, found.high) == (-1.0, 1.0)


def test_clusters_without_any_difference_are_as_many_records_as_clusters() -> None:
    found = compare(differences(np.zeros(600), np.repeat(np.arange(50), 12).tolist()))

    assert (found.method, found.status) == ("sign_bounds", Status.TOO_FEW)
    assert (found.lower, found.upper) == pytest.approx((-(1 - 0.05 ** (1 / 50)), 1 - 0.05 ** (1 / 50)))


def test_losses_in_few_clusters_move_the_bound_below_further_out() -> None:
    even = StudentBounds(mean=-0.02, standard_error=0.01, df=100, skewness=0.0)
    skewed = StudentBounds(mean=-0.02, standard_error=0.01, df=100, skewness=-0.3)

    assert skewed.lower(0.05) < even.lower(0.05)
    assert skewed.upper(0.05) == even.upper(0.05)
    assert skewed.p_above(-0.04) > even.p_above(-0.04)
    assert skewed.interval()[0] <= skewed.lower(0.05)


@pytest.mark.parametrize("clusters", [False, True])
def test_bca_is_that_of_scipy_with_the_same_draws(clusters: bool) -> None:
    values = np.random.default_rng(4).choice([-1, -0.5, 0, 0.5, 1], size=120, p=[0.02, 0.05, 0.7, 0.13, 0.1])
    codes = np.repeat(np.arange(30), 4)
    means = values.reshape(30, 4).mean(axis=1) if clusters else values
    expected = bootstrap(
        (means,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(6)
    ).confidence_interval

    found = compare(differences(values, codes.tolist() if clusters else None), resamples=999, seed=6)

    assert found.resampled == pytest.approx((expected.low, expected.high), abs=1e-9)


# Left out, unscored, refused.


def test_records_of_one_variant_only_are_left_out_and_counted() -> None:
    found = compare(
        pair(
            {"a": [1], "b": [0, 1], "c": [1], "x": [1]},
            {"b": [1], "a": [0], "c": [1], "y": [0], "z": [0]},
            clusters={"a": "one", "b": "one", "c": None},
            weights={"a": 1, "b": 2, "c": 1},
        )
    )

    assert (found.n, found.left_out, found.clusters) == (3, 3, 2)
    assert found.difference == pytest.approx((1 - 2 * 0.5 + 0) / 4)


def test_records_that_do_not_overlap_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no records in common \(record counts: 1 and 2\)"):
        pair({"a": [1]}, {"b": [1], "c": [0]})


@pytest.mark.parametrize("unscored", [1, 2, 3, 20])
def test_an_unscored_outcome_is_a_failure_in_the_difference_and_either_in_the_bounds(unscored: int) -> None:
    """Below and above 1% of the records alike."""
    pairs = counts(20, 10, 200)
    pairs.candidate[50 : 50 + unscored] = np.nan

    found = compare(pairs)

    worst, best = compare(counts(20, 10 + unscored, 200)), compare(counts(20, 10, 200))
    assert (found.unscored, found.n, found.method) == (unscored, 200, "tango+worst_case")
    assert found.difference == pytest.approx(worst.difference)
    assert found.difference == pytest.approx(found.candidate_rate - found.champion_rate)
    assert (found.low, found.high) == (worst.low, best.high)
    assert found.p_value >= best.p_value - 1e-12


def test_unscored_records_leave_the_worst_and_the_best_case() -> None:
    pairs = counts(20, 10, 200)
    pairs.candidate[50:60] = np.nan

    found = compare(pairs)

    worst, best = compare(counts(20, 20, 200)), compare(counts(20, 10, 200))
    assert found.status is Status.UNSCORED and found.method == "tango+worst_case"
    assert (found.low, found.lower) == (worst.low, worst.lower)
    assert (found.high, found.upper) == (best.high, best.upper)
    assert found.reason is not None and found.reason.startswith("10 of 200 records unscored: counted as failures")
    assert found.bounds.p_above(found.lower) == pytest.approx(0.05)


def test_records_that_the_champion_lacks_a_score_for_are_its_failures_in_the_best_case() -> None:
    pairs = counts(20, 10, 200)
    pairs.champion[50:60] = np.nan

    found = compare(pairs)

    worst, best = compare(counts(20, 10, 200)), compare(counts(30, 10, 200))
    assert (found.low, found.lower) == (worst.low, worst.lower)
    assert (found.high, found.upper) == (best.high, best.upper)


def test_an_unscored_epoch_makes_its_record_unscored() -> None:
    outcomes = np.tile([1.0, 0.0, 1.0, 1.0], (40, 1))
    outcomes[:4, 0] = np.nan

    found = compare(Pairs(candidate=outcomes, champion=np.ones(40) * 0.75))

    assert (found.unscored, found.n, found.status) == (4, 40, Status.UNSCORED)
    assert found.lower < 0 < found.upper


def test_outcomes_that_cannot_be_compared_are_refused() -> None:
    ones = np.ones(3)
    with pytest.raises(UsageError, match=r"Outcomes of the champion: expected 0 to 1, found 1\.5"):
        compare(Pairs(candidate=ones, champion=ones * 1.5))
    with pytest.raises(UsageError, match="the same number of records of both variants, found 3 and 2"):
        compare(Pairs(candidate=ones, champion=np.ones(2)))
    with pytest.raises(UsageError, match="None of the 3 records in common is scored"):
        compare(Pairs(candidate=ones, champion=ones * np.nan))
    with pytest.raises(ValueError, match="clusters: expected one entry per row"):
        compare(Pairs(candidate=ones, champion=ones, sampling=Sampling(clusters=["a"])))


def test_the_records_needed_grow_with_the_square_of_the_wanted_precision() -> None:
    def needed(wanted: float) -> int | None:
        return compare(counts(30, 30, 400), wanted=wanted).needed

    found: PairedComparison = compare(counts(30, 30, 400))
    assert found.needed is None
    assert needed(found.mde) == pytest.approx(400, abs=1)
    assert needed(found.mde / 2) == pytest.approx(1600, abs=1)


def test_every_outcome_of_a_small_table_is_covered_as_promised() -> None:
    """Exact enumeration of 60 pairs: the two-sided interval of whatever method the counts choose."""
    n, gain, loss = 60, 0.2, 0.1
    covered = wrong = 0.0
    for gains in range(30):
        for losses in range(22):
            likely = math.comb(n, gains) * math.comb(n - gains, losses)
            likely *= gain**gains * loss**losses * (1 - gain - loss) ** (n - gains - losses)
            if likely < 1e-7:
                continue
            found = compare(counts(gains, losses, n))
            covered += likely * (found.low <= gain - loss <= found.high)
            wrong += likely * (found.lower > gain - loss)
    assert covered >= 0.93
    assert wrong <= 0.05


@pytest.mark.parametrize("skewness", [-0.9, -0.39, -0.1, 0.0, 0.1, 0.39, 0.9])
@pytest.mark.parametrize("df", [4.4, 30.0])
def test_skewed_bounds_do_not_jump_at_small_error_rates_and_agree_with_their_p_values(
    df: float, skewness: float
) -> None:
    bounds = StudentBounds(mean=0.0, standard_error=0.01, df=df, skewness=skewness)
    reaches = []
    for error in (0.1, 0.05, 0.025, 0.01, 0.005, 0.001, 0.05 / 182, 1e-5):
        quantile = float(student.ppf(1 - error, df))
        low, high = bounds.lower(error), bounds.upper(error)
        if max(-low, high) < 1:
            assert bounds.p_above(low) == pytest.approx(error, rel=1e-6)
            assert bounds.p_below(high) == pytest.approx(error, rel=1e-6)
        assert quantile * 0.01 <= min(-low, high) + 1e-12
        assert max(-low, high) <= min(1.0, 2 * quantile * 0.01)
        reaches.append(max(-low, high) / quantile)
    assert reaches == pytest.approx(sorted(reaches))
