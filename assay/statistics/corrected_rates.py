"""The pass rate of a judge, corrected by a sample of human labels.

The judge scored all rows, and people labeled some of them. The estimates describe the population from which the judged
rows were drawn. They are valid only if the labels are a probability sample; otherwise a reason takes the place of the
value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import (
    CAUTIOUS_ERROR,
    FEWEST_DISSENTING,
    FEWEST_EFFECTIVE_LABELS,
    LEAST_DIVISOR,
    TAIL_ERROR,
)
from assay.statistics.labeled_sample import CorrectedRate, JudgedSample, LabeledSample
from assay.statistics.measured import exact_bounds, wilson_bounds
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def human_rate(judged: JudgedSample) -> CorrectedRate:
    """The rate estimated from the human labels alone, with inverse-probability weights (Hájek 1971)."""
    sample = LabeledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    found = rate(sample.y.tolist(), Sampling(clusters=sample.labeled_clusters, weights=sample.weights.tolist()))
    return sample.result(found)


def ppi_rate(judged: JudgedSample) -> CorrectedRate:
    """The PPI++ rate: the judge's rate corrected by the labels, never less precise than the labels alone.

    Angelopoulos, Duchi & Zrnic, "PPI++" (arXiv 2311.01453, 2023), with inverse-probability weights. With binary
    verdicts and labels, the tuned estimate is the mean of the labels within each verdict, weighted by the share of the
    verdict. Its interval combines one interval per verdict: MOVER, Zou & Donner, Statistics in Medicine 27 (2008) 1693,
    with Jeffreys' bounds at the effective n. The normal interval of PPI++ has a coverage of only 50 to 90% if few
    labels contradict the judge.
    """
    sample = LabeledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    return _by_verdict(sample) if sample.yes_no else _by_residuals(sample)


def rogan_gladen_rate(judged: JudgedSample) -> CorrectedRate:
    """The judge's pass rate corrected by its sensitivity and specificity; no value if it is no better than chance.

    Rogan & Gladen, Am. J. Epidemiol. 107 (1978) 71, with the interval of Lang & Reiczigel (`lang_reiczigel`). The
    counts are adjusted for clusters and for the labeled rows being a subset of the judged rows. Requires labels that
    were drawn with equal probability: otherwise sensitivity is not a binomial share, and calibrated weights give the
    estimate of `ppi_rate`.
    """
    sample = LabeledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    if not sample.yes_no:
        return sample.without_value("the judge or the labels are not binary: see the PPI++ rate")
    if sample.unequal:
        return sample.without_value(
            "labels drawn with unequal probabilities: see the PPI++ rate, which equals this one for such labels"
        )
    passed = sample.y == 1
    if passed.all() or not passed.any():
        return sample.without_value(f"all {len(passed)} labels are the same, so sensitivity or specificity is unknown")
    sensitivity, specificity = float(sample.f[passed].mean()), float(1 - sample.f[~passed].mean())
    if sensitivity + specificity <= 1:
        found = f"sensitivity {sensitivity:.3f} + specificity {specificity:.3f} is at most 1"
        return sample.without_value(f"the judge separates passes from failures no better than chance: {found}")
    return _rogan_gladen(sample, sensitivity, specificity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A judge's pass rate among n rows, and its sensitivity and specificity with the number of labels behind each."""

    passed: float
    n: float
    sensitivity: float
    positives: float
    specificity: float
    negatives: float

    @property
    def prevalence(self) -> float:
        """The corrected rate: Rogan & Gladen 1978."""
        return (self.passed + self.specificity - 1) / (self.sensitivity + self.specificity - 1)

    @property
    def variance(self) -> float:
        """Variance of the corrected rate if the three shares come from independent samples."""
        p, youden = self.prevalence, self.sensitivity + self.specificity - 1
        of_sensitivity = p**2 * self.sensitivity * (1 - self.sensitivity) / self.positives
        of_specificity = (1 - p) ** 2 * self.specificity * (1 - self.specificity) / self.negatives
        return (self.passed * (1 - self.passed) / self.n + of_sensitivity + of_specificity) / youden**2


