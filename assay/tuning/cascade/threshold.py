"""Fits the confidence threshold of a cascade for a target quality with a stated error probability.

The input is a sequence of paired outcomes of two routes on the same labeled records.

Method: Learn then Test (Angelopoulos, Bates, Candès, Jordan & Lei, arXiv 2110.01052) with fixed-sequence testing. The
thresholds are fixed in advance. They are tested in order, each at the full error rate, from the one that escalates every
record to the one that keeps every record. Testing stops at the first threshold for which the test does
not show that the goal is met; the threshold before it is chosen. The probability that its true quality misses the goal
is at most `error`, regardless of the number of thresholds. The p-values are exact: because outcomes are binary, the
binomial test and its paired form replace the bound of the paper.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, POWER
from assay.statistics.exact_tests import difference_above_p, rate_above_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ESCALATE_ALL, KEEP_ALL = math.inf, 0.0
NEVER_KEPT = -math.inf
"""Confidence of a prediction that escalates at every threshold: invalid, without a confidence, or with a failed check."""
LOGITS = [step / 4 for step in range(48, -25, -1)]
GRID = (ESCALATE_ALL, *(round(1 / (1 + math.exp(-logit)), 7) for logit in LOGITS), KEEP_ALL)
"""Thresholds in test order, evenly spaced in log odds, because token probabilities are close to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePair:
    """Outcomes of both routes on one labeled record; costs are in USD, None if a call is unpriced."""

    record_id: str
    confidence: float
    cheap_correct: bool
    better_correct: bool
    cheap_usd: float | None = None
    better_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The target of a cascade: a minimum `quality`, or a quality at most `within` below that of the better route.

    Quality is the share of correct records. `error` is the maximum probability that a fitted threshold misses the goal.

    Raises:
        ValueError: not exactly one of `quality` and `within` is set, or a value is out of range.
    """

    quality: float | None = None
    within: float | None = None
    error: float = ERROR

    def __post_init__(self) -> None:
        stated = [share for share in (self.quality, self.within) if share is not None]
        if len(stated) != 1 or not 0 <= stated[0] < 1 or not 0 < self.error < 0.5:
            raise ValueError("expected exactly one of quality and within, in [0, 1), and an error between 0 and 0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeCounts:
    """Counts at one threshold on n records.

    A gain is a kept record for which only the cheap route is correct; a loss is one for which only the better route is.
    """

    threshold: float
    n: int
    kept: int
    correct: int
    better_correct: int
    gains: int
    losses: int

    @property
    def escalated(self) -> int:
        """Number of records that escalate to the better route."""
        return self.n - self.kept

    @property
    def reached(self) -> tuple[float, float]:
        """Quality of the cascade, and its difference from the better route alone."""
        return self.correct / self.n, (self.gains - self.losses) / self.n


class CascadeVerdict(StrEnum):
    """Result of the tests on the held-out records: the goal is met, the goal is missed, or neither can be shown."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


EXIT_CODES = {CascadeVerdict.CONFIRMED: 0, CascadeVerdict.REFUTED: 1, CascadeVerdict.INCONCLUSIVE: 2, None: 2}
"""Exit codes by verdict; the verdict is None if no threshold was chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The result of a fit; if no threshold qualifies, `chosen` and `held_out` are None and `reason` says why.

    `stopped_at` is the first threshold for which the test did not show that the goal is met. `more_labels` is the
    number of additional labeled records with which the test would show it with a power of 0.8; None if no number is
    enough at the observed rates. `verdict` is the result on the held-out records.
    """

    goal: Goal
    calibrated_on: int
    held_out_n: int
    chosen: CascadeCounts | None
    held_out: CascadeCounts | None
    verdict: CascadeVerdict | None
    stopped_at: CascadeCounts | None
    more_labels: int | None
    reason: str | None


class CascadeOutcomes:
    """Paired outcomes as NumPy arrays."""

    def __init__(self, pairs: Sequence[RoutePair]) -> None:
        import numpy as np

        self.n = len(pairs)
        self.confidence: NDArray[np.float64] = np.array([pair.confidence for pair in pairs], dtype=np.float64)
        self.cheap: NDArray[np.bool_] = np.array([pair.cheap_correct for pair in pairs], dtype=bool)
        self.better: NDArray[np.bool_] = np.array([pair.better_correct for pair in pairs], dtype=bool)

    def at(self, threshold: float) -> CascadeCounts:
        """Returns the counts for a cascade that keeps cheap predictions with a confidence of at least `threshold`."""
        kept = self.confidence >= threshold
        gains = int((kept & self.cheap & ~self.better).sum())
        losses = int((kept & ~self.cheap & self.better).sum())
        better = int(self.better.sum())
        return CascadeCounts(
            threshold=threshold,
            n=self.n,
            kept=int(kept.sum()),
            correct=better + gains - losses,
            better_correct=better,
            gains=gains,
            losses=losses,
        )


