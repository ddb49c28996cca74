"""USD per correct prediction with its interval: from single predictions, or from the totals of their clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, Status, joined, unmeasured
from assay.statistics.rates import floats, grouped_mean, scored_rate, unscored_reason
from assay.statistics.sampling import INDEPENDENT, Groups, Sampling

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats

METHOD = "mover_r"
FREE = "total cost is 0: no interval"
NONE_CORRECT = "no prediction is correct"
NO_INTERVAL = (Status.TOO_FEW, Status.INCONCLUSIVE)
"""Statuses of an estimate whose interval is missing or cannot be relied on; the later one is the more severe."""


def cost_per_correct(
    costs_usd: Sequence[float | None],
    correct: Sequence[bool | None],
    *,
    sampling: Sampling = INDEPENDENT,
    level: float = LEVEL,
) -> Measured:
    """USD per correct prediction: total cost / number of correct rows; an unscored row is not correct.

    It is `cost_per_correct_of_clusters` for the totals of the rows' clusters, or records. There is no value if no
    prediction is correct or a cost is unknown.

    Raises:
        ValueError: the entries differ in number, or `sampling` has weights.
    """
    costs, hits, groups = cost_rows(costs_usd, correct, sampling)
    if reason := unpriced_reason(costs):
        return unmeasured(reason, level=level, n=len(costs))
    return cost_per_correct_of_clusters(ClusterTotals.of(costs, hits, groups), level=level)


def cost_rows(
    costs_usd: Sequence[float | None], correct: Sequence[bool | None], sampling: Sampling
) -> tuple[Floats, Floats, Groups]:
    """Costs, outcomes (1, 0, or NaN for unscored) and groups of the rows.

    Raises:
        ValueError: the entries differ in number, or `sampling` has weights.
    """
    costs, hits = floats(costs_usd), floats(correct)
    if len(costs) != len(hits):
        raise ValueError(f"correct: expected one entry per cost ({len(costs)}), found {len(hits)}")
    if sampling.weights is not None:
        raise ValueError("weights: expected none, since a cost per correct prediction is of totals")
    return costs, hits, Groups.of(len(costs), sampling)


def unpriced_reason(costs: Floats) -> str | None:
    """The reason why there is no cost per correct prediction if a cost is unknown (NaN)."""
    import numpy as np

    unpriced = int(np.isnan(costs).sum())
    return f"the cost of {unpriced} of {len(costs)} predictions is unknown" if unpriced else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTotals:
    """Counts and costs by cluster, one entry each; a record without a cluster is one of its own.

    `requests` are the predictions whose cost counts; `eligible` those of them that count toward the rate, `correct` and
    `unscored` parts of these. `costs_upper_usd` has the calls of unknown billing at their upper estimate.
    """

    requests: Floats
    costs_usd: Floats
    costs_upper_usd: Floats
    eligible: Floats
    correct: Floats
    unscored: Floats
    has_clusters: bool
    """True if an entry may have several records."""

    @classmethod
    def of(cls, costs: Floats, hits: Floats, groups: Groups) -> ClusterTotals:
        """The totals of rows with known costs, all of which count toward the rate; NaN is unscored."""
        import numpy as np

        rows, spent = groups.total(np.ones(groups.n)), groups.total(costs)
        return cls(
            requests=rows,
            costs_usd=spent,
            costs_upper_usd=spent,
            eligible=rows,
            correct=groups.total(np.nan_to_num(hits)),
            unscored=groups.total(np.isnan(hits).astype(float)),
            has_clusters=groups.are_clusters,
        )


def cost_per_correct_of_clusters(totals: ClusterTotals, *, level: float = LEVEL) -> Measured:
    """`cost_per_correct` from totals: the mean cost of a request / the rate of correct among the eligible ones.

    Each cluster is one row with its size as weight, so that the variance is that between clusters. The interval combines
    the intervals of the mean cost and of the rate, using their correlation: MOVER-R, Donner & Zou, Stat. Methods Med. Res.
    21 (2012) 347; Newcombe, ibid. 25 (2016) 1774. If both intervals were symmetric, it would be Fieller's; as they are not,
    it is positive and bounded. There is none where the mean cost has none: a single cluster, or equal costs. The lower
    bound is that of the case that all unscored predictions are correct, the upper one has the upper estimates of the costs.
    """
    n, eligible = int(totals.requests.sum()), int(totals.eligible.sum())
    unscored = int(totals.unscored.sum())
    if not totals.correct.any():
        reason = joined(NONE_CORRECT, unscored_reason(unscored, eligible) if unscored else None) or ""
        return unmeasured(reason if eligible else "no prediction", level=level, n=eligible)
    if not totals.costs_upper_usd.any():
        free = unmeasured(FREE, level=level, n=eligible, status=Status.TOO_FEW)
        return replace(free, value=0.0, clusters=len(totals.requests))
    worst = _ratio_of_clusters(totals, totals.costs_upper_usd, totals.correct, level=level)
    best = _ratio_of_clusters(totals, totals.costs_usd, totals.correct + totals.unscored, level=level)
    value = float(totals.costs_usd.sum() / n * eligible / totals.correct.sum())
    low = None if best.low is None else min(best.low, value)
    high = None if worst.high is None else max(worst.high, value)
    found = replace(worst, value=value, low=low, high=high, n=eligible)
    if not unscored:
        return found
    status = found.status if found.status in NO_INTERVAL else Status.UNSCORED
    return replace(found, status=status, reason=joined(unscored_reason(unscored, eligible), found.reason))


def _ratio_of_clusters(totals: ClusterTotals, costs: Floats, correct: Floats, *, level: float) -> Measured:
    import numpy as np

    requested, kept = totals.requests > 0, totals.eligible > 0
    sizes, eligible = totals.requests[requested], totals.eligible[kept]
    cost = grouped_mean(costs[requested] / sizes, _weighted(sizes, totals), level=level)
    share = scored_rate(correct[kept] / eligible, _weighted(eligible, totals), level=level)
    above, below = float(costs.sum() / sizes.sum()), float(correct.sum() / eligible.sum())
    one, other = costs - above * totals.requests, correct - below * totals.eligible
    scale = math.sqrt(float((one**2).sum() * (other**2).sum()))
    correlation = float(np.clip((one * other).sum() / scale, -1, 1)) if scale > 0 else 0.0
    found = replace(share, value=above / below, method=METHOD, standard_error=None)
    if cost.low is None:
        status = max(cost.status, share.status, key=NO_INTERVAL.index) if share.status in NO_INTERVAL else cost.status
        reason = f"{cost.reason or ''}".replace("amounts", "costs")
        return replace(found, low=None, high=None, method="none", status=status, reason=joined(reason, share.reason))
    low, high = _ratio_bounds(cost, share, correlation=correlation)
    return replace(found, low=low, high=high)


def _weighted(sizes: Floats, totals: ClusterTotals) -> Groups:
    import numpy as np

    uneven = bool(sizes.min() < sizes.max())
    weights = sizes / sizes.mean() if uneven else np.ones(len(sizes))
    return Groups(np.arange(len(sizes)), weights, len(sizes), are_clusters=totals.has_clusters, weighted=uneven)


def _ratio_bounds(top: Measured, bottom: Measured, *, correlation: float) -> tuple[float | None, float | None]:
    above, below = top.value or 0.0, bottom.value or 0.0
    if bottom.low is None or bottom.high is None or bottom.low <= 0:
        return None, None
    least, most = max(0.0, top.low or 0.0), top.high or above
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
