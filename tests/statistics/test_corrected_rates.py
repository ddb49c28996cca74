"""Corrected rates against published intervals, the authors' package, a second derivation and their own promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import proportion_confint

from assay.statistics.labels.corrected_rates import (
    CorrectedRate,
    Shares,
    human_rate,
    lang_reiczigel,
    ppi_rate,
    rogan_gladen_rate,
)
from assay.statistics.labels.label_groups import jeffreys_bounds
from assay.statistics.labels.labeled_sample import Calibration, JudgedSample, Strata
from assay.statistics.measured import Status, exact_bounds, proportion_interval

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
    alone = exact_bounds(float(label), 40, error=0.025)
    assert bounds(ppi_rate(judged)) == pytest.approx(alone), "the labels are random: they hold for both verdicts"
    assert bounds(human_rate(judged))[1] - bounds(human_rate(judged))[0] > 0.05
    # Drawn by verdict, the other verdict, 32 or 60% of all, is anyone's guess.
    inclusion = np.where(np.arange(500) < 20, 0.1, 0.2)
    by_verdict = bounds(ppi_rate(replace(judged, inclusion=inclusion, calibration=STRATIFIED)))
    assert by_verdict[1] - by_verdict[0] >= (0.32 if verdict == 1 else 0.6)


def test_bounds_are_exact_in_a_verdict_with_few_labels_of_one_outcome() -> None:
    few, enough = (yes_no((1, 1, 199 - n), (1, 0, n), (0, 0, 30), (0, 1, 9), unlabeled=(900, 30)) for n in (2, 3))

    assert (ppi_rate(few).measured.method, ppi_rate(enough).measured.method) == (
        "ppi_mover_exact",
        "ppi_mover_jeffreys",
    )
    assert ppi_rate(few).measured.reason == (
        "exact bounds where a verdict or stratum has fewer than 3 labels of one outcome"
    )
    assert (ppi_rate(few).measured.status, ppi_rate(enough).measured.reason) == (Status.OK, None)


def test_few_labeled_failures_make_rogan_and_gladens_bounds_conservative() -> None:
    few, enough = (yes_no((1, 1, 60), (1, 0, 4), (0, 1, 6), (0, 0, n), unlabeled=(600, 300)) for n in (5, 6))

    assert rogan_gladen_rate(few).measured.reason == "9 human-labeled failures, fewer than 10: conservative bounds"
    assert rogan_gladen_rate(few).measured.status is Status.TOO_FEW
    assert rogan_gladen_rate(enough).measured.status is Status.OK


@pytest.mark.parametrize(("agreed", "method"), [(14, "ppi_labels_only_exact"), (15, "ppi_mover_jeffreys")])
def test_a_judge_that_the_labels_do_not_support_is_left_out(agreed: int, method: str) -> None:
    """Pearson's chi-square without correction is 3.6 and 5.0, and the 5% point is 3.84."""
    rows = (1, 1, agreed), (1, 0, 20 - agreed), (0, 1, 20 - agreed + 2), (0, 0, agreed - 2)
    table = [[agreed, 20 - agreed], [22 - agreed, agreed - 2]]
    judged = yes_no(*rows, unlabeled=(500, 460))

    found = ppi_rate(judged).measured

    assert (chi2_contingency(table, correction=False).pvalue < 0.05) == (method == "ppi_mover_jeffreys")
    assert found.method == method
    if method == "ppi_labels_only_exact":
        assert found.value == human_rate(judged).measured.value
        assert (found.low, found.high) == pytest.approx(exact_bounds(22 / 40, 40, error=0.025))
        assert found.reason == "the labels show no association with the verdicts: estimate of the labels alone"
        assert found.status is Status.OK


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

    assert (found.measured.status, found.measured.reason) == (
        Status.TOO_FEW,
        "1 human labels, fewer than 10; the labels show no association with the verdicts: estimate of the labels alone",
    )
    assert bounds(found) == pytest.approx((0.025, 1.0))


def test_unequal_probabilities_leave_rogan_and_gladen_to_the_other_estimate() -> None:
    judged = replace(USUAL, inclusion=np.where(USUAL.judge == 1, 0.1, 0.2), calibration=STRATIFIED)

    assert (rogan_gladen_rate(judged).measured.reason or "").startswith("labels drawn with unequal probabilities")


def without_verdict(judged: JudgedSample, rows: int, *, labeled: int = 0) -> JudgedSample:
    """The judge scored neither the last rows, which have no labels, nor the first ones, which have."""
    judge = judged.judge.copy()
    judge[len(judge) - rows :] = np.nan
    judge[:labeled] = np.nan
    return replace(judged, judge=judge)