def lang_reiczigel(shares: Shares, *, error: float = TAIL_ERROR) -> tuple[float, float]:
    """The interval of a corrected rate with error rate `error` on each side, not truncated to 0 and 1.

    z²/2 successes and z²/2 failures (about two of each) are added to the judged rows, and one of each to both
    validation samples. The center is shifted according to equation 17 of Lang & Reiczigel, Prev. Vet. Med. 113 (2014)
    13.
    """
    from scipy.special import ndtri

    z = float(ndtri(1 - error))
    added = Shares(
        passed=(shares.n * shares.passed + z**2 / 2) / (shares.n + z**2),
        n=shares.n + z**2,
        sensitivity=(shares.positives * shares.sensitivity + 1) / (shares.positives + 2),
        positives=shares.positives + 2,
        specificity=(shares.negatives * shares.specificity + 1) / (shares.negatives + 2),
        negatives=shares.negatives + 2,
    )
    p = added.prevalence
    moved = p * added.sensitivity * (1 - added.sensitivity) / added.positives
    moved -= (1 - p) * added.specificity * (1 - added.specificity) / added.negatives
    center, reach = p + 2 * z**2 * moved, z * math.sqrt(added.variance)
    return center - reach, center + reach


def _rogan_gladen(sample: LabeledSample, sensitivity: float, specificity: float) -> CorrectedRate:
    import numpy as np

    positives, negatives = float(sample.y.sum()), float((1 - sample.y).sum())
    shares = Shares(
        passed=float(sample.judge.mean()),
        n=len(sample.judge),
        sensitivity=sensitivity,
        positives=positives,
        specificity=specificity,
        negatives=negatives,
    )
    youden = sensitivity + specificity - 1
    influence = sample.judge - shares.passed
    expected = np.where(sample.y == 1, sensitivity, 1 - specificity)
    mixed = np.where(sample.y == 1, shares.prevalence / positives, (1 - shares.prevalence) / negatives)
    influence[sample.labeled] -= len(sample.judge) * mixed * (sample.f - expected)
    scale = sample.scale(influence / youden, independent=shares.variance)
    scaled = replace(shares, n=shares.n / scale, positives=positives / scale, negatives=negatives / scale)
    few = sample.few
    low, high = lang_reiczigel(scaled, error=CAUTIOUS_ERROR if few else TAIL_ERROR)
    if high <= 0 or low >= 1:
        return sample.without_value(
            "the judge's pass rate is impossible given its sensitivity and specificity on the labels"
        )
    measured = sample.measured(shares.prevalence, (low, high), method="rogan_gladen_lang_reiczigel", few=few)
    return sample.result(measured, sensitivity=sensitivity, specificity=specificity)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """The rows with one verdict of the judge: their share of all rows, and the pass rate of the labeled ones."""

    share: float
    passes: float
    effective: float

    @property
    def reach(self) -> float:
        """Contribution of the verdict to the uncertainty of the estimate."""
        return self.share / math.sqrt(max(self.effective, 0.5))

    def bounds(self, *, scale: float, exact: bool) -> tuple[float, float]:
        """Bounds of the pass rate of the rows; both bounds are the pass rate itself if no row is labeled."""
        if not self.effective:
            return self.passes, self.passes
        return (exact_bounds if exact else jeffreys_bounds)(self.passes, self.effective / scale, error=TAIL_ERROR)


def _by_verdict(sample: LabeledSample) -> CorrectedRate:
    """The PPI++ rate of binary scores, from the weighted mean of the labels within each verdict; see `ppi_rate`."""
    passed, failed = (_verdict(sample, verdict) for verdict in (1.0, 0.0))
    gap = passed.passes - failed.passes
    value = passed.share * passed.passes + failed.share * failed.passes
    scale = _scale_by_verdict(sample, (passed, failed), value)
    few = sample.few or _few_dissenting(max(passed, failed, key=lambda verdict: verdict.reach))
    low_share, high_share = wilson_bounds(passed.share, len(sample.judge) / scale, error=TAIL_ERROR)
    if gap < 0:
        low_share, high_share = high_share, low_share
    low = [gap * (passed.share - low_share)]
    high = [gap * (high_share - passed.share)]
    for verdict in (passed, failed):
        bounds = verdict.bounds(scale=scale, exact=few is not None)
        low.append(verdict.share * (verdict.passes - bounds[0]))
        high.append(verdict.share * (bounds[1] - verdict.passes))
    # A verdict without labels may have any pass rate. It is added in full, because this is not a random error.
    unknown = sum(verdict.share / 2 for verdict in (passed, failed) if not verdict.effective)
    around = value - math.hypot(*low) - unknown, value + math.hypot(*high) + unknown
    measured = sample.measured(value, around, method="ppi_mover_exact" if few else "ppi_mover_jeffreys", few=few)
    both = passed.effective > 0 and failed.effective > 0
    return sample.result(measured, tuning=min(1.0, max(0.0, gap)) if both else 0.0)


