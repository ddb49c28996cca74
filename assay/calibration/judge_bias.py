"""What sways a judge besides quality: the length of an answer, and the place in which it is shown."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.statistics.agreement import missing
from assay.statistics.conventions import FEWEST_RANKED, LEVEL
from assay.statistics.exact_tests import difference_bounds
from assay.statistics.measured import Measured, Status, unmeasured
from assay.statistics.rates import floats, rate
from assay.statistics.sampling import ALONE, Groups, Sampling, numbered, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

PREFERS = {1: 1.0, 2: 0.0, 0: 0.5}
"""How far a verdict of the first order (1, 2, or 0 for a tie) prefers what was shown first."""


def length_bias(
    scores: Sequence[float | None],
    lengths: Sequence[float | None],
    *,
    human: Sequence[Hashable | None] | None = None,
    sampling: Sampling = ALONE,
    level: float = LEVEL,
) -> Measured:
    """Spearman's correlation of a judge's score with the answer's length, among answers that people label alike.

    Ranks are taken over all items and their means within each human label removed; without `human` it is the plain
    correlation. Above 0: longer answers score higher than people warrant. The interval is Fisher's z with a linearised
    variance that lets ranks be estimated too (Croux & Dehon, Stat. Methods Appl. 19 (2010) 497, for the influence
    function), so that ties, weights and clusters enter. No value where scores or lengths do not vary, or items are few.
    """
    import numpy as np

    x, y = floats(scores), floats(lengths)
    if len(x) != len(y) or (human is not None and len(human) != len(x)):
        raise ValueError(f"lengths, human: one entry a score was expected, {len(x)} scores")
    kept = ~(np.isnan(x) | np.isnan(y))
    if human is not None:
        kept &= np.array([not missing(label) for label in human], dtype=bool)
    groups = Groups.of(len(x), sampling).only(kept)
    if groups.count < FEWEST_RANKED:
        few = f"{groups.count} items or clusters: at least {FEWEST_RANKED} are needed"
        return unmeasured(few, level=level, n=groups.n, status=Status.TOO_FEW)
    labels: Sequence[Hashable | None] = [0] * len(x) if human is None else human
    stratum = numbered([label for label, keep in zip(labels, kept, strict=True) if keep])
    one, other = (_Ranked.of(values[kept], groups, stratum) for values in (x, y))
    if min(one.variance, other.variance) <= 1e-12:
        return unmeasured("scores or lengths do not vary among answers labelled alike", level=level, n=groups.n)
    return _correlation(one, other, groups=groups, level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBias:
    """How a judge of pairs depends on which answer it is shown first."""

    flipped: Measured
    """The share of pairs whose verdict changes with the order."""
    prefers_first: Measured
    """The share of verdicts for the answer shown first, a tie counting half; 1/2 is no preference."""


def position_bias(
    original: Sequence[int | None],
    swapped: Sequence[int | None],
    *,
    sampling: Sampling = ALONE,
    level: float = LEVEL,
) -> PositionBias:
    """Both biases from the verdicts on the same pairs in both orders.

    A verdict is 1 or 2 for the answer so named in the original order, 0 for a tie, None where there is none; pairs with
    one verdict are unscored. Independent pairs without a tie get exact bounds for the preference, from the pairs that
    flipped towards the first and towards the second place (`exact_tests.difference_bounds`).

    Raises:
        ValueError: another verdict than 0, 1, 2 or None.
    """
    import numpy as np

    pairs = list(zip(original, swapped, strict=True))
    strange = {verdict for pair in pairs for verdict in pair if verdict is not None and verdict not in PREFERS}
    if strange:
        raise ValueError(f"verdicts: 0, 1, 2 or None was expected, found {sorted(strange)}")
    complete = [None not in pair for pair in pairs]
    flipped = rate(
        [a != b if full else None for (a, b), full in zip(pairs, complete, strict=True)], sampling, level=level
    )
    first = [(PREFERS[a] + 1 - PREFERS[b]) / 2 if a is not None and b is not None else None for a, b in pairs]
    preferred = rate(first, sampling, level=level)
    values, groups = floats(first), Groups.of(len(pairs), sampling)
    kept = ~np.isnan(values)
    ties = any(0 in pair for pair in pairs)
    if kept.any() and preferred.value is not None and groups.count == groups.n and not groups.weighted and not ties:
        preferred = _exact_preference(values[kept], preferred, level=level)
    return PositionBias(flipped=flipped, prefers_first=preferred)


def _exact_preference(values: Floats, found: Measured, *, level: float) -> Measured:
    gains, losses = int((values == 1).sum()), int((values == 0).sum())
    low, high = difference_bounds(gains, losses, len(values), error=(1 - level) / 2)
    low, high = 0.5 + low / 2, 0.5 + high / 2
    return replace(found, low=low, high=high, method="exact_paired", status=Status.OK, reason=None)


@dataclass(frozen=True)
class _Ranked:
    """Weighted mid-ranks (0 to 1), their means within strata removed, and where each value stands among the others."""

    values: Floats
    places: Codes
    variance: float

    @classmethod
    def of(cls, values: Floats, groups: Groups, stratum: Codes) -> _Ranked:
        import numpy as np

        places = np.unique(values, return_inverse=True)[1].astype(np.intp)
        held = np.bincount(places, weights=groups.weights) / groups.n
        ranks = (held.cumsum() - held / 2)[places]
        means = np.bincount(stratum, weights=groups.weights * ranks) / np.bincount(stratum, weights=groups.weights)
        left = ranks - means[stratum]
        return cls(left, places, groups.mean(left**2))

    def pull(self, against: Floats, groups: Groups) -> Floats:
        """What an item does to Σ rank x `against` by raising the ranks of the items above it, and its equals' by half."""
        import numpy as np

        held = np.bincount(self.places, weights=groups.weights * against) / groups.n
        return np.asarray((held[::-1].cumsum()[::-1] - held / 2)[self.places])


def _correlation(one: _Ranked, other: _Ranked, *, groups: Groups, level: float) -> Measured:
    together = groups.mean(one.values * other.values)
    value = together / math.sqrt(one.variance * other.variance)
    covaries = one.values * other.values + one.pull(other.values, groups) + other.pull(one.values, groups)
    spreads = [ranked.values**2 + 2 * ranked.pull(ranked.values, groups) for ranked in (one, other)]
    influence = covaries / math.sqrt(one.variance * other.variance)
    influence -= value / 2 * (spreads[0] / one.variance + spreads[1] / other.variance)
    spread = spread_of(groups, influence - groups.mean(influence))
    found = Measured(
        value=value, low=None, high=None, level=level, method="fisher_z_linearised", n=groups.n, clusters=groups.count
    )
    if 1 - value**2 < 1e-9 or spread.df <= 0 or spread.variance <= 0:
        return replace(found, method="none", status=Status.TOO_FEW, reason="the ranks agree perfectly: no interval")
    z, half = math.atanh(value), spread.half((1 - level) / 2, careful=True) / (1 - value**2)
    found = replace(found, effective_n=groups.n / spread.design_effect, standard_error=math.sqrt(spread.variance))
    return replace(found, low=math.tanh(z - half), high=math.tanh(z + half))
