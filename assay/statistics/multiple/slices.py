"""Each slice of one sample against all other records, with tests and intervals that hold together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from assay.statistics.conventions import ERROR, FEW_CLUSTERS, FEWEST_CLUSTERS, FEWEST_IN_SLICE
from assay.statistics.measured import Status, joined
from assay.statistics.multiple.family import AdjustedTest, adjusted_tests, is_decisive
from assay.statistics.one_sided import SpanningBounds, WidestOneSided, two_sided_p
from assay.statistics.rate_bounds import BinomialBounds, EffectiveBounds, bounds_of, error_at_zero
from assay.statistics.rates import unscored_reason
from assay.statistics.sampling import Groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Floats

SLICE_DIFFERENCE = "slice_difference"
"""Metric of the landed difference between a slice and the rest."""
METHOD = "mover_clopper_pearson"


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceDifference:
    """The rate of a slice minus the rate of all other rows of the sample.

    `n` and `n_rest` count rows, `records` and `rest_records` records. `clusters` is the smaller number of clusters of
    the two sides; None if records are independent. `low`, `high` and `p_value` hold for this slice alone, `test` for all
    tested slices together; the four are None if the slice is not tested. `rate`, `rest_rate` and `difference` count
    unscored rows as failures; None if a side has no row.
    """

    slice: str
    n: int
    n_rest: int
    rate: float | None
    rest_rate: float | None
    records: int
    rest_records: int
    clusters: int | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    test: AdjustedTest | None = None
    family: int = 0
    """Number of tested slices."""
    status: Status = Status.OK
    reason: str | None = None

    @property
    def difference(self) -> float | None:
        """Rate of the slice minus rate of the rest."""
        return None if self.rate is None or self.rest_rate is None else self.rate - self.rest_rate

    @property
    def is_decisive(self) -> bool:
        """True if the slice differs from the rest, with a family-wise error rate of 5%."""
        return self.test is not None and is_decisive(self.test, self.status)


def slice_differences(
    values: Floats, groups: Groups, *, records: NDArray[np.integer], slices: Mapping[str, NDArray[np.bool_]]
) -> list[SliceDifference]:
    """Each slice against the rest: tested slices by rising difference, then those that are not tested.

    `values` are 1, 0 or a fraction for each row, NaN if unscored; `records` is the number of the record of each row;
    `slices` maps each slice to the rows in it. Slices may overlap. A slice is tested if it and the rest each have at
    least 10 records and, with clusters, records of at least 10 clusters. This rule does not depend on the outcomes, so
    it does not bias the tests that are made.

    The interval combines exact bounds of both rates, with their correlation if clusters have records on both sides
    (MOVER: Newcombe, Stat. Med. 17 (1998) 873; Zou & Donner, Stat. Med. 27 (2008) 1693; Clopper & Pearson 1934 in place
    of Wilson), and is never narrower than that of independent rows. The p-value is the error rate at which the
    interval reaches 0, so that both always agree. Holm adjusts the tests, Bonferroni the intervals.

    Raises:
        ValueError: a slice does not have one entry per row.
    """
    found = [_untested(name, values, groups, records=records, inside=inside) for name, inside in slices.items()]
    tested = [one for one in found if one.status is Status.OK]
    compared = [_TestedSlice.of(values, groups, slices[one.slice]) for one in tested]
    tests = adjusted_tests(compared)
    results = [
        _with_test(one, bounds, test, family=len(tested))
        for one, bounds, test in zip(tested, compared, tests, strict=True)
    ]
    untested = [one for one in found if one.status is not Status.OK]
    return sorted(results, key=_by_difference) + sorted(untested, key=_by_difference)


def _by_difference(one: SliceDifference) -> tuple[float, str]:
    return math.inf if one.difference is None else one.difference, one.slice


def _untested(
    name: str, values: Floats, groups: Groups, *, records: NDArray[np.integer], inside: NDArray[np.bool_]
) -> SliceDifference:
    """The rates of the slice and the rest; the status is ok if the slice is to be tested."""
    import numpy as np

    if len(inside) != len(values):
        raise ValueError(f"slice {name}: expected one entry per row ({len(values)}), found {len(inside)}")
    failed, sides = np.nan_to_num(values, nan=0.0), (inside, ~inside)
    counts = [len(np.unique(records[side])) for side in sides]
    clusters = [len(np.unique(groups.codes[side])) for side in sides] if groups.are_clusters else None
    rates = [float(failed[side].mean()) if side.any() else None for side in sides]
    reason = _too_few(counts, clusters, scored=all((~np.isnan(values[side])).any() for side in sides))
    return SliceDifference(
        slice=name,
        n=int(inside.sum()),
        n_rest=int((~inside).sum()),
        rate=rates[0],
        rest_rate=rates[1],
        records=counts[0],
        rest_records=counts[1],
        clusters=min(clusters) if clusters else None,
        status=Status.TOO_FEW if reason else Status.OK,
        reason=reason,
    )


def _too_few(records: list[int], clusters: list[int] | None, *, scored: bool) -> str | None:
    """Why the slice is not tested; None if it is."""
    for where, count in zip(("in the slice", "outside of it"), records, strict=True):
        if count < FEWEST_IN_SLICE:
            return f"{count} records {where}, fewer than {FEWEST_IN_SLICE}: not tested"
    for where, count in zip(("in the slice", "outside of it"), clusters or (), strict=False):
        if count < FEWEST_CLUSTERS:
            return f"{count} clusters {where}, fewer than {FEWEST_CLUSTERS}: not tested"
    return None if scored else "no record is scored in the slice or outside of it: not tested"


def _with_test(one: SliceDifference, found: _TestedSlice, test: AdjustedTest, *, family: int) -> SliceDifference:
    few = one.clusters is not None and one.clusters < FEW_CLUSTERS
    warning = f"{one.clusters} clusters on one side, fewer than {FEW_CLUSTERS}" if few else None
    status = Status.UNSCORED if found.unscored else Status.WARNING if few else Status.OK
    unscored = unscored_reason(found.unscored, one.n + one.n_rest) if found.unscored else None
    return replace(
        one,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        test=test,
        family=family,
        status=status,
        reason=joined(unscored, warning),
    )


RateBounds = BinomialBounds | EffectiveBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverBounds:
    """Bounds of a difference of two rates, from the bounds of both and the correlation of their estimates."""

    rate: float
    rest_rate: float
    one: RateBounds
    rest: RateBounds
    correlation: float = 0.0

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return max(-1.0, self.rate - self.rest_rate - self._reach(error, sign=1))

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return min(1.0, self.rate - self.rest_rate + self._reach(error, sign=-1))

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at most `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: self.lower(error) - threshold)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at least `threshold`; 1 instead of values above 1/3."""
        return error_at_zero(lambda error: threshold - self.upper(error))

    def _reach(self, error: float, *, sign: int) -> float:
        """Distance from the difference to the lower (sign 1) or upper (sign -1) bound."""
        if sign > 0:
            down, up = self.rate - self.one.lower(error), self.rest.upper(error) - self.rest_rate
        else:
            down, up = self.one.upper(error) - self.rate, self.rest_rate - self.rest.lower(error)
        return math.sqrt(max(0.0, down**2 + up**2 - 2 * self.correlation * down * up))


