"""The cost per correct prediction for a gate rule: one-sided bounds at any error rate.

The cost per correct prediction is below a limit exactly if the mean of cost - limit * (1 if correct, else 0) is below 0
(Fieller, J. R. Stat. Soc. B 16 (1954) 175). So a rule is the test of a mean, with the bounds of rules on a mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, GATE_LEVEL
from assay.statistics.cost_ratio import ClusterTotals, cost_per_correct_of_clusters, cost_rows, unpriced_reason
from assay.statistics.measured import Status, joined, unmeasured
from assay.statistics.numeric.means import MEAN_BOUNDS, MeanBounds, too_few_deviating, too_few_measured
from assay.statistics.rates import GateRate
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats

STEPS = 60
WIDEST = 1e6
"""A bound beyond this multiple of the value, or its inverse, is none."""


def gate_cost_per_correct(
    costs_usd: Sequence[float | None], correct: Sequence[bool | None], sampling: Sampling = INDEPENDENT
) -> GateRate:
    """`cost_per_correct` for a gate rule: low and high are one-sided bounds, whose error rate is at most `ERROR`.

    They need at least `FEWEST_MEASURED` records or clusters, and costs of which enough differ from the usual one;
    otherwise the status is inconclusive and no rule decides. An unscored prediction is not correct in the test whether the
    limit is kept, and correct in the test whether it is missed.

    Raises:
        ValueError: the entries differ in number, or `sampling` has weights.
    """
    import numpy as np

    costs, hits, groups = cost_rows(costs_usd, correct, sampling)
    if reason := unpriced_reason(costs):
        return GateRate(unmeasured(reason, level=GATE_LEVEL, n=len(costs)), None)
    measured = cost_per_correct_of_clusters(ClusterTotals.of(costs, hits, groups), level=GATE_LEVEL)
    if measured.value is None or measured.low is None:
        return GateRate(measured, None)
    few = joined(too_few_measured(groups), too_few_deviating(costs, groups, size=float(costs.max()), what="cost"))
    if few is not None:
        undecided = replace(measured, status=Status.INCONCLUSIVE, reason=joined(few, measured.reason))
        return GateRate(undecided, None)
    bounds = CostRatioBounds(measured.value, costs, np.nan_to_num(hits), np.nan_to_num(hits, nan=1.0), groups)
    low, high = bounds.lower(ERROR), bounds.upper(ERROR)
    return GateRate(replace(measured, low=low, high=high if math.isfinite(high) else None, method=MEAN_BOUNDS), bounds)


@dataclass(frozen=True, slots=True)
class CostRatioBounds:
    """One-sided bounds of the cost per correct prediction; `worst` and `best` are the outcomes, 1 or 0 a row."""

    value: float
    costs: Floats
    worst: Floats
    best: Floats
    groups: Groups

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`; 0 if there is none."""
        found = self._crossing(lambda limit: self.p_above(limit) <= error, towards=1 / WIDEST)
        return 0.0 if found is None else found

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`; infinite if there is none."""
        found = self._crossing(lambda limit: self.p_below(limit) <= error, towards=WIDEST)
        return math.inf if found is None else found

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the cost per correct prediction is at most `threshold`."""
        return self._mean(threshold, self.best).p_above(0.0)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the cost per correct prediction is at least `threshold`."""
        return self._mean(threshold, self.worst).p_below(0.0)

    def _mean(self, limit: float, hits: Floats) -> MeanBounds:
        return MeanBounds.of(self.costs - limit * hits, self.groups)

    def _crossing(self, is_beyond: Callable[[float], bool], *, towards: float) -> float | None:
        """The limit nearest to the value that is beyond the bound, by bisection of its logarithm; None if none is."""
        near, far = math.log(self.value), math.log(self.value * towards)
        if not is_beyond(math.exp(far)):
            return None
        for _ in range(STEPS):
            middle = (near + far) / 2
            near, far = (near, middle) if is_beyond(math.exp(middle)) else (middle, far)
        return math.exp(far)
