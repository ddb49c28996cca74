"""Confusion of labels, and what sways a judge, against counts by hand, scipy, a bootstrap and published verdicts."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from assay.calibration.confusion import confusion
from assay.calibration.judge_bias import length_bias
from assay.records import Prediction
from assay.scoring.judges.pairwise import inconsistent_share, preference_of
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
    assert (bad.support, good.support) == (40, 60)
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

    assert found.counts == ((2, 0), (0, 0))
    assert (found.classes[1].sensitivity.value, found.classes[1].sensitivity.reason) == (None, "no item of this kind")


def test_no_item_has_no_confusion() -> None:
    found = confusion([], [])

    assert (found.labels, found.counts) == ((), ())


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


def replied(better: str) -> Prediction:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return Prediction(
        prediction_id="p", run_id="run-1", task="judging", data_date=now.date(), occurred_at=now, tenant_id="default",
        request_key="k", record_id="r", epoch=0, variant="default", stage="shadow", inference_version="v", input_hash="h",
        status="ok", output=json.dumps({"explanation": "", "better": better}), calls=1, started_at=now, finished_at=now,
        end_to_end_ms=1.0, masking_version="off",
    )  # fmt: skip


def replies_to_both_orders(straight: str, swapped: str) -> tuple[Prediction, Prediction]:
    """A verdict is 1 or 2, for the answer so named in the original order."""
    return replied({"1": "first", "2": "second"}[straight]), replied({"1": "second", "2": "first"}[swapped])


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
            found = [preference_of(*replies_to_both_orders(*pair)) for pair in pairs]
            assert (len(found), inconsistent_share(found)) == (total, pytest.approx(1 - same / total))
    assert compared == 65