def test_an_unscored_verdict_is_a_verdict_of_its_own() -> None:
    """Post-stratification by hand: pass 650, fail 280, unscored 70 rows with 60, 34 and 6 labels."""
    found = ppi_rate(without_verdict(USUAL, 32, labeled=38)).measured

    shares = np.array([0.650, 0.280, 0.070])
    assert USUAL.judge[:38].sum() == 38
    rates = np.array([22 / 30, 6 / 32, 1.0])
    assert shares.sum() == 1
    # 650 = 688 - 38 passed rows, of which 30 are labeled; 280 = 312 - 32 failed rows, none of them labeled.
    assert found.value == pytest.approx(float(shares @ rates))
    assert (found.n, found.status, found.reason) == (
        1000,
        Status.OK,
        "exact bounds where a verdict or stratum has fewer than 3 labels of one outcome; "
        "70 of 1000 verdicts unscored: a verdict class of their own",
    )


@pytest.mark.parametrize("estimate", [ppi_rate, rogan_gladen_rate])
def test_one_more_unscored_verdict_never_removes_or_moves_an_estimate_by_much(estimate: object) -> None:
    assert callable(estimate)
    found = [estimate(without_verdict(USUAL, rows)).measured for rows in range(1, 40)]

    assert all(one.value is not None and one.n == 1000 for one in found)
    for measure in ("value", "low", "high"):
        steps = np.diff([getattr(one, measure) for one in found])
        assert np.abs(steps).max() < 0.002, "no jump at any share"


def test_a_judge_that_fails_to_read_the_bad_rows_misleads_only_who_drops_them() -> None:
    """The judge scores no row of a kind of which people pass few; the labels hold for all rows."""
    random, covered, naive = np.random.default_rng(23), {"ppi": 0, "rogan_gladen": 0}, 0
    for _ in range(300):
        judged = simulated(random, rows=600, labels=120, rate=0.7, right=(0.9, 0.8), by_verdict=False)
        truth_rate, hidden = 0.7, random.random(600) < 0.08
        labels = np.where(hidden & ~np.isnan(judged.labels), random.random(600) < 0.1, judged.labels)
        truth_rate = 0.92 * 0.7 + 0.08 * 0.1
        unread = replace(judged, labels=labels, judge=np.where(hidden, np.nan, judged.judge))
        for name, estimate in (("ppi", ppi_rate), ("rogan_gladen", rogan_gladen_rate)):
            low, high = bounds(estimate(unread))
            covered[name] += low <= truth_rate <= high
        kept = ~hidden
        dropped = replace(unread, judge=judged.judge[kept], labels=labels[kept], inclusion=None)
        low, high = bounds(ppi_rate(dropped))
        naive += low <= truth_rate <= high

    assert covered["ppi"] / 300 >= 0.93
    assert covered["rogan_gladen"] / 300 >= 0.93
    assert naive < min(covered.values())


def test_a_tie_of_annotators_is_half_a_pass_in_every_rate() -> None:
    judged = yes_no((1, 1, 60), (1, 0, 8), (0, 1, 6), (0, 0, 26), unlabeled=(620, 280))
    labels = judged.labels.copy()
    labels[[0, 1, 60, 61, 62, 63]] = 0.5  # two passes and four failures, all of them passed by the judge
    tied = replace(judged, labels=labels)

    assert human_rate(tied).measured.value == pytest.approx((58 + 3 + 6) / 100)
    assert ppi_rate(tied).measured.value == pytest.approx(0.688 * 61 / 68 + 0.312 * 6 / 32)
    assert ppi_rate(tied).measured.method == "ppi_mover_jeffreys", "a tie does not change the method"
    found = rogan_gladen_rate(tied)
    assert found.sensitivity == pytest.approx(61 / 67)
    assert found.specificity == pytest.approx(26 / 33)
    assert (found.passes, found.failures) == (67, 33)


# Strata.


def stratified(
    random: np.random.Generator, sizes: dict[str, int], drawn: dict[str, int], rates: dict[str, float]
) -> JudgedSample:
    """Rows in strata with these rates, of which some in each are labeled."""
    of_row = np.repeat(list(sizes), list(sizes.values()))
    truth = (random.random(len(of_row)) < np.repeat([rates[name] for name in sizes], list(sizes.values()))).astype(
        float
    )
    chosen = np.zeros(len(of_row), dtype=bool)
    for name in sizes:
        chosen[random.choice(np.flatnonzero(of_row == name), drawn[name], replace=False)] = True
    share = {name: drawn[name] / sizes[name] for name in sizes}
    return JudgedSample(
        judge=np.zeros(len(of_row)),
        labels=np.where(chosen, truth, np.nan),
        inclusion=np.array([share[name] or np.nan for name in of_row]),
        strata=Strata(
            of_row=[str(name) if kept else None for name, kept in zip(of_row, chosen, strict=True)], sizes=sizes
        ),
        calibration=STRATIFIED,
    )


