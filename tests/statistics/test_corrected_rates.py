"""Corrected rates against published intervals, the authors' package, a second derivation and their own promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.statistics.corrected_rates import (
    CorrectedRate,
    Shares,
    human_rate,
    jeffreys_bounds,
    lang_reiczigel,
    ppi_rate,
    rogan_gladen_rate,
)
from assay.statistics.labeled_sample import Calibration, JudgedSample
from assay.statistics.measured import Status, proportion_interval

RANDOM = Calibration(design="random", frame="production answers of 2026-11-01", drawn_on=date(2026, 11, 2))
STRATIFIED = replace(RANDOM, design="stratified")


def yes_no(*cells: tuple[int, int, int], unlabeled: tuple[int, int] = (0, 0)) -> JudgedSample:
    """Labeled rows as (judge, person, how many), and how many unlabeled rows the judge passed and failed."""
    judge = [verdict for verdict, _, count in cells for _ in range(count)]
    labels: list[float] = [label for _, label, count in cells for _ in range(count)]
    judge += [1] * unlabeled[0] + [0] * unlabeled[1]
    labels += [np.nan] * sum(unlabeled)
    return JudgedSample(judge=np.array(judge, dtype=float), labels=np.array(labels), calibration=RANDOM)


USUAL = yes_no((1, 1, 60), (1, 0, 8), (0, 1, 6), (0, 0, 26), unlabeled=(620, 280))


def simulated(
    random: np.random.Generator, *, rows: int, labels: int, rate: float, right: tuple[float, float], by_verdict: bool
) -> JudgedSample:
    """A population with a judge of that sensitivity and specificity, and labels drawn at random or evenly by verdict."""
    truth = (random.random(rows) < rate).astype(float)
    judge = np.where(random.random(rows) < np.where(truth == 1, right[0], right[1]), truth, 1 - truth)
    inclusion = np.full(rows, labels / rows)
    drawn = random.permutation(rows) < labels
    if by_verdict:
        drawn = np.zeros(rows, dtype=bool)
        for verdict in (0, 1):
            own = np.flatnonzero(judge == verdict)
            count = min(len(own), labels // 2)
            drawn[random.choice(own, count, replace=False)] = True
            inclusion[own] = count / max(1, len(own))
    return JudgedSample(
        judge=judge,
        labels=np.where(drawn, truth, np.nan),
        inclusion=inclusion,
        calibration=STRATIFIED if by_verdict else RANDOM,
    )


def bounds(found: CorrectedRate) -> tuple[float, float]:
    assert found.measured.low is not None and found.measured.high is not None
    return found.measured.low, found.measured.high


# Published values and second implementations.


@pytest.mark.parametrize(
    ("shares", "low", "high", "digits"),
    [
        # Lang & Reiczigel, Prev. Vet. Med. 113 (2014) 13, examples 1 to 4.
        ((4060 / 11284, 11284, 178 / 179, 179, 358 / 359, 359), 0.349, 0.372, 3),
        ((51 / 2971, 2971, 32 / 33, 33, 20 / 20, 20), 0.0, 0.053, 3),
        ((0.06, 11862, 0.80, 10, 1.0, 12), 0.0, 0.147, 3),
        ((259 / 509, 509, 84 / 127, 127, 96 / 109, 109), 0.58, 0.87, 2),
        ((51 / 509, 509, 23 / 41, 41, 187 / 195, 195), 0.037, 0.195, 3),
    ],
)
def test_lang_and_reiczigels_interval_is_as_published(
    shares: tuple[float, ...], low: float, high: float, digits: int
) -> None:
    names = ("passed", "n", "sensitivity", "positives", "specificity", "negatives")
    found = lang_reiczigel(Shares(**dict(zip(names, shares, strict=True))))

    assert (round(max(0.0, found[0]), digits), round(found[1], digits)) == (low, high)


@pytest.mark.parametrize(("passes", "n"), [(3, 20), (19, 40), (1, 30)])
def test_jeffreys_bounds_are_those_of_statsmodels(passes: int, n: int) -> None:
    expected = proportion_confint(passes, n, alpha=0.05, method="jeffreys")

    assert jeffreys_bounds(passes / n, n, error=0.025) == pytest.approx(expected, abs=1e-6)


def test_the_tuned_estimate_is_that_of_the_authors_package() -> None:
    """ppi-python 0.2.3 on these figures: 0.50354343, interval 0.4687276 to 0.53835927; its covariance pools all rows."""
    place = np.arange(400)
    truth = (place * 37 % 101) / 100
    judge = np.clip(truth + (place * 53 % 21 - 8) / 50, 0, 1)

    found = ppi_rate(JudgedSample(judge=judge, labels=np.where(place < 80, truth, np.nan), calibration=RANDOM))

    assert found.measured.method == "ppi_t"
    assert found.measured.value == pytest.approx(0.50354343, abs=2e-5)
    assert bounds(found) == pytest.approx((0.4687276, 0.53835927), abs=2e-3)
    # The estimate of the paper at this tuning, with the judge's mean over unlabeled rows.
    tuned = (found.tuning or 0.0) * 320 / 400
    paper = tuned * judge[80:].mean() + (truth[:80] - tuned * judge[:80]).mean()
    assert found.measured.value == pytest.approx(paper, abs=1e-12)


def test_with_yes_and_no_the_tuned_estimate_is_the_labels_within_each_verdict() -> None:
    found = ppi_rate(USUAL)

    judge, drawn = USUAL.judge, ~np.isnan(USUAL.labels)
    slope = np.polyfit(judge[drawn], USUAL.labels[drawn], 1)[0]
    regression = slope * judge.mean() + (USUAL.labels[drawn] - slope * judge[drawn]).mean()
    assert found.measured.value == pytest.approx(regression, abs=1e-12)
    assert found.tuning == pytest.approx(slope)
    assert found.measured.value == pytest.approx(0.688 * 60 / 68 + 0.312 * 6 / 32)


def test_rogan_and_gladens_estimate_is_their_formula() -> None:
    found = rogan_gladen_rate(USUAL)

    sensitivity, specificity = 60 / 66, 26 / 34
    assert (found.sensitivity, found.specificity) == (pytest.approx(sensitivity), pytest.approx(specificity))
    assert found.measured.value == pytest.approx((0.688 + specificity - 1) / (sensitivity + specificity - 1))


def test_all_rows_labeled_leave_what_people_said() -> None:
    judged = yes_no((1, 1, 60), (1, 0, 15), (0, 1, 12), (0, 0, 63))

    for estimate in (human_rate, ppi_rate, rogan_gladen_rate):
        found = estimate(judged)
        assert found.measured.value == pytest.approx(72 / 150)
        expected = proportion_interval(72, 150)
        assert bounds(found) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_human_labels_alone_are_a_rate_like_any_other() -> None:
    found, expected = human_rate(USUAL), proportion_interval(66, 100)

    assert (found.measured.value, *bounds(found)) == pytest.approx((0.66, expected.low, expected.high))
    assert (found.labels, found.passes, found.failures, found.calibration) == (100, 66, 34, RANDOM)


def test_labels_weigh_one_over_their_probability() -> None:
    judged = replace(USUAL, inclusion=np.where(USUAL.labels == 0, 0.5, 0.1), calibration=STRATIFIED)

    assert human_rate(judged).measured.value == pytest.approx(660 / (660 + 68))
    assert ppi_rate(judged).measured.value == pytest.approx(0.688 * 600 / 616 + 0.312 * 60 / 112)


# What may not be said.


@pytest.mark.parametrize("estimate", [human_rate, ppi_rate, rogan_gladen_rate])
def test_labels_that_are_no_probability_sample_give_no_estimate(estimate: object) -> None:
    assert callable(estimate)
    for calibration, reason in (
        (replace(RANDOM, design="triage"), "labels of design triage are not a probability sample"),
        (replace(RANDOM, mismatch="scorer version a, not b"), "the labels do not apply: scorer version a, not b"),
    ):
        found = estimate(replace(USUAL, calibration=calibration))
        assert (found.measured.value, found.measured.low, found.measured.high) == (None, None, None)
        assert (found.measured.reason, found.labels) == (reason, 100)
    nothing = estimate(yes_no(unlabeled=(5, 5)))
    assert (nothing.measured.reason, nothing.labels) == ("no human labels", 0)
    none_drawn = estimate(replace(USUAL, inclusion=np.zeros(1000)))
    assert none_drawn.measured.reason == "a labeled row has no inclusion probability"


def test_a_judge_no_better_than_chance_is_not_corrected_by_its_errors() -> None:
    judged = yes_no((1, 1, 30), (1, 0, 30), (0, 1, 20), (0, 0, 20), unlabeled=(500, 400))

    found = rogan_gladen_rate(judged)

    assert found.measured.value is None
    assert found.measured.reason == (
        "the judge separates passes from failures no better than chance: sensitivity 0.600 + specificity 0.400 is at most 1"
    )
    assert ppi_rate(judged).measured.value == pytest.approx(0.53 * 0.5 + 0.47 * 0.5)


@pytest.mark.parametrize("verdict", [0, 1])
@pytest.mark.parametrize("label", [0, 1])
def test_labels_that_are_all_the_same_leave_an_open_interval(verdict: int, label: int) -> None:
    judged = yes_no((verdict, label, 40), unlabeled=(300, 160))

    assert rogan_gladen_rate(judged).measured.value is None
    for found in (human_rate(judged), ppi_rate(judged)):
        low, high = bounds(found)
        assert high - low > 0.05 and low <= (found.measured.value or 0.0) <= high
    assert ppi_rate(judged).measured.status is Status.TOO_FEW
    low, high = bounds(ppi_rate(judged))
    # The other verdict, 32 or 60% of all, is anyone's guess.
    assert high - low >= (0.32 if verdict == 1 else 0.6)


def test_few_labeled_failures_make_bounds_conservative() -> None:
    few, enough = (yes_no((1, 1, 60), (1, 0, 4), (0, 1, 6), (0, 0, n), unlabeled=(600, 300)) for n in (5, 6))

    assert ppi_rate(few).measured.reason == "9 human-labeled failures, fewer than 10: conservative bounds"
    assert (ppi_rate(few).measured.method, ppi_rate(enough).measured.method) == (
        "ppi_mover_exact",
        "ppi_mover_jeffreys",
    )
    assert rogan_gladen_rate(few).measured.status is Status.TOO_FEW
    assert ppi_rate(enough).measured.status is Status.OK


def test_few_labels_that_dissent_from_the_verdict_make_bounds_conservative() -> None:
    few, enough = (yes_no((1, 1, 199 - n), (1, 0, n), (0, 0, 10), (0, 1, 1), unlabeled=(900, 30)) for n in (2, 3))

    assert ppi_rate(few).measured.reason == (
        "2 labels of the rarer outcome in a verdict, fewer than 3: conservative bounds"
    )
    assert (ppi_rate(few).measured.method, ppi_rate(enough).measured.method) == (
        "ppi_mover_exact",
        "ppi_mover_jeffreys",
    )
    assert (ppi_rate(enough).measured.status, ppi_rate(enough).measured.reason) == (Status.OK, None)


@pytest.mark.parametrize("verdict", [1, 0])
def test_a_judge_that_passes_an_impossible_share_is_not_corrected_by_its_errors(verdict: int) -> None:
    """Half of the passes are found, but nearly all rows pass; and the mirror image."""
    cells = [(verdict, verdict, 30), (1 - verdict, verdict, 30), (1 - verdict, 1 - verdict, 40)]

    found = rogan_gladen_rate(yes_no(*cells, unlabeled=(900, 0) if verdict else (0, 900)))

    assert found.measured.value is None
    assert found.measured.reason == (
        "the judge's pass rate is impossible given its sensitivity and specificity on the labels"
    )


def test_one_label_and_one_row_say_nearly_nothing() -> None:
    found = ppi_rate(yes_no((1, 1, 1)))

    assert found.measured.status is Status.TOO_FEW
    assert bounds(found) == (0.0, 1.0)


def test_unequal_probabilities_leave_rogan_and_gladen_to_the_other_estimate() -> None:
    judged = replace(USUAL, inclusion=np.where(USUAL.judge == 1, 0.1, 0.2), calibration=STRATIFIED)

    assert (rogan_gladen_rate(judged).measured.reason or "").startswith("labels drawn with unequal probabilities")


def test_rows_without_a_score_of_the_judge_are_left_out_up_to_one_in_a_hundred() -> None:
    judge = USUAL.judge.copy()
    judge[-10:] = np.nan
    assert ppi_rate(replace(USUAL, judge=judge)).measured.n == 990
    judge[-11:] = np.nan
    found = ppi_rate(replace(USUAL, judge=judge)).measured
    assert (found.value, found.status, found.reason) == (
        None,
        Status.UNSCORED,
        "the judge did not score 11 of 1000 rows",
    )


def test_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"labels: expected one entry per judged row \(1000\), found 3"):
        ppi_rate(replace(USUAL, labels=np.ones(3)))
    with pytest.raises(ValueError, match=r"judge: expected scores from 0 to 1, found 1\.5"):
        ppi_rate(replace(USUAL, judge=USUAL.judge * 1.5))


# Clusters and coverage.


def test_clusters_widen_the_interval_and_few_of_them_decide_nothing() -> None:
    alone = bounds(ppi_rate(USUAL))
    order = np.argsort(np.nan_to_num(USUAL.labels, nan=0.5) + USUAL.judge, kind="stable")
    alike = np.empty(1000, dtype=int)
    alike[order] = np.arange(1000) // 25

    found = ppi_rate(replace(USUAL, clusters=alike.tolist()))

    assert bounds(found)[1] - bounds(found)[0] > 1.5 * (alone[1] - alone[0])
    few = ppi_rate(replace(USUAL, clusters=(np.arange(1000) % 9).tolist())).measured
    assert (few.status, few.reason) == (Status.INCONCLUSIVE, "labels in 9 clusters, fewer than 10")
    warned = ppi_rate(replace(USUAL, clusters=(np.arange(1000) % 25).tolist())).measured
    assert (warned.status, warned.reason) == (Status.WARNING, "labels in 25 clusters, fewer than 30")
    one = ppi_rate(replace(USUAL, clusters=[0] * 1000)).measured
    assert (one.value, one.reason) == (
        None,
        "all labels are in one cluster, so the variance between clusters is unknown",
    )


def test_labels_that_are_all_the_same_count_once_for_each_cluster() -> None:
    judged = yes_no((1, 1, 200), unlabeled=(800, 0))

    found = ppi_rate(replace(judged, clusters=(np.arange(1000) % 40).tolist()))

    # Clopper and Pearson's bound of 40 of 40, and of 200 of 200 without clusters.
    assert bounds(found) == (pytest.approx(0.025 ** (1 / 40), abs=1e-3), 1.0)
    assert bounds(ppi_rate(judged)) == (pytest.approx(0.025 ** (1 / 200), abs=1e-3), 1.0)


@pytest.mark.parametrize("by_verdict", [False, True])
def test_the_true_rate_is_covered_about_as_often_as_promised(by_verdict: bool) -> None:
    random, covered, rounds = np.random.default_rng(11), {"ppi": 0, "rogan_gladen": 0}, 400
    for _ in range(rounds):
        judged = simulated(random, rows=600, labels=80, rate=0.7, right=(0.9, 0.8), by_verdict=by_verdict)
        for name, estimate in (("ppi", ppi_rate), ("rogan_gladen", rogan_gladen_rate)):
            if not (by_verdict and name == "rogan_gladen"):
                low, high = bounds(estimate(judged))
                covered[name] += low <= 0.7 <= high

    assert 0.92 <= covered["ppi"] / rounds <= 0.98
    assert by_verdict or 0.92 <= covered["rogan_gladen"] / rounds <= 0.99


def test_labels_chosen_by_the_verdict_mislead_who_takes_them_for_random() -> None:
    judged = simulated(np.random.default_rng(5), rows=4000, labels=400, rate=0.8, right=(0.9, 0.8), by_verdict=True)

    naive = human_rate(replace(judged, inclusion=None, calibration=RANDOM))

    assert bounds(naive)[1] < 0.8
    assert bounds(human_rate(judged))[0] < 0.8 < bounds(human_rate(judged))[1]
    assert bounds(ppi_rate(judged))[0] < 0.8 < bounds(ppi_rate(judged))[1]
