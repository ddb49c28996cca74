"""The pass rate of a judge, corrected by a sample of human labels.

The judge scored all rows, and people labeled some of them. The estimates describe the population from which the judged
rows were drawn. They are valid only if the labels are a probability sample; otherwise a reason takes the place of the
value.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import (
    CAUTIOUS_ERROR,
    FEWEST_DISSENTING,
    FEWEST_EFFECTIVE_LABELS,
    FEWEST_IN_STRATUM,
    LEAST_DIVISOR,
    TAIL_ERROR,
)
from assay.statistics.labels.label_groups import (
    LabelGroup,
    are_associated,
    grouped_bounds,
    grouped_value,
    grouped_variance,
)
from assay.statistics.labels.labeled_sample import CorrectedRate, JudgedSample, LabeledSample
from assay.statistics.measured import Measured, exact_bounds
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


RARE = f"exact bounds where a verdict or stratum has fewer than {FEWEST_DISSENTING} labels of one outcome"
UNUSED = "not used"


def human_rate(judged: JudgedSample) -> CorrectedRate:
    """The rate estimated from the human labels alone.

    Whole strata: the stratified estimate, with the bounds of `grouped_bounds`; strata with fewer than
    `FEWEST_IN_STRATUM` labels are combined. Otherwise, and for clusters, the rate with inverse-probability weights
    (Hájek 1971). Strata without labels may have any rate.
    """
    sample = LabeledSample.of(judged)
    if sample.refusal:
        return sample.result(sample.refusal)
    groups = label_strata(sample)
    if len(groups) > 1 and not (sample.groups.are_clusters or sample.labeled_groups.are_clusters):
        return sample.result(_stratified(sample, groups))
    found = rate(sample.y.tolist(), Sampling(clusters=sample.labeled_clusters, weights=sample.weights.tolist()))
    return sample.result(_with_unlabeled(found, _unlabeled(groups)))


def ppi_rate(judged: JudgedSample) -> CorrectedRate:
    """The PPI++ rate: the judge's rate corrected by the labels.

    Angelopoulos, Duchi & Zrnic, "PPI++" (arXiv 2311.01453, 2023), with inverse-probability weights. With binary
    verdicts and labels, the tuned estimate is the mean of the labels within each verdict, weighted by the share of the
    verdict; unscored is a third verdict. Its interval is that of `grouped_bounds`, because the normal interval of PPI++
    has a coverage of only 50 to 90% if few labels contradict the judge.

    If the labels do not show that verdict and label are associated (chi-square test at `ERROR`), the estimate is that
    of the labels alone with exact bounds, because the judge adds nothing but width. This applies only to labels with
    equal probabilities: a sample stratified by verdict is always estimated within verdicts.
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
    positives, negatives = float(sample.y.sum()), float((1 - sample.y).sum())
    if not positives or not negatives:
        return sample.without_value(
            f"all {len(sample.y)} labels are the same, so sensitivity or specificity is unknown"
        )
    scores = sample.scores(unscored=0)[sample.labeled]
    sensitivity = float((sample.y * scores).sum()) / positives
    specificity = float(((1 - sample.y) * (1 - scores)).sum()) / negatives
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
    judge, y = sample.scores(unscored=0), sample.y
    shares = Shares(
        passed=float(judge.mean()),
        n=len(judge),
        sensitivity=sensitivity,
        positives=float(y.sum()),
        specificity=specificity,
        negatives=float((1 - y).sum()),
    )
    f, p = judge[sample.labeled], shares.prevalence
    influence = judge - shares.passed
    moved = p / shares.positives * y * (f - sensitivity) + (1 - p) / shares.negatives * (1 - y) * (f - 1 + specificity)
    influence[sample.labeled] -= len(judge) * moved
    scale = sample.scale(influence / (sensitivity + specificity - 1), independent=shares.variance)
    scaled = replace(shares, n=shares.n / scale, positives=shares.positives / scale, negatives=shares.negatives / scale)
    few = sample.few
    low, high = lang_reiczigel(scaled, error=CAUTIOUS_ERROR if few else TAIL_ERROR)
    if high <= 0 or low >= 1:
        return sample.without_value(
            "the judge's pass rate is impossible given its sensitivity and specificity on the labels"
        )
    note = sample.unscored_note("counted as not passing")
    measured = sample.measured(p, (low, high), method="rogan_gladen_lang_reiczigel", few=few, notes=(note,))
    return sample.result(measured, sensitivity=sensitivity, specificity=specificity)


