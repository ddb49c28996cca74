"""One-sided bounds of a rate at any error rate, and the matching p-values: what gate rules decide on.

A bound at error rate 5% is beyond the true rate in at most 5% of samples. Independent binary rows: the exact binomial
test, at every n. Epochs, clusters, weights and fractions: the exact bounds at the number of independent outcomes with
the same variance, simulated in tests/benchmarks/coverage, family "one-sided rates".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.statistics.conventions import FEWEST_OUTCOMES, RATE_SKEWNESS_SHARE
from assay.statistics.exact_tests import rate_above_p, rate_bounds
from assay.statistics.measured import exact_bounds
from assay.statistics.paired_bounds import hall
from assay.statistics.sampling import Groups, centered, spread_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.statistics.sampling import Floats, Spread

SMALLEST_ERROR, LARGEST_ERROR = 1e-15, 1 / 3
"""Range of the error rates for which an equivalent n is computed, and of the p-values that are derived from bounds."""


@dataclass(frozen=True, slots=True)
class BinomialBounds:
    """Exact bounds of independent binary rows: Clopper & Pearson, Biometrika 26 (1934) 404."""

    successes: int
    n: int

    def lower(self, error: float) -> float:
        """The lower bound at a one-sided error rate of at most `error`."""
        return rate_bounds(self.successes, self.n, error=error)[0]

    def upper(self, error: float) -> float:
        """The upper bound at a one-sided error rate of at most `error`."""
        return rate_bounds(self.successes, self.n, error=error)[1]

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the rate is at most `threshold`."""
        return rate_above_p(self.successes, self.n, rate=threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the rate is at least `threshold`."""
        return rate_above_p(self.n - self.successes, self.n, rate=1 - threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveBounds:
    """Exact bounds at the equivalent n, the number of independent outcomes with the same variance between groups.

    The equivalent n is p(1-p) z² / h², as in `rates.score_at_effective_n`, with h from Student's t or, if wider, from
    Hall's transformation with `RATE_SKEWNESS_SHARE` of the skewness; h is at least that of independent rows. If one
    outcome is rare, the equivalent n is closer to the number of groups (`few_outcomes_n`).
    """

    value: float
    spread: Spread
    n: int
    equal_groups: float

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return exact_bounds(self.value, self._equivalent_n(error, sign=1), error=error)[0]

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return exact_bounds(self.value, self._equivalent_n(error, sign=-1), error=error)[1]

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the rate is at most `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: self.lower(error) - threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the rate is at least `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: threshold - self.upper(error))

    def _equivalent_n(self, error: float, *, sign: int) -> float:
        from scipy.special import ndtri, stdtrit

        spread, variance = self.spread, self.value * (1 - self.value)
        if spread.independent_variance <= 0 or spread.df <= 0 or variance <= 0:
            return self.equal_groups
        error = min(error, LARGEST_ERROR)
        z, quantile = float(ndtri(1 - error)), float(stdtrit(spread.df, 1 - error))
        skewness = RATE_SKEWNESS_SHARE * sign * spread.skewness / math.sqrt(spread.groups)
        reach = max(quantile, hall(quantile, skewness)) * math.sqrt(spread.variance)
        count = min(self.n, variance * (z / max(reach, z * math.sqrt(spread.independent_variance))) ** 2)
        outcomes = self.n / spread.design_effect * min(self.value, 1 - self.value)
        return few_outcomes_n(count, self.equal_groups, outcomes=outcomes)


def few_outcomes_n(count: float, equal_groups: float, *, outcomes: float) -> float:
    """The equivalent n if one outcome occurs in about `outcomes` of the independent rows.

    Without any, rows of a group may all be equal, and the effective number of groups is used. From `FEWEST_OUTCOMES` on,
    the variance between groups gives `count`. In between, the geometric mean, weighted by the number of outcomes, so
    that one outcome more or less changes an interval little.
    """
    known = min(1.0, outcomes / FEWEST_OUTCOMES)
    return float(equal_groups ** (1 - known) * count**known)


def bounds_of(values: Floats, groups: Groups) -> BinomialBounds | EffectiveBounds:
    """The bounds of the mean of one or more scores between 0 and 1, all of them known."""
    import numpy as np

    if groups.count == groups.n and not groups.weighted and np.isin(values, (0.0, 1.0)).all():
        return BinomialBounds(int(values.sum()), groups.n)
    value = min(1.0, max(0.0, groups.mean(values)))
    spread = spread_of(groups, centered(values, value))
    return EffectiveBounds(value=value, spread=spread, n=groups.n, equal_groups=groups.equal_groups)


def error_at_zero(excess: Callable[[float], float]) -> float:
    """The error rate at which an increasing function reaches 0; 1 if it is above `LARGEST_ERROR`."""
    from scipy.optimize import brentq

    if excess(LARGEST_ERROR) <= 0:
        return 1.0
    if excess(SMALLEST_ERROR) >= 0:
        return SMALLEST_ERROR
    return math.exp(
        brentq(lambda log: excess(math.exp(log)), math.log(SMALLEST_ERROR), math.log(LARGEST_ERROR), xtol=1e-10)
    )
