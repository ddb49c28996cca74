"""Tests and intervals that hold together for a family of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.statistics.one_sided import OneSidedBounds


class TestedDifference(Protocol):
    """A difference with its test, its 95% interval, and its bounds at any error rate."""

    @property
    def p_value(self) -> float:
        """The two-sided p-value of the null hypothesis of no difference."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the 95% interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end of the 95% interval."""
        ...

    @property
    def bounds(self) -> OneSidedBounds:
        """Bounds at any error rate."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedTest:
    """A test and an interval that hold for all comparisons of the family together.

    `p` is Holm's adjusted p-value. `low` and `high` are the simultaneous 95% interval.
    """

    p: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """True if the adjusted p-value is at most 5%."""
        return self.p <= ERROR

    @property
    def interval_covers_zero(self) -> bool:
        """True if 0 is within the simultaneous interval."""
        return self.low <= 0 <= self.high


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the same order: Scand. J. Statist. 6 (1979) 65."""
    order, adjusted, highest = sorted(range(len(p_values)), key=p_values.__getitem__), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def adjusted_tests(family: Sequence[TestedDifference]) -> list[AdjustedTest]:
    """Holm's tests and Bonferroni's simultaneous 95% intervals of the family, in the same order.

    Each of m intervals has the one-sided error rate 5% / 2m at both ends, so that all of them together contain the true
    differences in at least 95% of samples, whatever their dependence. Holm's test proceeds step by step and is therefore
    never less powerful: a difference may be significant although its interval contains 0.
    """
    adjusted = holm([one.p_value for one in family])
    intervals = [_interval(one, comparisons=len(family)) for one in family]
    return [AdjustedTest(p=p, low=low, high=high) for p, (low, high) in zip(adjusted, intervals, strict=True)]


def is_decisive(test: AdjustedTest, status: Status) -> bool:
    """True if the difference is significant and there are enough clusters for a decision."""
    return test.is_significant and status is not Status.INCONCLUSIVE


def _interval(one: TestedDifference, *, comparisons: int) -> tuple[float, float]:
    """The interval of one of several comparisons; it contains the interval of the comparison alone."""
    if comparisons == 1:
        return one.low, one.high
    error = ERROR / (2 * comparisons)
    return min(one.low, one.bounds.lower(error)), max(one.high, one.bounds.upper(error))
