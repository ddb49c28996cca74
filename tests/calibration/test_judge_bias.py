"""Confusion of labels, and what sways a judge, against counts by hand, scipy, a bootstrap and published verdicts."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from assay.calibration.confusion import confusion
from assay.calibration.judge_bias import length_bias, position_bias
from assay.statistics.measured import Status
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling
from tests.paths import SHARED

JUDGES = SHARED / "data" / "judge"
needs_data = pytest.mark.skipif(
    not JUDGES.is_dir(), reason="the public data sets are not beside the checkout (../shared/data)"
)
TRUTH = ["good"] * 60 + ["bad"] * 40
JUDGED = ["good"] * 50 + ["bad"] * 10 + ["bad"] * 30 + ["good"] * 10


def test_each_class_has_its_rates_with_intervals() -> None:
    found = confusion(TRUTH, JUDGED)

    bad, good = found.classes
    assert (found.labels, found.counts) == (("bad", "good"), ((30, 10), (10, 50)))
    assert (found.accuracy.value, bad.support, good.support) == (0.8, 40, 60)
    assert (bad.sensitivity.value, bad.specificity.value, bad.precision.value) == (0.75, 50 / 60, 0.75)
    assert (bad.sensitivity.low, bad.sensitivity.high) == pytest.approx(proportion_confint(30, 40, method="wilson"))
    assert good.sensitivity.value == bad.specificity.value


def test_weights_and_clusters_reach_every_rate() -> None:
    weights = [1.0 if label == "good" else 5.0 for label in JUDGED]

    found = confusion(TRUTH, JUDGED, sampling=Sampling(weights=weights, clusters=[i // 2 for i in range(100)]))

    assert found.counts == ((30, 10), (10, 50))
    assert found.classes[0].sensitivity.value == pytest.approx(150 / 160)
    assert found.classes[0].sensitivity.clusters == 20


def test_a_class_that_nobody_is_of_has_no_rate() -> None:
    found = confusion(["a", "a", None], ["a", "a", "b"], categories=("a", "b"))

    assert (found.counts, found.accuracy.n) == (((2, 0), (0, 0)), 2)
    assert (found.classes[1].sensitivity.value, found.classes[1].sensitivity.reason) == (None, "no such item")


def test_no_item_has_no_confusion() -> None:
    found = confusion([], [])

    assert (found.labels, found.counts, found.accuracy.value) == ((), (), None)


@pytest.mark.parametrize("ties", [False, True])
def test_without_human_labels_it_is_spearmans_correlation(ties: bool) -> None:
    random = np.random.default_rng(3)
    scores, lengths = random.normal(size=80), random.normal(size=80)
    if ties:
        scores, lengths = scores.round(), (scores + lengths).round()

    found = length_bias(scores.tolist(), lengths.tolist())

    assert found.value == pytest.approx(float(stats.spearmanr(scores, lengths).statistic), abs=1e-9)
    assert found.low < found.value < found.high


def judged(random: np.random.Generator, n: int, *, sway: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Verdicts that follow people, and length by `sway`; good answers are longer by themselves."""
    human = random.integers(0, 2, n)
    lengths = random.lognormal(5 + 0.8 * human, 0.6, n)
    long = lengths > np.median(lengths)
    return (random.random(n) < 0.2 + 0.5 * human + sway * long).astype(float), lengths, human


def test_length_that_goes_with_quality_is_no_bias() -> None:
    scores, lengths, human = judged(np.random.default_rng(5), 3000, sway=0.0)

    plain = length_bias(scores.tolist(), lengths.tolist())
    given = length_bias(scores.tolist(), lengths.tolist(), human=human.tolist())

    assert plain.low > 0.1
    assert given.low < 0 < given.high


def test_a_judge_that_likes_length_is_found_out() -> None:
    scores, lengths, human = judged(np.random.default_rng(5), 1000, sway=0.25)

    assert length_bias(scores.tolist(), lengths.tolist(), human=human.tolist()).low > 0


