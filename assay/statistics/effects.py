"""Minimum detectable effects, and the number of records that a wanted difference needs."""

from __future__ import annotations

import math

from assay.statistics.conventions import ERROR, FEWEST_CLUSTERS, MOST_RECORDS, POWER
from assay.statistics.sampling import ROUNDING


def mde_of_plan(standard_error: float, *, df: float = math.inf, power: float = POWER) -> float:
    """The minimum detectable effect of a two-sided test at 5% with this standard error.

    (t for 97.5% + t for the power) x standard error: Bloom, Evaluation Review 19 (1995) 547.
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - ERROR / 2) + stdtrit(df, power)) * standard_error


def records_for(wanted: float, *, n: int, mde: float) -> int:
    """Number of similar records whose minimum detectable effect is `wanted`, if n records have the effect `mde`."""
    if wanted <= 0:
        raise ValueError(f"wanted difference {wanted:g}: expected a value above 0")
    return min(MOST_RECORDS, math.ceil(n * (mde / wanted) ** 2))


def records_needed(
    wanted: float,
    *,
    discordance: float,
    power: float = POWER,
    design_effect: float = 1.0,
    cluster_size: float | None = None,
) -> int:
    """Number of pairs with which McNemar's two-sided test at 5% has this power for the wanted difference.

    Connor, Biometrics 43 (1987) 207; multiplied by the design effect for clustered records. With clusters of this number
    of records each, at least `FEWEST_CLUSTERS`, and Student's t on the number of clusters in place of the normal.
    """
    if not 0 < abs(wanted) <= discordance <= 1:
        raise ValueError(
            f"wanted difference {wanted:g}, discordance {discordance:g}: expected 0 < |wanted| <= discordance <= 1"
        )

    def needed(df: float) -> float:
        spread = _spread(abs(wanted), discordance=discordance, power=power, df=df)
        return design_effect * (spread / wanted) ** 2

    found = needed(math.inf)
    if cluster_size is not None:
        fewest, found = FEWEST_CLUSTERS * cluster_size, needed(FEWEST_CLUSTERS - 1.0)
        for _ in range(ROUNDS):
            found = max(fewest, needed(max(found, fewest) / cluster_size - 1))
    return min(MOST_RECORDS, math.ceil(found - ROUNDING))


ROUNDS = 20
"""Rounds in which the number of clusters and the quantiles of Student's t that depend on it agree."""


def minimum_detectable_effect(
    n: int,
    *,
    discordance: float,
    power: float = POWER,
    design_effect: float = 1.0,
    clusters: float | None = None,
) -> float | None:
    """The minimum detectable effect of n pairs; None if it would be larger than the discordance.

    The inversion of `records_needed` (Connor 1987). None, too, with fewer than `FEWEST_CLUSTERS` clusters of equal weight,
    whose comparison is inconclusive.
    """
    from scipy.optimize import brentq

    if clusters is not None and clusters < FEWEST_CLUSTERS:
        return None
    df = math.inf if clusters is None else clusters - 1

    def surplus(wanted: float) -> float:
        return wanted * math.sqrt(n / design_effect) - _spread(wanted, discordance=discordance, power=power, df=df)

    return float(brentq(surplus, 0.0, discordance)) if discordance > 0 and surplus(discordance) >= 0 else None


def _spread(wanted: float, *, discordance: float, power: float, df: float) -> float:
    """The wanted difference times the root of the number of pairs that detects it."""
    from scipy.special import stdtrit

    under_null = float(stdtrit(df, 1 - ERROR / 2)) * math.sqrt(discordance)
    return under_null + float(stdtrit(df, power)) * math.sqrt(max(0.0, discordance - wanted**2))
