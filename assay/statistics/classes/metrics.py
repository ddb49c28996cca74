"""Precision, recall and F1 of one class, with intervals and bounds of gate rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, GATE_LEVEL
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.one_sided import OneSidedBounds, SpanningBounds
from assay.statistics.rate_bounds import EffectiveBounds, bounds_of
from assay.statistics.rates import GateRate, domain_rate, score_at_effective_n, spanning
from assay.statistics.sampling import ROUNDING, Groups, Sampling, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Metrics of one label; `support` is the number of rows that should have it, `predicted` of those that have it."""

    label: str
    support: int
    predicted: int
    precision: Measured
    recall: Measured
    f1: Measured


@dataclass(frozen=True, slots=True)
class ClassRows:
    """One class: which rows should have it and which have it, and its metrics with their influence values."""

    truth: Floats
    given: Floats
    share: float
    """Share of the rows that should have the label."""
    precision: tuple[float, Floats]
    recall: tuple[float, Floats]
    f1: tuple[float, Floats]
    records: int
    """Number of records, or of clusters, with a row that should have the label."""

    @classmethod
    def of(cls, groups: Groups, truth: NDArray[np.bool_], given: NDArray[np.bool_], *, undefined: float) -> ClassRows:
        """The class whose rows are `truth` and whose predictions are `given`."""
        import numpy as np

        one, other = truth.astype(np.float64), given.astype(np.float64)
        hits = one * other
        return cls(
            one,
            other,
            groups.mean(one),
            precision=_ratio(groups, hits, other, undefined=undefined),
            recall=_ratio(groups, hits, one, undefined=undefined),
            f1=_ratio(groups, 2 * hits, one + other, undefined=undefined),
            records=len(np.unique(groups.codes[truth])),
        )

    def bias(self, metric: str, groups: Groups) -> float:
        """The expected difference of F1 from its true value, to second order: a ratio with few rows is too low.

        Tin, J. Am. Stat. Assoc. 60 (1965) 294, with the totals of groups. Precision and recall have none.
        """
        bottom = self.truth + self.given
        if metric != "f1" or not bottom.any():
            return 0.0
        mean = groups.mean(bottom)
        return -float((groups.net(self.f1[1]) * groups.net(bottom - mean)).sum()) / (groups.n**2 * mean)


def _ratio(groups: Groups, top: Floats, bottom: Floats, *, undefined: float) -> tuple[float, Floats]:
    """Ratio of two means, with the influence of each row on it; `undefined` without influence if the divisor is 0."""
    import numpy as np

    divisor = groups.mean(bottom)
    if divisor == 0:
        return undefined, np.zeros(len(top))
    value = groups.mean(top) / divisor
    return value, (top - value * bottom) / divisor


def class_metrics(part: ClassRows, label: str, groups: Groups, *, level: float) -> ClassMetrics:
    """The metrics of a class with their intervals."""
    return ClassMetrics(
        label=label,
        support=int(part.truth.sum()),
        predicted=int(part.given.sum()),
        precision=class_metric(part, "precision", groups, level=level),
        recall=class_metric(part, "recall", groups, level=level),
        f1=class_metric(part, "f1", groups, level=level),
    )


def class_metric(part: ClassRows, metric: str, groups: Groups, *, level: float) -> Measured:
    """Precision, recall or F1 of a class with its interval."""
    truth, given = part.truth == 1, part.given == 1
    if metric == "f1":
        return _f1(part, groups, level=level)
    if metric == "precision":
        return domain_rate(truth, given, groups, level=level, none="no prediction of this class")
    return domain_rate(given, truth, groups, level=level, none="no row of this class")


def _f1(part: ClassRows, groups: Groups, *, level: float) -> Measured:
    """F1 over the rows of the class and its predictions: the other rows have no influence."""
    rows = part.truth + part.given > 0
    if not rows.any():
        return unmeasured("no row and no prediction of this class", level=level)
    own = groups.only(rows)
    value, influence = _ratio(
        own, 2 * part.truth[rows] * part.given[rows], part.truth[rows] + part.given[rows], undefined=0.0
    )
    return score_at_effective_n(value, own, influence=influence, level=level)


def gate_class_metric(
    expected: Sequence[str | None], got: Sequence[str | None], sampling: Sampling, *, metric: str, label: str
) -> GateRate:
    """Precision, recall or F1 of a class for a gate rule: low and high are one-sided bounds (`rates.gate_rate`).

    Precision and recall have the bounds of a rate of the rows in their denominators, F1 those of a share with the
    variance of its influence values. As in a rate, a row whose expected class is unknown (None) counts as wrong in the
    value: it has this class unless it was given it. The bounds extend to the case that all of these rows are right.

    Raises:
        ValueError: the metric is none of the three, or a field of `sampling` is invalid.
    """
    import numpy as np

    truth, given = (np.array([one == label for one in labels], dtype=bool) for labels in (expected, got))
    unknown = np.array([one is None for one in expected], dtype=bool)
    groups = Groups.of(len(truth), sampling)
    worst, best = (
        _gate_metric(np.where(unknown, case, truth), given, groups, metric=metric) for case in (~given, given)
    )
    if not unknown.any():
        return worst
    missing = f"{int(unknown.sum())} of {len(truth)} predictions without an expected class"
    if worst.bounds is None or best.bounds is None:
        none = worst.measured.reason if worst.bounds is None else best.measured.reason
        return GateRate(unmeasured(f"{missing}: possibly {none}", level=GATE_LEVEL, n=len(truth)), None)
    bounds = SpanningBounds(worst.bounds, best.bounds)
    spanned = spanning(worst.measured, best.measured, unscored=0)
    reason = f"{missing}: the value counts them as wrong, the bounds as wrong and as right"
    return GateRate(replace(spanned, low=bounds.lower(ERROR), high=bounds.upper(ERROR), reason=reason), bounds)


def _gate_metric(truth: NDArray[np.bool_], given: NDArray[np.bool_], groups: Groups, *, metric: str) -> GateRate:
    part = ClassRows.of(groups, truth, given, undefined=0.0)
    measured = class_metric(part, metric, groups, level=GATE_LEVEL)
    return for_gate(measured, class_bounds(part, metric, groups))


def class_bounds(part: ClassRows, metric: str, groups: Groups) -> OneSidedBounds | None:
    """The bounds of the metric of a class; None if it is undefined."""
    truth, given = part.truth == 1, part.given == 1
    domain = {"precision": given, "recall": truth, "f1": truth | given}[metric]
    if not domain.any():
        return None
    own = groups.only(domain)
    if metric != "f1":
        return bounds_of((part.truth * part.given)[domain], own)
    value, influence = _ratio(
        own, 2 * (part.truth * part.given)[domain], (part.truth + part.given)[domain], undefined=0
    )
    return effective_bounds(value, own, influence)


def effective_bounds(value: float, groups: Groups, influence: Floats) -> EffectiveBounds:
    """The bounds of a share with the variance of its influence values."""
    import numpy as np

    spread = spread_of(groups, np.where(np.abs(influence) < ROUNDING, 0.0, influence))
    return EffectiveBounds(value=value, spread=spread, n=groups.n, equal_groups=groups.equal_groups)


def for_gate(measured: Measured, bounds: OneSidedBounds | None) -> GateRate:
    """The estimate with its one-sided bounds at `ERROR`; without them if it has none."""
    if bounds is None:
        return GateRate(measured, None)
    low, high = bounds.lower(ERROR), bounds.upper(ERROR)
    return GateRate(replace(measured, low=low, high=high, method=f"{measured.method}+one_sided"), bounds)
