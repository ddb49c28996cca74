"""Independent yes/no answers, by exact enumeration of the binomial: nothing is simulated.

For Wilson, and for what is shipped (exact bounds where one outcome is rare): mean and least coverage over 2,000 rates, and
the infimum over all, with and without the rates at which fewer than 5 successes or failures are expected. Naive: Wald's
p ± 1.96 standard errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from assay.statistics.conventions import FEWEST_OUTCOMES
from assay.statistics.measured import proportion_interval
from tests.benchmarks.coverage.cells import Cell, Figure

SIZES = (30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000)
RATES = 2_000
BESIDE = 1e-9
MEAN = (0.945, 0.955)
EXACT_LEAST = 0.915


def least_wanted(n: int) -> float:
    """Of Wilson's coverage over rates: 91.5% at 30, 93.5% from 500 on, in between by 1/sqrt(n)."""
    share = (n**-0.5 - 500**-0.5) / (30**-0.5 - 500**-0.5)
    return 0.935 - (0.935 - EXACT_LEAST) * min(1.0, max(0.0, share))


def cells(_: int) -> Iterator[Cell]:
    """One for each n."""
    for n in SIZES:
        yield Cell(f"binomial/n={n}", partial(run, n))


def run(n: int) -> list[Figure]:
    """Figures of the mean and of the least coverage."""
    counts = np.arange(n + 1)
    shipped = [proportion_interval(int(count), n) for count in counts]
    bounds = {
        "wilson": np.array(proportion_confint(counts, n, method="wilson")),
        "shipped": np.array([[one.low for one in shipped], [one.high for one in shipped]]),
        "naive: wald": np.array(proportion_confint(counts, n, method="normal")),
    }
    least = (least_wanted(n), 1.0)
    return [
        *figures("wilson", bounds["wilson"], mean=MEAN),
        *figures("wilson, 5 expected", bounds["wilson"], expected=FEWEST_OUTCOMES, least=least),
        *figures("shipped", bounds["shipped"], mean=(MEAN[0], 1.0)),
        *figures("shipped, 5 expected", bounds["shipped"], expected=FEWEST_OUTCOMES, mean=(MEAN[0], 1.0), least=least),
        *figures("naive: wald", bounds["naive: wald"]),
    ]


def figures(
    name: str,
    bounds: np.ndarray,
    *,
    expected: int = 0,
    mean: tuple[float, float] | None = None,
    least: tuple[float, float] | None = None,
) -> Iterator[Figure]:
    """Mean and least over evenly spaced rates, and the infimum over all rates: coverage is lowest just beside a bound."""
    n = bounds.shape[1] - 1
    even = (np.arange(RATES) + 0.5) / RATES
    beside = np.concatenate([bounds.ravel() - BESIDE, bounds.ravel() + BESIDE])
    for kind, candidates, wanted in (("mean", even, mean), ("least", even, least), ("infimum", beside, None)):
        usual = (n * candidates >= expected) & (n * (1 - candidates) >= expected)
        rates = candidates[(candidates > 0) & (candidates < 1) & usual]
        found = np.concatenate([_shares(bounds, part) for part in np.array_split(rates, len(rates) // 1000 + 1)])
        held, below, width, none = found.T
        yield Figure(
            cell=f"binomial/n={n}",
            method=f"{name}: {kind}",
            settings={"n": n, "rates": len(rates)},
            samples=0,
            coverage=float(held.mean() if kind == "mean" else held.min()),
            below=float(below.mean() if kind == "mean" else below.max()),
            width=float(width.mean()),
            no_width=float(none.max()),
            wanted=wanted,
        )


def _shares(bounds: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """At each rate: how often the interval holds it, lies below it, how wide it is, how often it has no width."""
    low, high = bounds
    chances = binom.pmf(np.arange(len(low)), len(low) - 1, rates[:, None])
    held = (chances * ((low <= rates[:, None]) & (rates[:, None] <= high))).sum(axis=1)
    below = (chances * (high < rates[:, None])).sum(axis=1)
    return np.stack([held, below, chances @ (high - low), chances @ (high <= low)], axis=1)
