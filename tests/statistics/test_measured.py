"""Intervals against published values, a second implementation and their own promise."""

from __future__ import annotations

from math import comb

import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.statistics.conventions import FEWEST_OUTCOMES, LEVEL
from assay.statistics.measured import proportion_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_wilsons_interval_is_as_published(successes: int, n: int, low: float, high: float) -> None:
    found = proportion_interval(successes, n)

    assert found.method == "wilson"
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, as above, method 5 (Clopper-Pearson).
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
        # The "rule of three": 0 of 100 leaves up to 3.6 per cent (Hanley & Lippman-Hand, JAMA 249 (1983) 1743, two-sided).
        (0, 100, 0.0000, 0.0362),
    ],
)
def test_the_exact_interval_is_as_published(successes: int, n: int, low: float, high: float) -> None:
    found = proportion_interval(successes, n)

    assert found.method == "clopper_pearson"
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize("n", [1, 2, 9, 10, 25, 188, 1000])
def test_a_second_implementation_gives_the_same(n: int) -> None:
    for successes in range(0, n + 1, max(1, n // 25)):
        few = min(successes, n - successes) < FEWEST_OUTCOMES
        expected = proportion_confint(successes, n, alpha=1 - LEVEL, method="beta" if few else "wilson")

        found = proportion_interval(successes, n)

        assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
        assert found.method == ("clopper_pearson" if few else "wilson")


@pytest.mark.parametrize("n", [1, 5, 10, 30, 200])
def test_the_bounds_hold_the_rate_and_have_some_width(n: int) -> None:
    for successes in range(n + 1):
        found = proportion_interval(successes, n)

        assert 0 <= found.low <= successes / n <= found.high <= 1
        assert found.high > found.low


def test_successes_and_failures_are_mirror_images() -> None:
    for successes in range(41):
        one, other = proportion_interval(successes, 40), proportion_interval(40 - successes, 40)

        assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.8, 0.97])
def test_the_true_rate_is_covered_about_as_often_as_promised(rate: float) -> None:
    n = 60
    covered = 0.0
    for successes in range(n + 1):
        found = proportion_interval(successes, n)
        if found.low <= rate <= found.high:
            covered += comb(n, successes) * rate**successes * (1 - rate) ** (n - successes)

    assert covered >= LEVEL - 0.02


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 10), (11, 10)])
def test_counts_that_cannot_be_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="must"):
        proportion_interval(successes, n)
