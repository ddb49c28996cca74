"""Differences of the records of two variants, and the bounds that are valid for their mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from assay.statistics.conventions import FEW_CLUSTERS, FEWEST_CLUSTERS, FEWEST_DISCORDANT
from assay.statistics.measured import Status
from assay.statistics.paired_bounds import (
    ExactBounds,
    PairedBounds,
    ScoreBounds,
    SignBounds,
    StudentBounds,
    WidestBounds,
)
from assay.statistics.sampling import ROUNDING, Groups, Spread, centered, majority, spread_of

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats

DifferenceBounds = ExactBounds | ScoreBounds | SignBounds | WidestBounds


@dataclass(frozen=True, kw_only=True)
class Differences:
    """One difference per record that is scored for both variants."""

    values: Floats
    groups: Groups
    yes_no: bool

    @cached_property
    def gains(self) -> int:
        """Number of records on which the candidate is better."""
        return int((self.values > 0).sum())

    @cached_property
    def losses(self) -> int:
        """Number of records on which the champion is better."""
        return int((self.values < 0).sum())

    @property
    def discordant(self) -> int:
        """Number of records that differ."""
        return self.gains + self.losses

    @property
    def clustered(self) -> bool:
        """True if a group may hold several records."""
        return self.groups.are_clusters

    @property
    def counts_suffice(self) -> bool:
        """True for one binary outcome per record without clusters or weights: the counts contain all information."""
        return self.yes_no and not self.clustered and not self.groups.weighted

    @cached_property
    def center(self) -> float:
        """The difference that more than half of the records have; 0 if there is none."""
        return majority(self.values, tolerance=ROUNDING) or 0.0

    @cached_property
    def off_center(self) -> Floats:
        """Differences from `center`; exactly 0 for rounding errors."""
        import numpy as np

        off = self.values - self.center
        return np.where(np.abs(off) <= ROUNDING, 0.0, off)

    @cached_property
    def deciding(self) -> int:
        """Number of groups whose records differ from `center` on balance."""
        return int((self.groups.net(self.off_center) != 0).sum())


def difference_bounds_of(data: Differences) -> tuple[DifferenceBounds, str]:
    """The bounds that are valid for the data, and the name of the method."""
    if data.counts_suffice:
        return _counted(data)
    spread = spread_of(data.groups, centered(data.values, data.groups.mean(data.values)))
    if _too_sparse(data) or spread.groups < 2:
        return _sign_bounds(data), "sign_bounds"
    independent = _as_if_independent(data, spread)
    enough = independent if spread.negligible else None
    return WidestBounds(
        (*_between_groups(data, spread), independent), enough
    ), "cr2_t" if data.clustered or data.groups.weighted else "paired_t"


def _counted(data: Differences) -> tuple[ScoreBounds | ExactBounds, str]:
    """The bounds of independent binary pairs."""
    if data.discordant >= FEWEST_DISCORDANT:
        return ScoreBounds(gains=data.gains, losses=data.losses, n=len(data.values)), "tango"
    return ExactBounds(gains=data.gains, losses=data.losses, n=len(data.values)), "exact_unconditional"


def _between_groups(data: Differences, spread: Spread) -> Iterator[PairedBounds]:
    """Student's bounds on the variance between groups; none if all groups have the same mean."""
    if 0 < spread.variance < math.inf:
        yield StudentBounds(
            mean=data.groups.mean(data.values),
            standard_error=math.sqrt(spread.variance),
            df=spread.df,
            skewness=spread.skewness / math.sqrt(spread.groups),
        )


def _as_if_independent(data: Differences, spread: Spread) -> PairedBounds:
    """The bounds if rows were independent, because groups that are alike by chance are no evidence of precision.

    The standard error of fractions is at least that of one differing pair.
    """
    if data.yes_no and not data.groups.weighted:
        return _counted(data)[0]
    return StudentBounds(
        mean=data.groups.mean(data.values),
        standard_error=max(math.sqrt(spread.independent_variance), 1 / (data.groups.n + 2)),
        df=data.groups.n - 1.0,
        skewness=0.0,
    )


def _sign_bounds(data: Differences) -> SignBounds:
    """Sign bounds with one outcome per effective group: the worst case, in which all records of a group are equal."""
    n, off = max(1, int(data.groups.equal_groups)), data.off_center
    above, below = (n * data.groups.mean((sign * off > 0).astype(float)) for sign in (1, -1))
    return SignBounds(above=above, below=below, n=n, center=data.center)


def _too_sparse(data: Differences) -> bool:
    """True if too few records or groups differ from the usual difference to estimate a variance."""
    differing = int((data.off_center != 0).sum())
    return differing < FEWEST_DISCORDANT or data.deciding < min(FEWEST_DISCORDANT, data.groups.count / 2)


def status_of(data: Differences, bounds: DifferenceBounds) -> tuple[Status, str | None]:
    """The status of the comparison, with the reason if it is not ok."""
    groups = data.groups.count
    if data.clustered and groups < FEWEST_CLUSTERS:
        return Status.INCONCLUSIVE, f"{groups} clusters, fewer than {FEWEST_CLUSTERS}"
    if data.discordant < FEWEST_DISCORDANT:
        return Status.TOO_FEW, f"{data.discordant} records differ, fewer than {FEWEST_DISCORDANT}: conservative bounds"
    if isinstance(bounds, SignBounds):
        return Status.TOO_FEW, f"records of {data.deciding} of {groups} clusters differ: conservative bounds"
    if data.clustered and groups < FEW_CLUSTERS:
        return Status.WARNING, f"{groups} clusters, fewer than {FEW_CLUSTERS}"
    return Status.OK, None


def binary_bounds(differences: Floats, groups: Groups) -> tuple[DifferenceBounds, Status]:
    """The bounds that `compare` uses for binary pairs with these differences (-1, 0 or 1), and the status."""
    data = Differences(values=differences, groups=groups, yes_no=True)
    bounds = difference_bounds_of(data)[0]
    return bounds, status_of(data, bounds)[0]
