"""A judge's rate corrected by people: what a sample of human labels says about all that the judge scored.

Pure computation on one population, judged whole and labelled in part. The estimates speak of the population that the judged
rows were drawn from, and hold only where the labels are a probability sample: everything else has a reason for a value.
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
from assay.statistics.labelled_sample import CorrectedRate, JudgedSample, LabelledSample
from assay.statistics.measured import exact_bounds, wilson_bounds
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def human_rate(judged: JudgedSample) -> CorrectedRate:
    """The labels alone, each weighted by one over its probability of being drawn (Hájek 1971), as if no judge existed."""
    sample = LabelledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    found = rate(sample.y.tolist(), Sampling(clusters=sample.labelled_clusters, weights=sample.weights.tolist()))
    return sample.result(found)


def ppi_rate(judged: JudgedSample) -> CorrectedRate:
    """The judge's rate moved by what people say of it: PPI++, whose tuning makes it never worse than the labels alone.

    Angelopoulos, Duchi & Zrnic, "PPI++" (arXiv 2311.01453, 2023), with inverse-probability weights. Where both say yes or no
    the tuned estimate is the mean of the labels within each verdict, weighted by how often the judge gives it, and the
    interval is put together from one for each verdict: MOVER, Zou & Donner, Statistics in Medicine 27 (2008) 1693, with
    Jeffreys' bounds at the effective n. PPI++'s own normal interval covers 50 to 90 % where few labels contradict the judge.
    """
    sample = LabelledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    return _by_verdict(sample) if sample.yes_no else _by_residuals(sample)


def rogan_gladen_rate(judged: JudgedSample) -> CorrectedRate:
    """The judge's pass rate corrected by its sensitivity and specificity on the labels; no value if it is no better than chance.

    Rogan & Gladen, Am. J. Epidemiol. 107 (1978) 71, with the interval of Lang & Reiczigel (`lang_reiczigel`) at counts
    that account for clusters and for labelled rows being judged rows, too. Only for labels drawn with equal probability:
    otherwise sensitivity is no binomial share, and calibrated weights make this estimate that of `ppi_rate`.
    """
    sample = LabelledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    if not sample.yes_no:
        return sample.nothing("the judge or the labels say more than yes or no: see the PPI++ rate")
    if sample.unequal:
        return sample.nothing(
            "labels drawn with unequal probabilities: see the PPI++ rate, which they make equal to this one"
        )
    passed = sample.y == 1
    if passed.all() or not passed.any():
        return sample.nothing(f"all {len(passed)} labels are the same, so that sensitivity or specificity is unknown")
    sensitivity, specificity = float(sample.f[passed].mean()), float(1 - sample.f[~passed].mean())
    if sensitivity + specificity <= 1:
        worth = f"sensitivity {sensitivity:.3f} + specificity {specificity:.3f} is at most 1"
        return sample.nothing(f"the judge tells passes from failures no better than chance: {worth}")
    return _rogan_gladen(sample, sensitivity, specificity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A judge's pass rate among n rows, and its sensitivity and specificity with the labels that each rests on."""

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
        """Of the corrected rate, when the three shares come from independent samples."""
        p, youden = self.prevalence, self.sensitivity + self.specificity - 1
        of_sensitivity = p**2 * self.sensitivity * (1 - self.sensitivity) / self.positives
        of_specificity = (1 - p) ** 2 * self.specificity * (1 - self.specificity) / self.negatives
        return (self.passed * (1 - self.passed) / self.n + of_sensitivity + of_specificity) / youden**2


