"""Bounds at any one-sided error rate with the matching p-values, of a rate or of a difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class OneSidedBounds(Protocol):
    """Bounds of a quantity at any error rate, and the matching p-values."""

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        ...

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        ...

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at most `threshold`."""
        ...

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at least `threshold`."""
        ...


@dataclass(frozen=True, slots=True)
class SpanningBounds:
    """Bounds with unscored outcomes: the lower one of the worst case, the upper one of the best case."""

    worst: OneSidedBounds
    best: OneSidedBounds

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return self.worst.lower(error)

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return self.best.upper(error)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at most `threshold`."""
        return self.worst.p_above(threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at least `threshold`."""
        return self.best.p_below(threshold)


@dataclass(frozen=True, slots=True)
class WidestOneSided:
    """The widest of several bounds of the same quantity."""

    parts: tuple[OneSidedBounds, ...]

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return min(part.lower(error) for part in self.parts)

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return max(part.upper(error) for part in self.parts)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at most `threshold`."""
        return max(part.p_above(threshold) for part in self.parts)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at least `threshold`."""
        return max(part.p_below(threshold) for part in self.parts)


@dataclass(frozen=True, slots=True)
class MirroredBounds:
    """The bounds of a quantity with the opposite sign."""

    bounds: OneSidedBounds

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return -self.bounds.upper(error)

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return -self.bounds.lower(error)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at most `threshold`."""
        return self.bounds.p_below(-threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the quantity is at least `threshold`."""
        return self.bounds.p_above(-threshold)


def two_sided_p(bounds: OneSidedBounds) -> float:
    """Twice the smaller one-sided p-value for no difference, at most 1."""
    return min(1.0, 2 * min(bounds.p_above(0.0), bounds.p_below(0.0)))
