"""Paired comparison of two variants by the means of a score in its own unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.errors import UsageError
from assay.statistics.bootstrap import bca_interval
from assay.statistics.conventions import ERROR, FEWEST_CLUSTERS
from assay.statistics.effects import mde_of_plan, records_for
from assay.statistics.measured import Status, joined
from assay.statistics.numeric.means import MeanBounds, ScoreScale, too_few_deviating, too_few_measured
from assay.statistics.paired import PairedComparison, Pairs, compare, for_small_errors
from assay.statistics.paired_bounds import PairedBounds
from assay.statistics.sampling import ROUNDING, Groups, means_by_record

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats

MEAN_DIFFERENCE = "paired_hall_t"


def compare_means(
    pairs: Pairs, *, scale: ScoreScale | None = None, wanted: float | None = None, resamples: int = 0, seed: int = 0
) -> PairedComparison:
    """Candidate minus champion, as a difference of means over records in the unit of the score.

    With a scale, it is the comparison of rates in that unit: an unscored outcome counts as the lowest score, within
    bounds of the worst and the best case. Without one, the bounds are those of a mean (`MeanBounds`) of the differences.
    Their standard error is at least that of one record that differs from the others by the largest difference, or by
    the range of the scores if no record differs, because differences that are alike by chance are no evidence of
    precision. If few records differ from the usual difference, the status is too_few. A record with an unscored outcome
    is left out, and the status is then inconclusive. `gains` and `losses` count the records whose score is higher and
    lower.

    Raises:
        UsageError: there is no difference to estimate (`unestimable`), or a score is outside the scale.
        ValueError: a cluster or weight is missing, or a weight is not positive.
    """
    if scale is not None:
        return _on_scale(pairs, scale, wanted=wanted, resamples=resamples, seed=seed)
    groups, first, second = _record_means(pairs)
    data = _MeanDifferences(first, second, groups, unscored=len(pairs.candidate) - len(first))
    reason = data.unestimable()
    if reason is not None:
        raise UsageError(
            f"A difference of means cannot be estimated: {reason}",
            next_step="compare more records, with a metric that varies.",
        )
    found = data.compared(wanted=wanted, left_out=pairs.only_candidate + pairs.only_champion)
    return (
        replace(found, resampled=bca_interval(data.values, groups, resamples=resamples, seed=seed))
        if resamples
        else found
    )


def unestimable(pairs: Pairs) -> str | None:
    """The reason why a difference of means without a scale cannot be estimated, with n; None if it can."""
    groups, first, second = _record_means(pairs)
    return _MeanDifferences(first, second, groups, unscored=len(pairs.candidate) - len(first)).unestimable()


@dataclass(frozen=True, slots=True)
class _MeanDifferences:
    """The means of both variants by record, of the records that are scored for both."""

    candidate: Floats
    champion: Floats
    groups: Groups
    unscored: int

    @property
    def values(self) -> Floats:
        """The differences; exactly 0 for rounding errors."""
        import numpy as np

        difference = self.candidate - self.champion
        size = np.maximum(np.abs(self.candidate), np.abs(self.champion))
        return np.where(np.abs(difference) <= ROUNDING * size, 0.0, difference)

    @property
    def range(self) -> float:
        """The highest minus the lowest number of both variants; 0 for rounding errors."""
        import numpy as np

        both = np.concatenate([self.candidate, self.champion])
        width = float(both.max() - both.min())
        return width if width > ROUNDING * self.size else 0.0

    @property
    def size(self) -> float:
        """The largest absolute number of both variants."""
        import numpy as np

        return float(np.abs(np.concatenate([self.candidate, self.champion])).max())

    def unestimable(self) -> str | None:
        """The reason why no bounds can be estimated; None if they can."""
        n = self.groups.n
        if not n:
            return "no record has a number for both variants"
        if self.groups.count < 2:
            what = f"all {n} records are of one cluster" if n > 1 else "one record has a number for both variants"
            return f"{what}: a difference of means needs at least 2"
        if not self.range:
            return f"all numbers of both variants are {self.candidate[0]:g} in {n} records"
        return None

    def bounds(self) -> MeanBounds:
        """The bounds of the mean difference, of data that are not `unestimable`."""
        import numpy as np

        largest = float(np.abs(self.values).max()) or self.range
        return MeanBounds.of(self.values, self.groups, least_error=largest / (self.groups.n + 2))

    def status(self) -> tuple[Status, str | None]:
        """The status of the comparison, with the reason if it is not ok."""
        groups, n = self.groups, self.groups.n
        few = joined(
            too_few_measured(groups),
            too_few_deviating(self.values, groups, size=self.size, what="difference"),
        )
        if self.unscored:
            unscored = f"{self.unscored} of {n + self.unscored} records unscored, without bounds: left out"
            return Status.INCONCLUSIVE, joined(unscored, few)
        is_clustered = groups.are_clusters and groups.count < FEWEST_CLUSTERS
        return (Status.INCONCLUSIVE if is_clustered else Status.TOO_FEW if few else Status.OK), few

    def compared(self, *, wanted: float | None, left_out: int) -> PairedComparison:
        """The comparison."""
        bounds, values = self.bounds(), self.values
        (status, reason), (low, high) = self.status(), bounds.interval()
        mde = mde_of_plan(bounds.standard_error, df=bounds.df)
        omitted = f"{left_out} records have a number for one variant only: left out" if left_out else None
        return PairedComparison(
            difference=bounds.mean,
            low=low,
            high=high,
            lower=bounds.lower(ERROR),
            upper=bounds.upper(ERROR),
            p_value=bounds.p_value,
            n=self.groups.n,
            clusters=self.groups.count if self.groups.are_clusters else None,
            gains=int((values > 0).sum()),
            losses=int((values < 0).sum()),
            method=MEAN_DIFFERENCE,
            status=status,
            reason=joined(reason, omitted),
            mde=mde,
            needed=records_for(wanted, n=self.groups.n, mde=mde) if wanted else None,
            unscored=self.unscored,
            left_out=left_out,
            bounds=bounds,
            candidate_rate=self.groups.mean(self.candidate),
            champion_rate=self.groups.mean(self.champion),
        )


def _record_means(pairs: Pairs) -> tuple[Groups, Floats, Floats]:
    """The groups of the records that are scored for both variants, and their means for each."""
    import numpy as np

    means = []
    for outcomes in (pairs.candidate, pairs.champion):
        columns = outcomes.reshape(len(outcomes), -1)
        present = ~np.isposinf(columns)  # otherwise an epoch that the record does not have
        means.append(means_by_record(columns[present], np.nonzero(present)[0], count=len(columns)))
    scored = ~np.isnan(means[0]) & ~np.isnan(means[1])
    groups = Groups.of(len(pairs.candidate), pairs.sampling).only(scored)
    return groups, means[0][scored], means[1][scored]


def _on_scale(pairs: Pairs, scale: ScoreScale, *, wanted: float | None, resamples: int, seed: int) -> PairedComparison:
    """The comparison of the places on the scale, in the unit of the scale."""
    width = scale.highest - scale.lowest
    shares = replace(pairs, candidate=scale.shares(pairs.candidate), champion=scale.shares(pairs.champion))
    found = compare(shares, wanted=wanted / width if wanted else None, resamples=resamples, seed=seed)
    in_unit = {name: getattr(found, name) * width for name in ("difference", "low", "high", "lower", "upper", "mde")}
    return replace(
        found,
        **in_unit,
        bounds=DifferenceOnScale(found.bounds, width),
        candidate_rate=scale.lowest + found.candidate_rate * width,
        champion_rate=scale.lowest + found.champion_rate * width,
        resampled=None if found.resampled is None else (found.resampled[0] * width, found.resampled[1] * width),
    )


@dataclass(frozen=True, slots=True)
class DifferenceOnScale:
    """The bounds of a difference of shares of a scale that is `width` wide, in the unit of the scale."""

    shares: PairedBounds
    width: float

    @property
    def standard_error(self) -> float:
        """Standard error of the difference."""
        return self.shares.standard_error * self.width

    @property
    def df(self) -> float:
        """Degrees of freedom."""
        return self.shares.df

    @property
    def p_value(self) -> float:
        """The two-sided p-value of the null hypothesis of no difference."""
        return self.shares.p_value

    def interval(self) -> tuple[float, float]:
        """The two-sided 95% interval."""
        low, high = self.shares.interval()
        return low * self.width, high * self.width

    def lower(self, error: float) -> float:
        """The lower bound at one-sided error rate `error`."""
        return self.shares.lower(error) * self.width

    def upper(self, error: float) -> float:
        """The upper bound at one-sided error rate `error`."""
        return self.shares.upper(error) * self.width

    def p_above(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at most `threshold`."""
        return self.shares.p_above(threshold / self.width)

    def p_below(self, threshold: float) -> float:
        """The p-value of the null hypothesis that the difference is at least `threshold`."""
        return self.shares.p_below(threshold / self.width)


def means_for_small_errors(found: PairedComparison) -> PairedComparison:
    """The comparison with bounds that are valid at error rates far below 5% (`for_small_errors`)."""
    bounds = found.bounds
    if not isinstance(bounds, DifferenceOnScale):
        return found
    shares = for_small_errors(replace(found, bounds=bounds.shares)).bounds
    return replace(found, bounds=DifferenceOnScale(shares, bounds.width))
