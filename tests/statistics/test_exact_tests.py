"""Exact tests against published values, brute force and their own promise."""

from __future__ import annotations

from math import comb

import pytest

from assay.statistics.exact_tests import (
    NUISANCE_SHARE,
    difference_above_p,
    difference_bounds,
    rate_above_p,
    rate_bounds,
)

ERROR = 0.05


def multinomial(n: int, gains: int, losses: int, chances: tuple[float, float]) -> float:
    """The probability of exactly so many gains and losses."""
    gain, loss = chances
    ways = comb(n, gains) * comb(n - gains, losses)
    return ways * gain**gains * loss**losses * (1 - gain - loss) ** (n - gains - losses)


def outcomes(n: int) -> list[tuple[int, int]]:
    return [(gains, losses) for gains in range(n + 1) for losses in range(n + 1 - gains)]


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 5: two-sided 95%, so 2.5% on each side.
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_the_bounds_of_a_rate_are_as_published(successes: int, n: int, low: float, high: float) -> None:
    bounds = rate_bounds(successes, n, error=0.025)

    assert (round(bounds[0], 4), round(bounds[1], 4)) == (low, high)


def test_all_right_bounds_a_rate_from_above_by_one() -> None:
    assert rate_bounds(20, 20, error=ERROR) == (pytest.approx(ERROR ** (1 / 20)), 1.0)


def test_the_test_of_a_rate_is_the_binomial_tail() -> None:
    tail = sum(comb(30, k) * 0.7**k * 0.3 ** (30 - k) for k in range(26, 31))

    assert rate_above_p(26, 30, rate=0.7) == pytest.approx(tail)
    assert rate_above_p(0, 30, rate=0.7) == 1.0


def test_a_rate_at_its_lower_bound_is_just_shown() -> None:
    low, _ = rate_bounds(81, 100, error=ERROR)

    assert rate_above_p(81, 100, rate=low) == pytest.approx(ERROR)


@pytest.mark.parametrize("difference", [-0.2, -0.05, 0.0, 0.1])
@pytest.mark.parametrize("share", [0.2, 0.35, 0.6, 0.95])
def test_a_difference_that_is_not_there_is_shown_no_more_often_than_stated(difference: float, share: float) -> None:
    n = 24
    chances = ((share + difference) / 2, (share - difference) / 2)

    wrong = sum(
        multinomial(n, gains, losses, chances)
        for gains, losses in outcomes(n)
        if difference_above_p(gains, losses, n, difference=difference, error=ERROR) <= ERROR
    )

    assert wrong <= ERROR


def test_the_paired_test_is_about_as_strong_as_the_stated_error_allows() -> None:
    n, share, difference = 24, 0.6, 0.0
    shown = sum(
        multinomial(n, gains, losses, (share / 2, share / 2))
        for gains, losses in outcomes(n)
        if difference_above_p(gains, losses, n, difference=difference, error=ERROR) <= ERROR
    )

    assert shown >= 0.01


def test_where_no_pair_differs_many_pairs_show_that_little_can_be_lost() -> None:
    assert difference_above_p(0, 0, 2000, difference=-0.01, error=ERROR) <= ERROR
    assert difference_above_p(0, 0, 50, difference=-0.01, error=ERROR) > ERROR


def test_more_gains_speak_more_and_a_higher_bar_less() -> None:
    by_gains = [difference_above_p(gains, 10, 200, difference=-0.01, error=ERROR) for gains in range(5, 30)]
    by_bar = [difference_above_p(20, 10, 200, difference=bar / 100, error=ERROR) for bar in range(-10, 10)]

    assert by_gains == sorted(by_gains, reverse=True)
    assert by_bar == sorted(by_bar)


def test_the_bounds_of_a_difference_hold_it_and_mirror_each_other() -> None:
    low, high = difference_bounds(30, 12, 400, error=ERROR)

    assert low < (30 - 12) / 400 < high
    assert difference_bounds(12, 30, 400, error=ERROR) == (pytest.approx(-high), pytest.approx(-low))


def test_the_bounds_come_near_the_normal_ones_where_there_are_many_pairs() -> None:
    gains, losses, n = 400, 300, 10_000
    mean = (gains - losses) / n
    spread = ((gains + losses) / n - mean**2) ** 0.5 / n**0.5

    low, high = difference_bounds(gains, losses, n, error=ERROR)

    assert (low, high) == (pytest.approx(mean - 1.645 * spread, abs=5e-4), pytest.approx(mean + 1.645 * spread, abs=5e-4))  # fmt: skip


@pytest.mark.parametrize(("gains", "losses", "n"), [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(gains: int, losses: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected gains and losses >= 0"):
        difference_above_p(gains, losses, n, difference=0.0, error=ERROR)
    with pytest.raises(ValueError, match="expected 0 <= successes <= n"):
        rate_above_p(6, 5, rate=0.5)


@pytest.mark.parametrize(("gains", "losses", "difference"), [(0, 2, -0.5), (1, 4, -0.4), (3, 1, 0.0), (5, 0, 0.2)])
def test_the_p_value_is_the_largest_over_the_shares_of_differing_pairs(
    gains: int, losses: int, difference: float
) -> None:
    n, spent = 12, NUISANCE_SHARE * ERROR
    seen = [(g, k) for g, k in outcomes(n) if g - k >= gains - losses]
    lowest, highest = max(abs(difference), 1e-9), rate_bounds(gains + losses, n, error=spent)[1]
    steps = [lowest + (highest - lowest) * step / 200 for step in range(201)]

    largest = max(
        sum(multinomial(n, g, k, ((share + difference) / 2, (share - difference) / 2)) for g, k in seen)
        for share in steps
    )

    found = difference_above_p(gains, losses, n, difference=difference, error=ERROR)
    assert found == pytest.approx(min(1.0, largest + spent), abs=2e-3)
