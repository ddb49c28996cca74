"""Rates and means of one sample, with intervals for independent, repeated, clustered and weighted rows.

DESIGN §7 states the method for each case; tests/benchmarks/coverage measures the coverage of each method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import (
    ERROR,
    FEW_CLUSTERS,
    FEWEST_CLUSTERS,
    FEWEST_OUTCOMES,
    GATE_LEVEL,
    LEVEL,
    MOST_OF_ONE_CLUSTER,
    WILSON_SKEWNESS,
)
from assay.statistics.measured import (
    Measured,
    Status,
    exact_bounds,
    joined,
    proportion_interval,
    unmeasured,
    wilson_bounds,
)
from assay.statistics.one_sided import OneSidedBounds, SpanningBounds
from assay.statistics.rate_bounds import bounds_of, few_outcomes_n
from assay.statistics.sampling import INDEPENDENT, ROUNDING, Groups, Sampling, Spread, centered, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEAN = "hall_t"
UNSCORED_METHOD = "worst_and_best_case"


def rate(scores: Sequence[float | bool | None], sampling: Sampling = INDEPENDENT, *, level: float = LEVEL) -> Measured:
    """The mean over predictions of scores between 0 and 1; its interval is within 0 and 1 and has a positive width.

    Binary scores of independent rows: Wilson, or Clopper–Pearson if one outcome is rare. Epochs, fractions, clusters
    and weights: the same two methods at the effective n, after Korn & Graubard (`score_at_effective_n`). None and NaN
    are unscored: the value counts them as failures, and the bounds extend from the case that all of them fail to the
    case that all pass (Horowitz & Manski, J. Am. Stat. Assoc. 95 (2000) 77). There is no value if no row is scored.

    Raises:
        ValueError: a score is outside 0 to 1, or a field of `sampling` is invalid.
    """
    values = floats(scores)
    return grouped_rate(values, Groups.of(len(values), sampling), level=level)


def grouped_rate(values: Floats, groups: Groups, *, level: float = LEVEL) -> Measured:
    """`rate` for rows whose groups are known; NaN is unscored.

    Raises:
        ValueError: a score is outside 0 to 1.
    """
    import numpy as np

    kept = ~np.isnan(values)
    if ((values[kept] < 0) | (values[kept] > 1)).any():
        raise ValueError(f"scores: expected 0 to 1, found {values[kept].min():g} to {values[kept].max():g}")
    if not len(values):
        return unmeasured("no prediction", level=level)
    if kept.all():
        return scored_rate(values, groups, level=level)
    worst, best = (scored_rate(np.nan_to_num(values, nan=case), groups, level=level) for case in (0.0, 1.0))
    return spanning(worst, best, unscored=int((~kept).sum()))


@dataclass(frozen=True, slots=True)
class GateRate:
    """A rate at `GATE_LEVEL`, with the bounds that a gate rule decides on; `bounds` is None if there is no row."""

    measured: Measured
    bounds: OneSidedBounds | None


def gate_rate(scores: Sequence[float | bool | None], sampling: Sampling = INDEPENDENT) -> GateRate:
    """`rate` for a gate rule: low and high are one-sided bounds, whose error rate is at most `ERROR`.

    These bounds are wider than the interval of `rate` where that is needed to keep the error rate (`rate_bounds.py`).

    Raises:
        ValueError: a score is outside 0 to 1, or a field of `sampling` is invalid.
    """
    import numpy as np

    values = floats(scores)
    if not len(values):
        return GateRate(unmeasured("no prediction", level=GATE_LEVEL), None)
    groups, unscored = Groups.of(len(values), sampling), np.isnan(values)
    found = grouped_rate(values, groups, level=GATE_LEVEL)
    if unscored.any():
        cases = (bounds_of(np.nan_to_num(values, nan=case), groups) for case in (0.0, 1.0))
        bounds: OneSidedBounds = SpanningBounds(*cases)
    else:
        bounds = bounds_of(values, groups)
    method = "clopper_pearson" if found.method in {"wilson", "clopper_pearson"} else "effective_n_clopper_pearson"
    method = found.method if unscored.any() else method
    return GateRate(replace(found, low=bounds.lower(ERROR), high=bounds.upper(ERROR), method=method), bounds)


def domain_rate(
    hits: NDArray[np.bool_], domain: NDArray[np.bool_], groups: Groups, *, level: float, none: str
) -> Measured:
    """The share of hits in a domain of the rows; without a value, with the reason `none`, if the domain is empty."""
    import numpy as np

    if not domain.any():
        return unmeasured(none, level=level)
    return scored_rate(hits[domain].astype(np.float64), groups.only(domain), level=level)


def scored_rate(values: Floats, groups: Groups, *, level: float) -> Measured:
    """`rate` for one or more rows, all of which are scored."""
    import numpy as np

    binary = bool(np.isin(values, (0.0, 1.0)).all())
    if binary and groups.count == groups.n and not groups.weighted:
        return _binomial(int(values.sum()), groups.n, level=level)
    value = min(1.0, max(0.0, groups.mean(values)))
    return score_at_effective_n(value, groups, influence=values - value, level=level)


def score_at_effective_n(value: float, groups: Groups, *, influence: Floats, level: float) -> Measured:
    """A share between 0 and 1 with the interval of n* independent outcomes, where n* gives the same variance.

    n* = p(1-p) z² / h², where h is half of Student's interval (`Spread.half`). The interval is Wilson's at n*, or
    Clopper & Pearson's if one outcome is rare at n* (`WILSON_SKEWNESS`). Korn & Graubard, Survey Methodology 24 (1998)
    193, with Wilson's interval as in Dean & Pagano, J. Surv. Stat. Methodol. 3 (2015) 484. If scores do not vary, each
    group counts as one outcome, which is conservative. If one outcome occurs fewer than 5 times at the effective n, n* is
    between the two (`few_outcomes_n`).
    `influence` has one value per row, with mean 0.
    """
    import numpy as np

    spread = spread_of(groups, np.where(np.abs(influence) < ROUNDING, 0.0, influence))
    count, few, exact = _equivalent_n(value, groups, spread=spread, error=(1 - level) / 2)
    effective = groups.n / spread.design_effect if spread.independent_variance > 0 else groups.equal_groups
    low, high = (exact_bounds if exact else wilson_bounds)(value, count, error=(1 - level) / 2)
    status, reason = _status(groups, few=few)
    return Measured(
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        method="effective_n_clopper_pearson" if exact else "effective_n_wilson",
        n=groups.n,
        clusters=groups.count,
        effective_n=effective,
        standard_error=_error(spread),
        status=status,
        reason=reason,
    )


def mean(values: Sequence[float | None], sampling: Sampling = INDEPENDENT, *, level: float = LEVEL) -> Measured:
    """The mean of unbounded amounts such as costs or durations; None and NaN are omitted.

    Student's t with the variance and degrees of freedom of `spread_of`; Hall's cubic transformation removes its
    skewness (J. R. Stat. Soc. B 54 (1992) 221). On skewed amounts its coverage equals that of the bootstrap-t, which is
    better than that of t or BCa, and it needs no resampling. There is no interval for fewer than two groups, or if all
    amounts are the same.
    """
    import numpy as np

    found = floats(values)
    groups, kept = Groups.of(len(found), sampling), ~np.isnan(found)
    if not kept.any():
        return unmeasured("no value", level=level)
    return _mean(found[kept], groups.only(kept), level=level)


def cost_per_correct(
    costs_usd: Sequence[float | None],
    correct: Sequence[bool | None],
    *,
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Measured:
    """USD per correct prediction: total cost / number of correct rows; an unscored row is not correct.

    The interval combines the intervals of the mean cost and of the rate of correct predictions, using their
    correlation: MOVER-R, Donner & Zou, Stat. Methods Med. Res. 21 (2012) 347; Newcombe, ibid. 25 (2016) 1774. If both
    intervals were symmetric, it would be Fieller's; as they are not, it is positive and bounded. With unscored rows,
    the lower bound is that of the case that all of them are correct. There is no value if no prediction is correct or a
    cost is unknown.
    """
    import numpy as np

    costs, hits = floats(costs_usd), floats(correct)
    if len(costs) != len(hits):
        raise ValueError(f"correct: expected one entry per cost ({len(costs)}), found {len(hits)}")
    groups, n = Groups.of(len(costs), sampling), len(costs)
    unpriced, unscored = int(np.isnan(costs).sum()), int(np.isnan(hits).sum())
    if unpriced:
        return unmeasured(f"the cost of {unpriced} of {n} predictions is unknown", level=level, n=n)
    if not np.nan_to_num(hits).any():
        return unmeasured("no prediction is correct" if n else "no prediction", level=level, n=n)
    if not costs.any():
        free = unmeasured("total cost is 0: no interval", level=level, n=n, status=Status.TOO_FEW)
        return replace(free, value=0.0, clusters=groups.count)
    worst = _cost_ratio(costs, np.nan_to_num(hits), groups, level=level)
    if not unscored:
        return worst
    best = _cost_ratio(costs, np.nan_to_num(hits, nan=1.0), groups, level=level)
    status = worst.status if worst.status is Status.INCONCLUSIVE else Status.UNSCORED
    return replace(worst, low=best.low, status=status, reason=unscored_reason(unscored, n))


def _cost_ratio(costs: Floats, hits: Floats, groups: Groups, *, level: float) -> Measured:
    """Total cost / number of correct rows, of rows that are all scored."""
    cost, share = _mean(costs, groups, level=level), scored_rate(hits, groups, level=level)
    low, high = _ratio_bounds(cost, share, correlation=_correlation(costs, hits, groups=groups))
    value = float((groups.weights * costs).sum() / (groups.weights * hits).sum())
    return replace(share, value=value, low=low, high=high, method="mover_r", standard_error=None)


def floats(values: Sequence[float | bool | None]) -> Floats:
    """The values as an array, None as NaN.

    Raises:
        ValueError: a value is infinite.
    """
    import numpy as np

    found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if np.isinf(found).any():
        raise ValueError("expected finite numbers, found an infinite one")
    return found


def _binomial(successes: int, n: int, *, level: float) -> Measured:
    found = proportion_interval(successes, n, level=level)
    rare = (
        f"fewer than {FEWEST_OUTCOMES} of one outcome: exact bounds"
        if min(successes, n - successes) < FEWEST_OUTCOMES
        else None
    )
    return Measured(
        value=successes / n,
        low=found.low,
        high=found.high,
        level=level,
        method=found.method,
        n=n,
        clusters=n,
        effective_n=float(n),
        reason=rare,
    )


def _equivalent_n(value: float, groups: Groups, *, spread: Spread, error: float) -> tuple[float, bool, bool]:
    """The equivalent n; whether one outcome is too rare; whether the exact interval replaces Wilson's.

    The equivalent n is that of a binomial whose normal interval has the same width.
    """
    from scipy.special import ndtri

    variance, z, rare = value * (1 - value), float(ndtri(1 - error)), min(value, 1 - value)
    if spread.independent_variance <= 0 or spread.df <= 0 or variance <= 0:
        return groups.equal_groups, groups.equal_groups * rare < FEWEST_OUTCOMES, True
    count = variance * (z / spread.half(error)) ** 2
    several = groups.count >= FEWEST_CLUSTERS
    outcomes = max(count, groups.n / spread.design_effect) * rare
    if not several:
        count = min(groups.n, variance * (z / spread.half(error, conservative=True)) ** 2)
    if outcomes < FEWEST_OUTCOMES:
        return few_outcomes_n(count, groups.equal_groups, outcomes=outcomes), True, True
    skewed = 1 - 2 * rare > WILSON_SKEWNESS * math.sqrt(count * variance) and not spread.negligible
    return count, False, skewed or not several or count * rare < FEWEST_OUTCOMES


def _error(spread: Spread) -> float | None:
    return math.sqrt(spread.variance) if 0 < spread.variance < math.inf else None


def _status(groups: Groups, *, few: bool) -> tuple[Status, str | None]:
    if groups.are_clusters and groups.count < FEWEST_CLUSTERS:
        return Status.INCONCLUSIVE, f"{groups.count} clusters: at least {FEWEST_CLUSTERS} are needed"
    if groups.are_clusters and groups.largest_share > MOST_OF_ONE_CLUSTER:
        return Status.INCONCLUSIVE, f"one cluster has {groups.largest_share:.0%} of the rows, more than half"
    if groups.count < FEWEST_CLUSTERS:
        return Status.TOO_FEW, f"{groups.count} records: at least {FEWEST_CLUSTERS} are needed"
    if few:
        return Status.TOO_FEW, f"fewer than {FEWEST_OUTCOMES} of one outcome at the effective n: conservative bounds"
    if groups.are_clusters and groups.count < FEW_CLUSTERS:
        return Status.WARNING, f"{groups.count} clusters, fewer than {FEW_CLUSTERS}"
    return Status.OK, None


def spanning(worst: Measured, best: Measured, *, unscored: int) -> Measured:
    """The estimate if all unscored rows fail, with the upper bound of the case that all of them pass."""
    return replace(
        worst,
        value=None if worst.n == unscored else worst.value,
        high=best.high,
        method=UNSCORED_METHOD,
        effective_n=None,
        standard_error=None,
        status=worst.status if worst.status is Status.INCONCLUSIVE else Status.UNSCORED,
        reason=joined(unscored_reason(unscored, worst.n), None if unscored == worst.n else worst.reason),
        worst=worst.value,
        best=best.value,
    )


def unscored_reason(unscored: int, n: int) -> str:
    """The reason of an estimate that includes unscored rows."""
    return f"{unscored} of {n} unscored: the value counts them as failures, the bounds as failures and as passes"


def _mean(values: Floats, groups: Groups, *, level: float) -> Measured:
    value = groups.mean(values)
    spread = spread_of(groups, centered(values, value))
    found = Measured(
        value=value,
        low=None,
        high=None,
        level=level,
        method="none",
        n=groups.n,
        clusters=groups.count,
        effective_n=groups.n / spread.design_effect if spread.independent_variance > 0 else None,
        standard_error=_error(spread),
    )
    if spread.independent_variance <= 0 or spread.df <= 0:
        same = "all amounts are the same" if groups.count > 1 else "one record or cluster shows no variation"
        return replace(found, status=Status.TOO_FEW, reason=f"{same}: no interval")
    status, reason = _status(groups, few=False)
    half = spread.half((1 - level) / 2)
    low, high = value - _unskewed(half, spread), value - _unskewed(-half, spread)
    return replace(found, low=low, high=high, method=MEAN, status=status, reason=reason)


def _unskewed(distance: float, spread: Spread) -> float:
    """The inverse of Hall's transformation: distance of the mean from a bound, given the distance without skewness."""
    tilt = spread.skewness / math.sqrt(spread.groups)
    unit = math.sqrt(max(spread.variance, spread.independent_variance))
    if abs(tilt) < 1e-9:
        return distance
    return unit * 3 / tilt * (math.cbrt(1 + tilt * (distance / unit - tilt / 6)) - 1)


