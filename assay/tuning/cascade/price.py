"""Estimates the cost of a fitted cascade on held-out records, with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Interval, proportion_interval
from assay.tuning.cascade.threshold import RoutePair


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEstimate:
    """An estimate with its 95% confidence interval."""

    value: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadePrice:
    """Cost per record in USD of the cascade and of each route alone, and the saving relative to the better route.

    `escalated` is the share of records that escalate. Costs are None if the calls of any record are unpriced.
    """

    escalated: PriceEstimate
    cascade_usd: PriceEstimate | None
    cheap_usd: float | None
    better_usd: float | None
    saved: PriceEstimate | None


def cascade_price(pairs: Sequence[RoutePair], threshold: float) -> CascadePrice:
    """Returns the cost of the cascade: the cheap call for every record, plus the better call if the record escalates.

    The interval of the mean uses Student's t; that of the saving uses the delta method for a ratio of means (Cochran,
    Sampling Techniques, 3rd ed., ch. 6).

    Raises:
        ValueError: `pairs` is empty.
    """
    escalated = [pair.confidence < threshold for pair in pairs]
    share = _of_share(sum(escalated), len(pairs))
    cheap = [pair.cheap_usd for pair in pairs if pair.cheap_usd is not None]
    better = [pair.better_usd for pair in pairs if pair.better_usd is not None]
    if len(cheap) < len(pairs) or len(better) < len(pairs):
        return CascadePrice(escalated=share, cascade_usd=None, cheap_usd=None, better_usd=None, saved=None)
    paid = [first + second * is_escalated for first, second, is_escalated in zip(cheap, better, escalated, strict=True)]
    return CascadePrice(
        escalated=share,
        cascade_usd=_of_mean(paid),
        cheap_usd=sum(cheap) / len(cheap),
        better_usd=sum(better) / len(better),
        saved=_of_saving(paid, better),
    )


def _of_share(count: int, n: int) -> PriceEstimate:
    interval: Interval = proportion_interval(count, n)
    return PriceEstimate(value=count / n, low=interval.low, high=interval.high, method=interval.method)


def _of_mean(values: Sequence[float]) -> PriceEstimate:
    mean, half = sum(values) / len(values), _half_width(values)
    return PriceEstimate(value=mean, low=max(mean - half, 0.0), high=mean + half, method="t")


def _of_saving(paid: Sequence[float], better: Sequence[float]) -> PriceEstimate | None:
    """Returns 1 minus the cost of the cascade divided by that of the better route; None if the latter costs nothing."""
    total = sum(better)
    if total <= 0:
        return None
    ratio, mean = sum(paid) / total, total / len(better)
    half = _half_width([(one - ratio * other) / mean for one, other in zip(paid, better, strict=True)])
    return PriceEstimate(value=1 - ratio, low=1 - ratio - half, high=1 - ratio + half, method="ratio_delta")


def _half_width(values: Sequence[float]) -> float:
    """Returns the half-width of the t interval of the mean; infinite for fewer than two values."""
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        return math.inf
    mean = sum(values) / n
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    return float(stdtrit(n - 1, (1 + LEVEL) / 2)) * spread / math.sqrt(n)
