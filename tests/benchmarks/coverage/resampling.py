"""The intervals for a mean that DESIGN §7 names, to be held against what is shipped: Student's t and the BCa bootstrap."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

RESAMPLES = 1_000
BCA_SAMPLES = 2_000
"""Simulated samples of a cell on which the bootstrap is run; it costs a hundred times what the others do."""
BCA_ROWS = 200
"""The largest sample on which it is run."""


def student(values: np.ndarray) -> tuple[float, float]:
    """Student's 95% interval."""
    mean, half = float(values.mean()), float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / len(values) ** 0.5)
    return mean - half, mean + half


def bca(values: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """The bias-corrected and accelerated 95% interval: Efron, J. Am. Stat. Assoc. 82 (1987) 171."""
    mean, left = float(values.mean()), values - values.mean()
    means = values[random.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    scale = float((left**2).sum()) ** 1.5
    if scale <= 0:
        return mean, mean
    tilt = float((left**3).sum()) / (6 * scale)
    share = (float((means < mean).mean()) + float((means <= mean).mean())) / 2
    shift = float(ndtri(np.clip(share, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    points = shift + ndtri(np.array([0.025, 0.975]))
    low, high = np.quantile(means, ndtr(shift + points / (1 - tilt * points)))
    return float(low), float(high)
