"""Bounds of the lowest of several quantities, each of which must be high enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.statistics.one_sided import OneSidedBounds


@dataclass(frozen=True, slots=True)
class LowestBounds:
    """Bounds of the lowest quantity, from those of each, whatever their dependence.

    Lower bounds need no adjustment: all quantities are above a limit if each is, so the test of each at the full error
    rate keeps it (intersection-union: Berger, Technometrics 24 (1982) 295). That any is below is tested at the smallest
    p-value times their number (Bonferroni).
    """

    each: Sequence[OneSidedBounds]

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return min(bounds.lower(error) for bounds in self.each)

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return min(bounds.upper(error / len(self.each)) for bounds in self.each)

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the lowest quantity is at most `threshold`."""
        return max(bounds.p_above(threshold) for bounds in self.each)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the lowest quantity is at least `threshold`."""
        return min(1.0, len(self.each) * min(bounds.p_below(threshold) for bounds in self.each))