def difference_bounds_of_slice(values: Floats, groups: Groups, inside: NDArray[np.bool_]) -> WidestOneSided:
    """The bounds of the difference between the rows inside and outside of a slice, all of which are scored.

    With clusters, they are the wider of the bounds with clusters and of those of independent rows.
    """
    import numpy as np

    sides = (inside, ~inside)
    one, rest = (groups.only(side) for side in sides)
    rates = [part.mean(values[side]) for part, side in zip((one, rest), sides, strict=True)]

    def bounds(parts: tuple[Groups, Groups], correlation: float) -> MoverBounds:
        found = [bounds_of(values[side], part) for part, side in zip(parts, sides, strict=True)]
        return MoverBounds(rate=rates[0], rest_rate=rates[1], one=found[0], rest=found[1], correlation=correlation)

    shared = bounds((one, rest), _correlation(values, groups, inside, rates))
    if not groups.are_clusters:
        return WidestOneSided((shared,))
    rows = tuple(Groups.of(int(side.sum())) for side in sides)
    is_binary = bool(np.isin(values, (0.0, 1.0)).all())
    return WidestOneSided((shared, bounds((rows[0], rows[1]), 0.0)) if is_binary else (shared,))


def _correlation(values: Floats, groups: Groups, inside: NDArray[np.bool_], rates: list[float]) -> float:
    """Correlation of the two estimates, from the totals of clusters that have rows on both sides; 0 without any."""
    import numpy as np

    one, rest = (
        groups.total(np.where(side, groups.weights * (values - rate), 0.0))
        for side, rate in zip((inside, ~inside), rates, strict=True)
    )
    scale = math.sqrt(float((one**2).sum() * (rest**2).sum()))
    return float((one * rest).sum()) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class _TestedSlice:
    """The test of one slice against the rest."""

    bounds: WidestOneSided | SpanningBounds
    unscored: int

    @classmethod
    def of(cls, values: Floats, groups: Groups, inside: NDArray[np.bool_]) -> _TestedSlice:
        """With unscored rows, the bounds extend over the cases that they fail on one side and pass on the other."""
        import numpy as np

        missing = np.isnan(values)
        if not missing.any():
            return cls(difference_bounds_of_slice(values, groups, inside), 0)
        worst, best = (
            difference_bounds_of_slice(np.where(missing, filled, values), groups, inside)
            for filled in (np.where(inside, 0.0, 1.0), np.where(inside, 1.0, 0.0))
        )
        return cls(SpanningBounds(worst, best), int(missing.sum()))

    @cached_property
    def p_value(self) -> float:
        """The two-sided p-value of the null hypothesis of no difference."""
        return two_sided_p(self.bounds)

    @cached_property
    def low(self) -> float:
        """Lower end of the 95% interval."""
        return self.bounds.lower(ERROR / 2)

    @cached_property
    def high(self) -> float:
        """Upper end of the 95% interval."""
        return self.bounds.upper(ERROR / 2)