def _correlation(first: Floats, second: Floats, *, groups: Groups) -> float:
    """Correlation between the group totals of the centered values."""
    one, other = (groups.total(groups.weights * (values - groups.mean(values))) for values in (first, second))
    scale = math.sqrt(float((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else 0.0


def _ratio_bounds(top: Measured, bottom: Measured, *, correlation: float) -> tuple[float | None, float | None]:
    above, below = top.value or 0.0, bottom.value or 0.0
    if bottom.low is None or bottom.high is None or bottom.low <= 0:
        return None, None
    least, most = (above if bound is None else max(0.0, bound) for bound in (top.low, top.high))
    return (
        _mover(above, below, outer=least, inner=bottom.high, correlation=correlation, sign=-1),
        _mover(above, below, outer=most, inner=bottom.low, correlation=correlation, sign=1),
    )


def _mover(above: float, below: float, *, outer: float, inner: float, correlation: float, sign: int) -> float:
    """One bound of the ratio above / below from one bound of each, using Donner & Zou's formula."""
    product = above * below + correlation * (outer - above) * (inner - below)
    square = inner * (2 * below - inner)
    root = math.sqrt(max(0.0, product**2 - outer * (2 * above - outer) * square))
    if abs(square) < 1e-12 * below**2:
        return outer * (2 * above - outer) / (2 * product)
    return (product + sign * root) / square