def fit(pairs: Sequence[RoutePair], goal: Goal, *, seed: int = 0) -> Fit:
    """Returns the threshold that is fitted on one half of the records and tested on the other, held-out half.

    Raises:
        ValueError: there are fewer than two records.
    """
    if len(pairs) < 2:
        raise ValueError(f"expected at least 2 labeled records of both routes, found {len(pairs)}")
    calibration, fresh = halves(pairs, seed=seed)
    chosen, stopped_at = _test_in_order(CascadeOutcomes(calibration), goal)
    found = chosen if chosen is not None and chosen.kept else None
    held_out = CascadeOutcomes(fresh).at(found.threshold) if found is not None else None
    return Fit(
        goal=goal,
        calibrated_on=len(calibration),
        held_out_n=len(fresh),
        chosen=found,
        held_out=held_out,
        verdict=verdict(held_out, goal) if held_out is not None else None,
        stopped_at=stopped_at,
        more_labels=_more_labels(stopped_at, goal, len(pairs)) if stopped_at is not None else None,
        reason=None if found is not None else _why_none(stopped_at, goal),
    )


def halves(pairs: Sequence[RoutePair], *, seed: int) -> tuple[list[RoutePair], list[RoutePair]]:
    """Splits the records into two halves according to a hash of seed and record id, regardless of their order."""

    def rank(pair: RoutePair) -> bytes:
        return hashlib.sha256(f"{seed}:{pair.record_id}".encode()).digest()

    ordered = sorted(pairs, key=rank)
    middle = (len(ordered) + 1) // 2
    return ordered[:middle], ordered[middle:]


def p_value(counts: CascadeCounts, goal: Goal) -> float:
    """Returns the p-value of the null hypothesis that the true quality misses the goal."""
    if goal.quality is not None:
        return rate_above_p(counts.correct, counts.n, rate=goal.quality)
    difference = -(goal.within or 0.0)
    return difference_above_p(counts.gains, counts.losses, counts.n, difference=difference, error=goal.error)


def verdict(counts: CascadeCounts, goal: Goal) -> CascadeVerdict:
    """Returns the verdict that the counts support at the error rate of the goal."""
    if p_value(counts, goal) <= goal.error:
        return CascadeVerdict.CONFIRMED
    if goal.quality is not None:
        against = rate_above_p(counts.n - counts.correct, counts.n, rate=1 - goal.quality)
    else:
        within = goal.within or 0.0
        against = difference_above_p(counts.losses, counts.gains, counts.n, difference=within, error=goal.error)
    return CascadeVerdict.REFUTED if against <= goal.error else CascadeVerdict.INCONCLUSIVE


def _test_in_order(outcomes: CascadeOutcomes, goal: Goal) -> tuple[CascadeCounts | None, CascadeCounts | None]:
    """Returns the counts at the last threshold before the first failed test, and at the one that failed."""
    last: CascadeCounts | None = None
    for counts in _distinct(outcomes):
        if p_value(counts, goal) > goal.error:
            return last, counts
        last = counts
    return last, None


def _distinct(outcomes: CascadeOutcomes) -> Iterator[CascadeCounts]:
    """Yields one threshold, the lowest, from each group that keeps the same records, because their tests are identical."""
    before: CascadeCounts | None = None
    for threshold in GRID:
        counts = outcomes.at(threshold)
        if before is not None and counts.kept != before.kept:
            yield before
        before = counts
    if before is not None:
        yield before


def _why_none(stopped_at: CascadeCounts | None, goal: Goal) -> str:
    if stopped_at is None:
        return "no prediction of the cheap route has a usable confidence, so all of them would escalate"
    quality, difference = stopped_at.reached
    if stopped_at.kept:
        kept = (
            f"keeping {stopped_at.kept} of {stopped_at.n} cheap predictions (confidence of at least "
            f"{stopped_at.threshold:g})"
        )
        against = f"a difference of {difference:+.4f} from the better route"
        result = f"a quality of {quality:.4f}" if goal.quality is not None else against
        return f"{kept} results in {result}, which does not show the goal at an error of {goal.error:g}"
    return (
        f"the better route alone has a quality of {quality:.4f} on {stopped_at.n} records, "
        f"which does not show {goal.quality:g} at an error of {goal.error:g}"
        if goal.quality is not None
        else f"{stopped_at.n} records are too few to show any difference of {goal.within:g}"
    )


def _more_labels(stopped_at: CascadeCounts, goal: Goal, have: int) -> int | None:
    """Returns how many more labeled records (both halves) it takes for the threshold to pass with a power of 0.8.

    Normal approximation of the sample size (Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd
    ed., ch. 4) at the observed rates; None if these do not reach the goal.
    """
    from scipy.special import ndtri

    quality, difference = stopped_at.reached
    if goal.quality is not None:
        effect, null, seen = quality - goal.quality, goal.quality * (1 - goal.quality), quality * (1 - quality)
    else:
        within = goal.within or 0.0
        differing = (stopped_at.gains + stopped_at.losses + 1) / (stopped_at.n + 1)
        effect, null, seen = difference + within, differing - within**2, differing - difference**2
    if effect <= 0:
        return None
    spread = float(ndtri(1 - goal.error)) * math.sqrt(max(null, 0.0)) + float(ndtri(POWER)) * math.sqrt(max(seen, 0.0))
    return max(2 * math.ceil((spread / effect) ** 2) - have, 1)