def test_the_interval_of_the_length_bias_comes_near_a_seeded_bootstrap() -> None:
    random = np.random.default_rng(6)
    scores, lengths, human = judged(random, 300, sway=0.2)
    resampled = []
    for _ in range(500):
        rows = random.integers(300, size=300)
        resampled.append(length_bias(scores[rows].tolist(), lengths[rows].tolist(), human=human[rows].tolist()).value)

    found = length_bias(scores.tolist(), lengths.tolist(), human=human.tolist())

    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.025)


@pytest.mark.parametrize(
    ("scores", "lengths", "says"),
    [
        ([1, 0, 1], [10, 20, 30], "at least 10"),
        ([1] * 30, list(range(30)), "do not vary"),
        ([None] * 30, list(range(30)), "at least 10"),
        (list(range(30)), list(range(30)), "agree perfectly"),
    ],
)
def test_a_length_bias_that_cannot_be_seen_is_not_said(scores: list[float], lengths: list[float], says: str) -> None:
    found = length_bias(scores, lengths)

    assert (found.low, found.high) == (None, None)
    assert says in (found.reason or "")


def test_flips_and_the_place_that_is_preferred_are_counted() -> None:
    # Of 100 pairs: 60 steady, 30 flip to whatever comes first, 10 to whatever comes second.
    original, swapped = [1] * 60 + [1] * 30 + [2] * 10, [1] * 60 + [2] * 30 + [1] * 10

    found = position_bias(original, swapped)

    assert found.flipped == rate([0.0] * 60 + [1.0] * 40)
    assert found.prefers_first.value == pytest.approx(0.6)
    assert found.prefers_first.method == "exact_paired"
    assert 0.5 < found.prefers_first.low < 0.6 < found.prefers_first.high < 0.7


def test_a_steady_judge_prefers_no_place_and_says_how_sure_that_is() -> None:
    found = position_bias([1, 2] * 50, [1, 2] * 50)

    assert (found.flipped.value, found.prefers_first.value) == (0.0, 0.5)
    assert 0.45 < found.prefers_first.low < 0.5 < found.prefers_first.high < 0.55


def test_ties_count_half_and_clusters_widen() -> None:
    original, swapped = [0, 1, 1, 2] * 30, [2, 2, 1, 0] * 30
    sampling = Sampling(clusters=[i // 12 for i in range(120)])

    alone, together = position_bias(original, swapped), position_bias(original, swapped, sampling=sampling)

    assert alone.flipped.value == 0.75
    assert alone.prefers_first.value == (0.75 + 1.0 + 0.5 + 0.25) / 4
    assert (together.prefers_first.clusters, together.prefers_first.status) == (10, Status.WARNING)


def test_a_pair_with_one_verdict_is_unscored_and_a_strange_verdict_refused() -> None:
    found = position_bias([1] * 8 + [None] * 2, [1] * 10)

    assert (found.flipped.status, found.prefers_first.status) == (Status.UNSCORED, Status.UNSCORED)
    with pytest.raises(ValueError, match="0, 1, 2 or None"):
        position_bias([3], [1])
    assert position_bias([], []).flipped.reason == "no prediction"


@needs_data
def test_the_steadiness_of_llmbars_judges_is_as_published() -> None:
    verdicts: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    with (JUDGES / "llmbar_evaluator_decisions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["subset"], row["evaluator"], row["strategy"])
            verdicts.setdefault(key, []).append((row["winner_swap_false"], row["winner_swap_true"]))
    compared = 0
    with (JUDGES / "llmbar_published_statistics.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            pairs = verdicts[row["subset"], row["evaluator"], row["strategy"]]
            if any("" in pair for pair in pairs):
                continue
            compared += 1
            same, total = (int(part) for part in row["equal"].split(" = ")[0].split(" / "))
            found = position_bias([int(a) for a, _ in pairs], [int(b) for _, b in pairs])
            assert (found.flipped.n, found.flipped.value) == (total, pytest.approx(1 - same / total))
    assert compared == 65
