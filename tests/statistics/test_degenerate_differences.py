"""Comparisons of differences that hardly vary: no crash, no interval without width, never narrower than independence."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import beta, binom

from assay.statistics.conventions import ERROR, RESAMPLES
from assay.statistics.measured import Status
from assay.statistics.paired import PairedComparison, Pairs, compare
from assay.statistics.sampling import Sampling

SIZES = (2, 3, 10, 12, 60, 1000)
GROUPS = (1, 2, 5, 10, 12, 40)
VALUES = {
    "all gain": np.ones,
    "all lose": lambda n: -np.ones(n),
    "none differs": np.zeros,
    "one gains": lambda n: np.eye(1, n)[0],
    "one loses": lambda n: -np.eye(1, n, n - 1)[0],
    "all but one gain": lambda n: 1 - np.eye(1, n)[0],
    "gain, lose in turn": lambda n: np.where(np.arange(n) % 2, 1.0, -1.0),
    "a third each": lambda n: np.full(n, 1 / 3),
    "thirds of epochs": lambda n: np.where(np.arange(n) % 3, 1 / 3, -2 / 3),
    "a tenth, with rounding errors": lambda n: np.resize([0.1, 0.1 + 3e-17, 0.3 - 0.2], n),
    "half, one a little less": lambda n: 0.5 - 1e-6 * np.eye(1, n)[0],
    "nearly constant": lambda n: 0.25 + 1e-9 * np.sin(np.arange(n)),
}


def compared(values: np.ndarray, groups: int | None = None, *, resamples: int = 0) -> PairedComparison:
    """The comparison of these differences, in groups of equal size."""
    clusters = None if groups is None else (np.arange(len(values)) * groups // len(values)).tolist()
    pairs = Pairs(
        candidate=np.clip(values, 0, 1), champion=np.clip(-values, 0, 1), sampling=Sampling(clusters=clusters)
    )
    return compare(pairs, resamples=resamples, seed=1)


def is_honest(found: PairedComparison) -> bool:
    """True if the estimate is within both kinds of bounds, which have a width that one more record could change visibly."""
    within = -1 <= found.low <= found.difference + 1e-12 and found.difference - 1e-12 <= found.high <= 1
    ordered = found.low - 1e-12 <= found.lower <= found.difference + 1e-12 <= found.upper + 2e-12 <= found.high + 3e-12
    width = 1 / (found.n + 2)
    wide = found.high - found.low > width and found.upper - found.lower > width
    inside = found.difference in {-1.0, 1.0} or found.low < found.difference < found.high
    finite = 0 <= found.p_value <= 1 and math.isfinite(found.mde) and found.mde > 0
    resampled = found.resampled is None or found.resampled[0] < found.resampled[1]
    return within and ordered and wide and inside and finite and resampled


@pytest.mark.parametrize("name", VALUES)
def test_no_interval_is_without_width_whatever_hardly_varies(name: str) -> None:
    for n in SIZES:
        values = VALUES[name](n)
        assert is_honest(compared(values, resamples=50))
        for groups in GROUPS:
            if groups <= n:
                assert is_honest(compared(values, groups, resamples=50))


def test_a_bootstrap_that_resamples_equal_groups_is_left_out() -> None:
    for values in (np.ones(2), np.ones(60), np.resize([0.0, -1.0, 0.0], 60), np.full(30, 1 / 3)):
        assert compared(values, 20 if len(values) == 60 else None, resamples=RESAMPLES).resampled is None


@pytest.mark.parametrize(
    ("groups", "size", "losses", "lower"),
    # One-sided Tango bounds of the rows as if they were independent, from an independent search below.
    [(12, 25, 1, -0.064), (30, 10, 3, -0.346)],
)
def test_groups_that_are_alike_are_not_taken_for_precision(groups: int, size: int, losses: int, lower: float) -> None:
    values = np.tile([-1.0] * losses + [0.0] * (size - losses), groups)

    found, rows = compared(values, groups), compared(values)

    assert found.lower == pytest.approx(lower, abs=0.002)
    assert (found.lower, found.upper) == pytest.approx((rows.lower, rows.upper))
    assert (found.low, found.high, found.p_value) == pytest.approx((rows.low, rows.high, rows.p_value))
    assert found.status is Status.WARNING if groups < 30 else Status.OK


@pytest.mark.parametrize(("groups", "size"), list(product((10, 20, 40), (2, 10))))
def test_bounds_in_groups_are_never_within_those_of_independent_rows(groups: int, size: int) -> None:
    random = np.random.default_rng(groups * size)
    for _ in range(40):
        share = random.uniform(0.3, 0.8)
        values = random.choice([-1.0, 0.0, 1.0], groups * size, p=[share / 2, 1 - share, share / 2])
        found, rows = compared(values, groups), compared(values)
        if found.method == "cr2_t" and rows.method == "tango":
            assert found.low <= rows.low + 1e-12 and found.high >= rows.high - 1e-12
            assert found.lower <= rows.lower + 1e-12 and found.upper >= rows.upper - 1e-12
            assert found.p_value >= rows.p_value - 1e-12


@pytest.mark.parametrize("n", [12, 40, 400])
def test_a_constant_difference_is_bounded_by_the_outcomes_that_none_of_n_records_shows(n: int) -> None:
    """With probability 95% an outcome that none of n shows has a probability of at most 1 - 0.05^(1/n)."""
    found, unseen = compared(np.full(n, 0.5)), 1 - ERROR ** (1 / n)

    assert found.lower == pytest.approx(0.5 - 1.5 * unseen)
    assert found.upper == pytest.approx(0.5 + 0.5 * unseen)
    assert found.status is Status.TOO_FEW


def test_bounds_of_a_usual_difference_keep_their_error_rate() -> None:
    """Records of which a share p falls from 1/2 to -1, enumerated: the true mean is below the bound in at most 5%."""
    n = 60
    lowers = [compared(np.array([-1.0] * fallen + [0.5] * (n - fallen))).lower for fallen in range(10)]
    for share in (0.001, 0.01, 0.03, 0.05, 0.08, 0.12):
        mean = 0.5 - 1.5 * share
        wrong = sum(binom.pmf(k, n, share) for k, lower in enumerate(lowers) if lower > mean)
        assert wrong <= ERROR + 1e-9


def test_the_interval_holds_zero_exactly_where_the_test_does_not_reject() -> None:
    random = np.random.default_rng(5)
    for _ in range(300):
        groups = int(random.integers(12, 40))
        effects = random.normal(0.08, 0.15, groups)
        values = np.clip(random.normal(np.repeat(effects, 6), 0.3), -1, 1)
        found = compared(values, groups)
        assert found.method == "cr2_t"
        assert (found.p_value <= ERROR) == (found.low > 0 or found.high < 0)


def test_sign_bounds_of_no_usual_difference_are_clopper_and_pearsons() -> None:
    found = compared(np.array([-1.0] * 2 + [0.5] * 3 + [0.0] * 95), 100)

    assert found.method in {"sign_bounds", "paired_t", "exact_unconditional"}
    assert found.lower == pytest.approx(-beta.ppf(0.95, 3, 98))
