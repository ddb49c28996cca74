"""Minimum detectable effects, and the number of records that a wanted difference needs."""

from __future__ import annotations

import math

from assay.statistics.conventions import ERROR, MOST_RECORDS, POWER


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


def records_needed(wanted: float, *, discordance: float, power: float = POWER, design_effect: float = 1.0) -> int:
    """Number of pairs with which McNemar's two-sided test at 5% has this power for the wanted difference.

    Connor, Biometrics 43 (1987) 207; multiplied by the design effect for clustered records.
    """
    from scipy.special import ndtri

    if not 0 < abs(wanted) <= discordance <= 1:
        raise ValueError(
            f"wanted difference {wanted:g}, discordance {discordance:g}: expected 0 < |wanted| <= discordance <= 1"
        )
    under_null = float(ndtri(1 - ERROR / 2)) * math.sqrt(discordance)
    under_difference = float(ndtri(power)) * math.sqrt(discordance - wanted**2)
    return min(MOST_RECORDS, math.ceil(design_effect * ((under_null + under_difference) / wanted) ** 2))


def minimum_detectable_effect(
    n: int, *, discordance: float, power: float = POWER, design_effect: float = 1.0
) -> float | None:
    """The minimum detectable effect of n pairs; None if it would be larger than the discordance.

    The inversion of `records_needed` (Connor 1987).
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z, z_power = float(ndtri(1 - ERROR / 2)), float(ndtri(power))

    def surplus(wanted: float) -> float:
        spread = z * math.sqrt(discordance) + z_power * math.sqrt(max(0.0, discordance - wanted**2))
        return wanted * math.sqrt(n / design_effect) - spread

    return float(brentq(surplus, 0.0, discordance)) if discordance > 0 and surplus(discordance) >= 0 else None
