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
from assay.statistics.paired_bounds import hall
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
    return gate_rate_between(np.nan_to_num(values, nan=0.0), np.nan_to_num(values, nan=1.0), sampling)


def gate_rate_between(worst: Floats, best: Floats, sampling: Sampling = INDEPENDENT) -> GateRate:
    """`gate_rate` of values that are known to lie between `worst` and `best`, of which the value is the worst case.

    Raises:
        ValueError: a value is outside 0 to 1, or a field of `sampling` is invalid.
    """
    if not len(worst):
        return GateRate(unmeasured("no prediction", level=GATE_LEVEL), None)
    groups, unscored = Groups.of(len(worst), sampling), int((worst < best).sum())
    lowest, low_bounds = grouped_rate(worst, groups, level=GATE_LEVEL), bounds_of(worst, groups)
    if not unscored:
        is_exact = lowest.method in {"wilson", "clopper_pearson"}
        method = "clopper_pearson" if is_exact else "effective_n_clopper_pearson"
        found, bounds = replace(lowest, method=method), low_bounds
        return GateRate(replace(found, low=bounds.lower(ERROR), high=bounds.upper(ERROR)), bounds)
    found = spanning(lowest, grouped_rate(best, groups, level=GATE_LEVEL), unscored=unscored)
    spanned = SpanningBounds(low_bounds, bounds_of(best, groups))
    return GateRate(replace(found, low=spanned.lower(ERROR), high=spanned.upper(ERROR)), spanned)


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
    return grouped_mean(found[kept], groups.only(kept), level=level)


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


def undecided_clusters(groups: Groups) -> str | None:
    """The reason why clusters are inconclusive: too few of them, or one that is too large; None if they decide."""
    if groups.are_clusters and groups.count < FEWEST_CLUSTERS:
        return f"{groups.count} clusters: at least {FEWEST_CLUSTERS} are needed"
    if groups.are_clusters and groups.largest_share > MOST_OF_ONE_CLUSTER:
        return f"one cluster has {groups.largest_share:.0%} of the rows, more than half"
    return None


def _status(groups: Groups, *, few: bool) -> tuple[Status, str | None]:
    undecided = undecided_clusters(groups)
    if undecided is not None:
        return Status.INCONCLUSIVE, undecided
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


def grouped_mean(values: Floats, groups: Groups, *, level: float = LEVEL) -> Measured:
    """`mean` of one or more known amounts whose groups are known."""
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
    half, tilt = spread.half((1 - level) / 2), spread.skewness / math.sqrt(spread.groups)
    unit = math.sqrt(max(spread.variance, spread.independent_variance))
    low, high = (value - unit * hall(reach / unit, tilt) for reach in (half, -half))
    return replace(found, low=low, high=high, method=MEAN, status=status, reason=reason)