def _verdict(sample: LabeledSample, verdict: float) -> _Verdict:
    """The rows with this verdict; without labels, the pass rate is set to one half."""
    share, chosen = float((sample.judge == verdict).mean()), sample.f == verdict
    weights = sample.weights[chosen]
    if not len(weights):
        return _Verdict(share=share, passes=0.5, effective=0.0)
    return _Verdict(
        share=share,
        passes=float((weights * sample.y[chosen]).sum() / weights.sum()),
        effective=float(weights.sum() ** 2 / (weights**2).sum()),
    )


def _scale_by_verdict(sample: LabeledSample, verdicts: tuple[_Verdict, _Verdict], value: float) -> float:
    """Factor by which weights and clusters inflate the variance of the counts."""
    passed, failed = verdicts
    influence = (sample.judge == 1) * (passed.passes - failed.passes) + failed.passes - value
    independent = (passed.passes - failed.passes) ** 2 * passed.share * failed.share / len(sample.judge)
    for score, verdict in ((1.0, passed), (0.0, failed)):
        if not verdict.effective:
            continue
        chosen = sample.f == score
        weights = sample.weights[chosen]
        moved = verdict.share * len(sample.judge) * weights / weights.sum() * (sample.y[chosen] - verdict.passes)
        influence[_positions(sample)[chosen]] += moved
        independent += verdict.share**2 * verdict.passes * (1 - verdict.passes) / verdict.effective
    return max(1.0, sample.scale(influence, independent=independent))


def _positions(sample: LabeledSample) -> NDArray[np.intp]:
    import numpy as np

    return np.flatnonzero(sample.labeled)


def _few_dissenting(verdict: _Verdict) -> str | None:
    rarer = min(verdict.passes, 1 - verdict.passes) * verdict.effective
    if rarer >= FEWEST_DISSENTING * (1 - 1e-9):
        return None
    return f"{rarer:.3g} labels of the rarer outcome in a verdict, fewer than {FEWEST_DISSENTING}: conservative bounds"


def _by_residuals(sample: LabeledSample) -> CorrectedRate:
    """PPI++ for any scores between 0 and 1, with the tuning that minimizes the variance, and Student's t.

    Each residual is divided by 1 - 2 x its share of the total weight, because the mean and the tuning are fitted to the
    same labels: HC3, MacKinnon & White, J. Econometrics 29 (1985) 305, with the leverages of a fitted line.
    """
    import numpy as np

    weights = sample.weights / sample.weights.sum()
    spread, effective = float(sample.judge.var()), 1 / float((weights**2).sum())
    mean_y, mean_f = float((weights * sample.y).sum()), float((weights * sample.f).sum())
    shared = float((weights * (sample.y - mean_y) * (sample.f - mean_f)).sum())
    tuning = min(1.0, max(0.0, shared / spread)) if spread > 0 else 0.0
    residuals = sample.y - mean_y - tuning * (sample.f - mean_f)
    if effective <= 3 or float(np.abs(residuals).max()) < 1e-12:
        return sample.without_value(
            f"{len(weights)} human labels that hardly differ from the judge's scores: no interval"
        )
    value = mean_y + tuning * (float(sample.judge.mean()) - mean_f)
    influence = tuning * (sample.judge - sample.judge.mean())
    influence[sample.labeled] += len(sample.judge) * weights * residuals / np.maximum(1 - 2 * weights, LEAST_DIVISOR)
    few = sample.few or _few_effective(effective, FEWEST_EFFECTIVE_LABELS * (2 if sample.unequal else 1))
    half = sample.half(influence, df=effective - 2, error=CAUTIOUS_ERROR if few else TAIL_ERROR)
    measured = sample.measured(value, (value - half, value + half), method="ppi_t", few=few)
    return sample.result(measured, tuning=tuning)


def _few_effective(labels: float, fewest: int) -> str | None:
    if labels >= fewest * (1 - 1e-9):
        return None
    return f"{labels:.3g} effective labels, fewer than {fewest}: conservative bounds"


def jeffreys_bounds(share: float, n: float, *, error: float) -> tuple[float, float]:
    """Jeffreys' interval for a share of n; the lower bound is 0 without successes, the upper bound 1 without failures.

    `error` is the approximate error rate on each side. n and the number of successes may be fractional. Brown, Cai &
    DasGupta, Statistical Science 16 (2001) 101.
    """
    from scipy.special import betaincinv

    successes = share * n
    low = float(betaincinv(successes + 0.5, n - successes + 0.5, error)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 0.5, n - successes + 0.5, 1 - error)) if successes < n else 1.0
    return low, high