def _by_verdict(sample: LabeledSample) -> CorrectedRate:
    """The PPI++ rate of binary scores, from the weighted mean of the labels within each verdict; see `ppi_rate`."""
    import numpy as np

    codes = sample.scores(unscored=2)
    classes = np.array([2.0, 1.0, 0.0] if sample.unscored else [1.0, 0.0])
    groups = [_class(sample, codes == verdict) for verdict in classes]
    scale = _scale_of(sample, groups, [codes == verdict for verdict in classes])
    if not sample.unequal and not are_associated(groups, scale=scale):
        return _labels_only(sample)
    rare = any(group.is_rare(scale) for group in groups)
    measured = sample.measured(
        grouped_value(groups),
        grouped_bounds(groups, n=len(codes), scale=scale),
        method="ppi_mover_exact" if rare else "ppi_mover_jeffreys",
        few=sample.few_labels,
        notes=(RARE if rare else None, sample.unscored_note("a verdict class of their own")),
    )
    passed, failed = groups[-2:]
    both = passed.effective > 0 and failed.effective > 0
    return sample.result(measured, tuning=min(1.0, max(0.0, passed.passes - failed.passes)) if both else 0.0)


def _labels_only(sample: LabeledSample) -> CorrectedRate:
    """The rate of labels with equal probabilities, without the judge."""
    import numpy as np

    every = LabelGroup.of(1.0, sample.y, sample.weights)
    scale = _scale_of(sample, [every], [np.ones(len(sample.judge), dtype=bool)])
    bounds = exact_bounds(every.passes, every.effective / scale, error=TAIL_ERROR)
    notes = (
        "the labels show no association with the verdicts: estimate of the labels alone",
        sample.unscored_note(UNUSED),
    )
    measured = sample.measured(every.passes, bounds, method="ppi_labels_only_exact", few=sample.few_labels, notes=notes)
    return sample.result(measured, tuning=0.0)


def _class(sample: LabeledSample, rows: Mask) -> LabelGroup:
    chosen = rows[sample.labeled]
    return LabelGroup.of(float(rows.mean()), sample.y[chosen], sample.weights[chosen])


def _scale_of(sample: LabeledSample, groups: Sequence[LabelGroup], masks: Sequence[Mask]) -> float:
    """Factor by which clusters, and weights that differ within a group, inflate the variance of the counts; else 1."""
    import numpy as np

    clustered = sample.groups.are_clusters or sample.labeled_groups.are_clusters
    if not clustered and not any(_is_uneven(sample.weights[rows[sample.labeled]]) for rows in masks):
        return 1.0
    value, n = grouped_value(groups), len(sample.judge)
    influence, labeled = np.full(n, -value), np.flatnonzero(sample.labeled)
    for group, rows in zip(groups, masks, strict=True):
        influence[rows] += group.passes
        chosen = rows[sample.labeled]
        if group.effective:
            weights = sample.weights[chosen]
            moved = group.share * n * weights / weights.sum() * (sample.y[chosen] - group.passes)
            influence[labeled[chosen]] += moved
    return max(1.0, sample.scale(influence, independent=grouped_variance(groups, n)))


def _is_uneven(weights: Floats) -> bool:
    return len(weights) > 0 and bool(weights.max() > weights.min() * (1 + 1e-9))