def lang_reiczigel(shares: Shares, *, error: float = TAIL_ERROR) -> tuple[float, float]:
    """The interval of a corrected rate, wrong with probability `error` on each side, not cut off at 0 and 1.

    Two successes and two failures are added to the tested, one of each to both validation samples, and the centre is moved
    by their equation 17: Lang & Reiczigel, Prev. Vet. Med. 113 (2014) 13.
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
    centre, reach = p + 2 * z**2 * moved, z * math.sqrt(added.variance)
    return centre - reach, centre + reach


def _rogan_gladen(sample: LabelledSample, sensitivity: float, specificity: float) -> CorrectedRate:
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
    influence[sample.labelled] -= len(sample.judge) * mixed * (sample.f - expected)
    scale = sample.scale(influence / youden, independent=shares.variance)
    scaled = replace(shares, n=shares.n / scale, positives=positives / scale, negatives=negatives / scale)
    few = sample.few
    low, high = lang_reiczigel(scaled, error=CAUTIOUS_ERROR if few else TAIL_ERROR)
    if high <= 0 or low >= 1:
        return sample.nothing("the judge passes a share that its sensitivity and specificity on the labels rule out")
    measured = sample.measured(shares.prevalence, (low, high), method="rogan_gladen_lang_reiczigel", few=few)
    return sample.result(measured, sensitivity=sensitivity, specificity=specificity)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """The rows with one verdict of the judge: their share of all, and what the labelled ones of them say."""

    share: float
    passes: float
    effective: float

    @property
    def reach(self) -> float:
        """How far the estimate might move by it, to say which verdict decides most."""
        return self.share / math.sqrt(max(self.effective, 0.5))

    def bounds(self, *, scale: float, exact: bool) -> tuple[float, float]:
        """Of the share of passes among its rows; itself where none is labelled."""
        if not self.effective:
            return self.passes, self.passes
        return (exact_bounds if exact else jeffreys_bounds)(self.passes, self.effective / scale, error=TAIL_ERROR)


def _by_verdict(sample: LabelledSample) -> CorrectedRate:
    """Within each verdict the weighted mean of the labels; see `ppi_rate`."""
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
    # What nobody labelled may be anything: no error that others could even out.
    unknown = sum(verdict.share / 2 for verdict in (passed, failed) if not verdict.effective)
    around = value - math.hypot(*low) - unknown, value + math.hypot(*high) + unknown
    measured = sample.measured(value, around, method="ppi_mover_exact" if few else "ppi_mover_jeffreys", few=few)
    both = passed.effective > 0 and failed.effective > 0
    return sample.result(measured, tuning=min(1.0, max(0.0, gap)) if both else 0.0)


def _verdict(sample: LabelledSample, verdict: float) -> _Verdict:
    """A verdict without labels counts as half passes, anything from none to all."""
    share, chosen = float((sample.judge == verdict).mean()), sample.f == verdict
    weights = sample.weights[chosen]
    if not len(weights):
        return _Verdict(share=share, passes=0.5, effective=0.0)
    return _Verdict(
        share=share,
        passes=float((weights * sample.y[chosen]).sum() / weights.sum()),
        effective=float(weights.sum() ** 2 / (weights**2).sum()),
    )


def _scale_by_verdict(sample: LabelledSample, verdicts: tuple[_Verdict, _Verdict], value: float) -> float:
    """By how much weights and clusters blow up the variance that the counts would have."""
    passed, failed = verdicts
    influence = (sample.judge == 1) * (passed.passes - failed.passes) + failed.passes - value
    independent = (passed.passes - failed.passes) ** 2 * passed.share * failed.share / len(sample.judge)
    for score, verdict in ((1.0, passed), (0.0, failed)):
        if not verdict.effective:
            continue
        chosen = sample.f == score
        weights = sample.weights[chosen]
        moved = verdict.share * len(sample.judge) * weights / weights.sum() * (sample.y[chosen] - verdict.passes)
        influence[_places(sample)[chosen]] += moved
        independent += verdict.share**2 * verdict.passes * (1 - verdict.passes) / verdict.effective
    return max(1.0, sample.scale(influence, independent=independent))


def _places(sample: LabelledSample) -> NDArray[np.intp]:
    import numpy as np

    return np.flatnonzero(sample.labelled)


def _few_dissenting(verdict: _Verdict) -> str | None:
    rarer = min(verdict.passes, 1 - verdict.passes) * verdict.effective
    if rarer >= FEWEST_DISSENTING * (1 - 1e-9):
        return None
    return f"{rarer:.3g} labels dissent where most is decided, fewer than {FEWEST_DISSENTING}: conservative bounds"


def _by_residuals(sample: LabelledSample) -> CorrectedRate:
    """PPI++ with the tuning that makes the variance least, and Student's t. For scores anywhere between 0 and 1.

    Each residual is divided by 1 - 2 x its share of the weight, for the mean and the tuning are fitted to the same labels:
    HC3, MacKinnon & White, J. Econometrics 29 (1985) 305, with leverages as of a line.
    """
    import numpy as np

    weights = sample.weights / sample.weights.sum()
    spread, effective = float(sample.judge.var()), 1 / float((weights**2).sum())
    mean_y, mean_f = float((weights * sample.y).sum()), float((weights * sample.f).sum())
    shared = float((weights * (sample.y - mean_y) * (sample.f - mean_f)).sum())
    tuning = min(1.0, max(0.0, shared / spread)) if spread > 0 else 0.0
    residuals = sample.y - mean_y - tuning * (sample.f - mean_f)
    if effective <= 3 or float(np.abs(residuals).max()) < 1e-12:
        return sample.nothing(f"{len(weights)} human labels that hardly vary around the judge's scores: no interval")
    value = mean_y + tuning * (float(sample.judge.mean()) - mean_f)
    influence = tuning * (sample.judge - sample.judge.mean())
    influence[sample.labelled] += len(sample.judge) * weights * residuals / np.maximum(1 - 2 * weights, LEAST_DIVISOR)
    few = sample.few or _few_effective(effective, FEWEST_EFFECTIVE_LABELS * (2 if sample.unequal else 1))
    half = sample.half(influence, df=effective - 2, error=CAUTIOUS_ERROR if few else TAIL_ERROR)
    measured = sample.measured(value, (value - half, value + half), method="ppi_t", few=few)
    return sample.result(measured, tuning=tuning)


def _few_effective(labels: float, fewest: int) -> str | None:
    if labels >= fewest * (1 - 1e-9):
        return None
    return f"labels that say as much as {labels:.3g} of equal weight, fewer than {fewest}: conservative bounds"


def jeffreys_bounds(share: float, n: float, *, error: float) -> tuple[float, float]:
    """The interval for a share of n, each bound wrong with about that probability; open to 0 and 1 where all are the same.

    Brown, Cai & DasGupta, Statistical Science 16 (2001) 101. Neither n nor the successes need be whole numbers.
    """
    from scipy.special import betaincinv

    successes = share * n
    low = float(betaincinv(successes + 0.5, n - successes + 0.5, error)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 0.5, n - successes + 0.5, 1 - error)) if successes < n else 1.0
    return low, high
