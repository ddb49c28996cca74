"""Bounds of the lowest of several quantities keep their error rate, whether these are independent or one and the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import norm

from assay.statistics.multiple.lowest import LowestBounds

SAMPLES = 20_000


@dataclass(frozen=True)
class NormalBounds:
    value: float

    def lower(self, error: float) -> float:
        return float(self.value - norm.ppf(1 - error))

    def upper(self, error: float) -> float:
        return float(self.value + norm.ppf(1 - error))

    def p_above(self, threshold: float) -> float:
        return float(norm.sf(self.value - threshold))

    def p_below(self, threshold: float) -> float:
        return float(norm.cdf(self.value - threshold))


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_both_bounds_err_in_at_most_five_percent(correlation: float) -> None:
    """One of seven is at the limit, and the others far above it (for passing), or all are at it (for failing)."""
    drawn = np.random.default_rng(1).standard_normal((SAMPLES, 7))
    drawn = drawn if not correlation else np.repeat(drawn[:, :1], 7, axis=1)
    quantile, adjusted = norm.ppf(0.95), norm.ppf(1 - 0.05 / 7)

    passed = np.mean((drawn[:, 0] > quantile) & ((drawn[:, 1:] + 10) > quantile).all(axis=1))
    failed = np.mean((drawn < -adjusted).any(axis=1))

    assert max(passed, failed) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / SAMPLES)
    for row in drawn[:50]:
        bounds = LowestBounds([NormalBounds(value) for value in row])
        assert (bounds.upper(0.05) < 0) == bool((row < -adjusted).any()) == (bounds.p_below(0) < 0.05)
        assert (bounds.lower(0.05) > 0) == bool((row > quantile).all()) == (bounds.p_above(0) < 0.05)