def label_strata(sample: LabeledSample) -> list[LabelGroup]:
    """The strata of the sample as groups; those with few labels are combined, as are those without any."""
    import numpy as np

    strata = sample.judged.strata
    if strata is None:
        return []
    names = [str(name) for name, kept in zip(strata.of_row, sample.labeled, strict=True) if kept]
    counts, total = Counter(names), sum(strata.sizes.values())
    merged = {name: _combined(name, counts[name]) for name in strata.sizes}
    places, found = np.array([merged[name] for name in names]), []
    for group in sorted(set(merged.values())):
        share = sum(size for name, size in strata.sizes.items() if merged[name] == group) / total
        found.append(LabelGroup.of(share, sample.y[places == group], sample.weights[places == group]))
    return found


def _combined(stratum: str, labels: int) -> str:
    if labels >= FEWEST_IN_STRATUM:
        return f"stratum {stratum}"
    return "few labels" if labels else "no labels"


def _stratified(sample: LabeledSample, groups: Sequence[LabelGroup]) -> Measured:
    """The rate of a stratified sample without clusters."""
    assert sample.judged.strata is not None
    n, rare = sum(sample.judged.strata.sizes.values()), any(group.is_rare(1.0) for group in groups)
    return sample.measured(
        grouped_value(groups),
        grouped_bounds(groups, n=n, scale=1.0),
        method="stratified_mover_exact" if rare else "stratified_mover_jeffreys",
        few=sample.few_labels,
        notes=(RARE if rare else None, _unlabeled_note(_unlabeled(groups))),
    )


def _by_residuals(sample: LabeledSample) -> CorrectedRate:
    """PPI++ for any scores between 0 and 1, with the tuning that minimizes the variance, and Student's t.

    Each residual is divided by 1 - 2 x its share of the total weight, because the mean and the tuning are fitted to the
    same labels: HC3, MacKinnon & White, J. Econometrics 29 (1985) 305, with the leverages of a fitted line.
    """
    import numpy as np

    weights, note = sample.weights / sample.weights.sum(), sample.unscored_note("given the judge's mean score")
    judge = sample.scores(unscored=float(np.nanmean(sample.judge)))
    f = judge[sample.labeled]
    spread, effective = float(judge.var()), 1 / float((weights**2).sum())
    mean_y, mean_f = float((weights * sample.y).sum()), float((weights * f).sum())
    shared = float((weights * (sample.y - mean_y) * (f - mean_f)).sum())
    tuning = min(1.0, max(0.0, shared / spread)) if spread > 0 else 0.0
    residuals = sample.y - mean_y - tuning * (f - mean_f)
    if effective <= 3 or float(np.abs(residuals).max()) < 1e-12:
        return sample.without_value(
            f"{len(weights)} human labels that hardly differ from the judge's scores: no interval"
        )
    value = mean_y + tuning * (float(judge.mean()) - mean_f)
    influence = tuning * (judge - judge.mean())
    influence[sample.labeled] += len(judge) * weights * residuals / np.maximum(1 - 2 * weights, LEAST_DIVISOR)
    few = sample.few or _few_effective(effective, FEWEST_EFFECTIVE_LABELS * (2 if sample.unequal else 1))
    half = sample.half(influence, df=effective - 2, error=CAUTIOUS_ERROR if few else TAIL_ERROR)
    measured = sample.measured(value, (value - half, value + half), method="ppi_t", few=few, notes=(note,))
    return sample.result(measured, tuning=tuning)


def _with_unlabeled(found: Measured, share: float) -> Measured:
    """The estimate for the labeled strata, extended to strata without labels, whose rate may be anything."""
    if not share or found.value is None or found.low is None or found.high is None:
        return found
    kept = 1 - share
    return replace(
        found,
        value=kept * found.value + share / 2,
        low=kept * found.low,
        high=kept * found.high + share,
        reason="; ".join(filter(None, (found.reason, _unlabeled_note(share)))),
    )


def _unlabeled(groups: Sequence[LabelGroup]) -> float:
    return sum(group.share for group in groups if not group.effective)


def _unlabeled_note(share: float) -> str | None:
    return f"{share:.1%} of the rows are in strata without labels: bounds include any rate of theirs" if share else None


def _few_effective(labels: float, fewest: int) -> str | None:
    if labels >= fewest * (1 - 1e-9):
        return None
    return f"{labels:.3g} effective labels, fewer than {fewest}: conservative bounds"
