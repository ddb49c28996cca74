"""A judge's rate corrected by 30 to 300 human labels: drawn at random, evenly by verdict, in clusters, and fractional scores.

Also a judge that leaves some rows unscored, of which fewer pass than of the others.

Naive: labels drawn evenly by verdict and treated as random, the judge's rate as it is, and PPI++ with the normal interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from assay.statistics.labels.corrected_rates import human_rate, ppi_rate, rogan_gladen_rate
from assay.statistics.labels.labeled_sample import Calibration, JudgedSample, Strata
from assay.statistics.measured import Measured, Status, wilson_bounds
from tests.benchmarks.coverage.cells import BAND, CONSERVATIVE, Cell, Figure, Tallies, generator

ROWS = 1500
LABELS = (30, 60, 100, 300)
RATES = (0.6, 0.8, 0.95)
JUDGES = ((0.9, 0.9), (0.8, 0.7), (0.97, 0.6), (0.6, 0.5))
"""Sensitivity and specificity."""
CLUSTERS = ((20, 0.1), (50, 0.2), (200, 0.1))
"""How many, and the correlation within."""
RANDOM = Calibration(design="random", frame="simulated")
STRATIFIED = replace(RANDOM, design="stratified")
LITTLE = {Status.TOO_FEW, Status.INCONCLUSIVE}
ENOUGH_FAILURES, ENOUGH_DISSENT = 16, 6
"""Expected counts from which a sample is hardly ever called too few."""
Z = 1.959964


def cells(samples: int) -> Iterator[Cell]:
    """One for each design, number of labels, rate and judge; then clusters, then scores between 0 and 1."""
    for design, labels, rate, judge in product(("random", "by verdict"), LABELS, RATES, JUDGES):
        key = f"corrected/{design} labels={labels} rate={rate} judge={judge[0]},{judge[1]}"
        yield Cell(key, partial(run, key, design, labels, rate, judge, None, samples))
    for design, labels, clusters in product(("random", "by verdict"), (100, 300), CLUSTERS):
        key = f"corrected/{design} labels={labels} G={clusters[0]} icc={clusters[1]}"
        yield Cell(key, partial(run, key, design, labels, 0.7, (0.85, 0.8), clusters, samples))
    for weighted, labels in product((False, True), (60, 100, 300)):
        key = f"corrected/fractions {'weighted' if weighted else 'random'} labels={labels}"
        yield Cell(key, partial(fractions, key, weighted, labels, samples))
    for share, labels, rate in product((0.005, 0.02, 0.1), (60, 100, 300), (0.6, 0.9)):
        key = f"corrected/unscored {share:g} labels={labels} rate={rate}"
        yield Cell(key, partial(unscored, key, share, labels, rate, samples))


def run(
    key: str,
    design: str,
    labels: int,
    rate: float,
    judge: tuple[float, float],
    clusters: tuple[int, float] | None,
    samples: int,
) -> list[Figure]:
    """Figures of the shipped estimates and of the naive ones."""
    random = generator(key)
    wanted = CONSERVATIVE if little(design, labels, rate, judge) else BAND
    # Lang and Reiczigel's interval is wider than it has to be for good judges; clusters of labels with weights are not
    # told of the strata.
    strata = design == "random" or clusters is None
    promised = {"ppi": wanted, "rogan-gladen": CONSERVATIVE, "human": wanted if strata else CONSERVATIVE}
    settings = {"design": design, "labels": labels, "rate": rate, "sensitivity": judge[0], "specificity": judge[1]}
    tallies = Tallies(key, settings, promised)
    for _ in range(samples):
        judged = population(random, design, labels, rate, judge, clusters)
        add(tallies, "ppi", ppi_rate(judged).measured, rate)
        add(tallies, "human", human_rate(judged).measured, rate)
        if design == "random":
            add(tallies, "rogan-gladen", rogan_gladen_rate(judged).measured, rate)
        else:
            naive = replace(judged, inclusion=None, strata=None, calibration=RANDOM)
            add(tallies, "naive: as if random", human_rate(naive).measured, rate)
        passed = float(judged.judge.mean())
        tallies["naive: judge"].add(*wilson_bounds(passed, len(judged.judge), error=0.025), rate)
        tallies["naive: normal PPI++"].add(*normal_ppi(judged), rate)
    return tallies.figures()


def add(tallies: Tallies, method: str, found: Measured, truth: float) -> None:
    """One more estimate; one without bounds says that there is too little."""
    too_few = found.status in LITTLE or found.low is None
    tallies[method].add(found.low, found.high, truth, too_few=too_few)


def little(design: str, labels: int, rate: float, judge: tuple[float, float]) -> bool:
    """Whether samples are at times called too few, for failures or for labels that dissent from the usual verdict."""
    passed = rate * judge[0] + (1 - rate) * (1 - judge[1])
    drawn = passed if design == "random" else 0.5
    wrong = ((1 - rate) * (1 - judge[1]) / passed, rate * (1 - judge[0]) / (1 - passed))
    failures = labels * (drawn * wrong[0] + (1 - drawn) * (1 - wrong[1]))
    usual = passed / drawn**0.5 > (1 - passed) / (1 - drawn) ** 0.5
    dissent = labels * (drawn * min(wrong[0], 1 - wrong[0]) if usual else (1 - drawn) * min(wrong[1], 1 - wrong[1]))
    return min(failures, labels - failures) < ENOUGH_FAILURES or dissent < ENOUGH_DISSENT


def population(
    random: np.random.Generator,
    design: str,
    labels: int,
    rate: float,
    judge: tuple[float, float],
    clusters: tuple[int, float] | None,
) -> JudgedSample:
    """Judged rows of which some are labeled."""
    codes = own = None
    if clusters is not None:
        room = (1 - clusters[1]) / clusters[1]
        codes, own = random.integers(0, clusters[0], ROWS), random.beta(rate * room, (1 - rate) * room, clusters[0])
    truth = (random.random(ROWS) < (rate if own is None else own[codes])).astype(np.float64)
    verdicts = np.where(random.random(ROWS) < np.where(truth == 1, *judge), truth, 1 - truth)
    drawn, inclusion = random.permutation(ROWS) < labels, np.full(ROWS, labels / ROWS)
    if design != "random":
        drawn = np.zeros(ROWS, dtype=bool)
        for verdict in (0, 1):
            same = np.flatnonzero(verdicts == verdict)
            count = min(len(same), labels // 2)
            drawn[random.choice(same, count, replace=False)] = True
            inclusion[same] = count / max(1, len(same))
    return JudgedSample(
        judge=verdicts,
        labels=np.where(drawn, truth, np.nan),
        inclusion=None if design == "random" else inclusion,
        clusters=None if codes is None else codes.tolist(),
        strata=None if design == "random" else by_verdict(verdicts, drawn),
        calibration=RANDOM if design == "random" else STRATIFIED,
    )


def by_verdict(verdicts: np.ndarray, drawn: np.ndarray) -> Strata:
    """The strata of a sample drawn by verdict."""
    of_row = [str(verdict) if kept else None for verdict, kept in zip(verdicts, drawn, strict=True)]
    return Strata(of_row=of_row, sizes={str(one): int((verdicts == one).sum()) for one in (0.0, 1.0)})


def unscored(key: str, share: float, labels: int, rate: float, samples: int) -> list[Figure]:
    """The judge scores no row of a random share, of which people pass half as many as of the others."""
    random = generator(key)
    truth = rate * (1 - share) + rate / 2 * share
    tallies = Tallies(key, {"labels": labels, "unscored": share}, {"ppi": CONSERVATIVE, "rogan-gladen": CONSERVATIVE})
    for _ in range(samples):
        judged = population(random, "random", labels, rate, (0.9, 0.8), None)
        hidden = random.random(ROWS) < share
        people = np.where(hidden & (random.random(ROWS) < 0.5), judged.labels * 0, judged.labels)
        seen = replace(judged, judge=np.where(hidden, np.nan, judged.judge), labels=people)
        add(tallies, "ppi", ppi_rate(seen).measured, truth)
        add(tallies, "rogan-gladen", rogan_gladen_rate(seen).measured, truth)
        dropped = replace(seen, judge=seen.judge[~hidden], labels=people[~hidden])
        add(tallies, "naive: dropped", ppi_rate(dropped).measured, truth)
    return tallies.figures()


def normal_ppi(judged: JudgedSample) -> tuple[float, float]:
    """PPI++ as published, with the normal interval and weights of one over the probability of being drawn."""
    drawn = ~np.isnan(judged.labels)
    y, f = judged.labels[drawn], judged.judge[drawn]
    weights = np.ones(len(y)) if judged.inclusion is None else 1 / judged.inclusion[drawn]
    weights = weights / weights.sum()
    spread = judged.judge.var()
    shared = (weights * (y - (weights * y).sum()) * (f - (weights * f).sum())).sum()
    tuning = float(np.clip(shared / spread, 0, 1)) if spread > 0 else 0.0
    residuals = y - tuning * f
    mean = float((weights * residuals).sum())
    variance = tuning**2 * spread / len(judged.judge) + float((weights**2 * (residuals - mean) ** 2).sum())
    centre = tuning * float(judged.judge.mean()) + mean
    return centre - Z * variance**0.5, centre + Z * variance**0.5


def fractions(key: str, weighted: bool, labels: int, samples: int) -> list[Figure]:
    """Three annotators' mean against a judge that scores from 0 to 1, biased and noisy."""
    random, truth = generator(key), 4 / 5.5
    enough = labels >= (100 if weighted else 60)
    tallies = Tallies(key, {"labels": labels}, {"ppi": BAND if enough else CONSERVATIVE})
    for _ in range(samples):
        quality = random.beta(4, 1.5, ROWS)
        scores = np.clip(quality + random.normal(0.05, 0.15, ROWS), 0, 1)
        people = random.binomial(3, quality) / 3
        inclusion = np.full(ROWS, labels / ROWS)
        if weighted:
            inclusion *= np.where(scores < np.median(scores), 1.6, 0.4)
        drawn = random.random(ROWS) < inclusion if weighted else random.permutation(ROWS) < labels
        judged = JudgedSample(
            judge=scores, labels=np.where(drawn, people, np.nan), inclusion=inclusion, calibration=STRATIFIED
        )
        add(tallies, "ppi", ppi_rate(judged).measured, truth)
        tallies["naive: normal PPI++"].add(*normal_ppi(judged), truth)
    return tallies.figures()