def test_a_stratified_sample_is_estimated_within_its_strata() -> None:
    """Cochran, Sampling Techniques, §5.3 and §12.2: variance of two phases, with the finite population correction."""
    sizes, drawn = {"a": 2000, "b": 600, "c": 400}, {"a": 200, "b": 150, "c": 150}
    judged = stratified(np.random.default_rng(3), sizes, drawn, {"a": 0.8, "b": 0.4, "c": 0.5})
    names = np.repeat(list(sizes), list(sizes.values()))
    labels = {name: judged.labels[(names == name) & ~np.isnan(judged.labels)] for name in sizes}
    weights = {name: size / 3000 for name, size in sizes.items()}
    value = sum(weights[name] * labels[name].mean() for name in sizes)
    second = sum(
        weights[name] ** 2 * (1 - drawn[name] / sizes[name]) * labels[name].var(ddof=1) / drawn[name] for name in sizes
    )
    error = (second + value * (1 - value) / 3000) ** 0.5

    found = human_rate(judged)

    assert found.measured.value == pytest.approx(value)
    assert found.measured.method == "stratified_mover_jeffreys"
    low, high = bounds(found)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.02)
    one_sample = bounds(human_rate(replace(judged, strata=None)))
    assert high - low < 0.95 * (one_sample[1] - one_sample[0]), "strata are narrower than weights alone"


def test_one_stratum_is_a_random_sample() -> None:
    judged = stratified(np.random.default_rng(4), {"a": 900}, {"a": 120}, {"a": 0.7})

    assert human_rate(judged).measured == human_rate(replace(judged, strata=None)).measured


def test_a_stratum_without_labels_may_have_any_rate() -> None:
    sizes, rates = {"a": 500, "b": 400, "c": 100}, {"a": 0.8, "b": 0.5, "c": 0.5}
    judged = stratified(np.random.default_rng(5), sizes, {"a": 60, "b": 60, "c": 0}, rates)

    found = human_rate(judged).measured

    whole = human_rate(stratified(np.random.default_rng(5), sizes, {"a": 60, "b": 60, "c": 50}, rates)).measured
    assert (found.high or 0) - (found.low or 0) > 0.1 + 0.5 * ((whole.high or 0) - (whole.low or 0))
    assert "10.0% of the rows are in strata without labels" in str(found.reason)


@pytest.mark.parametrize(
    ("sizes", "drawn", "rates"),
    [
        ({"pass": 1350, "fail": 150}, {"pass": 50, "fail": 50}, {"pass": 0.95, "fail": 0.3}),
        ({"pass": 1350, "fail": 150}, {"pass": 30, "fail": 30}, {"pass": 0.98, "fail": 0.1}),
        ({f"s{n}": 75 for n in range(20)}, {f"s{n}": 4 for n in range(20)}, {f"s{n}": 0.6 + n / 60 for n in range(20)}),
        ({f"s{n}": 75 for n in range(20)}, {f"s{n}": 2 for n in range(20)}, {f"s{n}": 0.9 for n in range(20)}),
    ],
)
def test_the_true_rate_is_covered_by_a_stratified_sample(
    sizes: dict[str, int], drawn: dict[str, int], rates: dict[str, float]
) -> None:
    """The sizes of the strata are random, as the rows are a sample of the population."""
    random, covered, rounds = np.random.default_rng(31), 0, 500
    rows = sum(sizes.values())
    truth = sum(sizes[name] / rows * rates[name] for name in sizes)
    for _ in range(rounds):
        counts = random.multinomial(rows, [size / rows for size in sizes.values()])
        low, high = bounds(
            human_rate(stratified(random, dict(zip(sizes, map(int, counts), strict=True)), drawn, rates))
        )
        covered += low <= truth <= high

    assert covered / rounds >= 0.93


def test_a_census_leaves_only_the_sampling_of_the_records() -> None:
    """All rows of the run are labeled: the interval is that of any rate of 150 records, and has a width."""
    judged = replace(
        yes_no((1, 1, 60), (1, 0, 15), (0, 1, 12), (0, 0, 63)),
        inclusion=np.ones(150),
        calibration=replace(RANDOM, design="census"),
    )
    expected = proportion_interval(72, 150)

    assert bounds(human_rate(judged)) == pytest.approx((expected.low, expected.high))
    assert bounds(ppi_rate(judged)) == pytest.approx((expected.low, expected.high), abs=0.02)


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
