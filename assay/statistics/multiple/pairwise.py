"""Every pairwise comparison of several variants on the same records, with tests and intervals that hold together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from assay.errors import UsageError
from assay.statistics.bootstrap import bca_intervals
from assay.statistics.multiple.family import AdjustedTest, adjusted_tests, is_decisive
from assay.statistics.numeric.paired_means import means_for_small_errors
from assay.statistics.paired import PairedComparison, Pairs, compare, for_small_errors, record_means
from assay.statistics.sampling import INDEPENDENT, ROUNDING, Groups, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.statistics.sampling import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantOutcomes:
    """The outcomes of several variants on the same records, as an array of records x variants x epochs.

    Values are from 0 to 1, NaN for an unscored outcome, infinity for an epoch that the record does not have. `clusters`
    is the number of the cluster of each record; None if records are independent.
    """

    values: Floats
    clusters: Sequence[int] | None = None

    @property
    def sampling(self) -> Sampling:
        """The clusters of the records."""
        return Sampling(clusters=self.clusters)

    @property
    def present(self) -> NDArray[np.bool_]:
        """True for each record (row) of which the variant (column) has an outcome."""
        import numpy as np

        return np.asarray((self.values != np.inf).any(axis=2))

    def means(self) -> Floats:
        """The mean over epochs of each record and variant, with unscored outcomes as failures; NaN without an outcome."""
        import numpy as np

        variants = range(self.values.shape[1])
        return np.stack([record_means(self.values[:, variant, :], unscored=0.0) for variant in variants], axis=1)

    def complete(self) -> VariantOutcomes:
        """The outcomes of the records that every variant has."""
        import numpy as np

        return self.only(np.asarray(self.present.all(axis=1)))

    def only(self, kept: NDArray[np.bool_]) -> VariantOutcomes:
        """The outcomes of the records for which `kept` is true."""
        clusters = (
            None if self.clusters is None else [code for code, keep in zip(self.clusters, kept, strict=True) if keep]
        )
        return VariantOutcomes(values=self.values[kept], clusters=clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantPair:
    """The comparison of two variants, `first` minus `second`, with the test and interval of the whole family.

    `first` and `second` are the columns of the variants.
    """

    first: int
    second: int
    comparison: PairedComparison
    test: AdjustedTest

    @property
    def is_decisive(self) -> bool:
        """True if one variant is better, with a family-wise error rate of 5%."""
        return is_decisive(self.test, self.comparison.status)

    @property
    def better(self) -> int | None:
        """The variant that is decisively better; None if there is none."""
        if not self.is_decisive:
            return None
        return self.first if self.comparison.difference > 0 else self.second


def compare_pairs(outcomes: VariantOutcomes, *, resamples: int = 0, seed: int = 0) -> list[VariantPair]:
    """Every pair of variants, each compared by `compare` on the records that both have; one family of tests.

    A pair without a record that is scored for both variants is omitted. With `resamples`, the BCa intervals of all pairs
    use the same resamples, so that each equals that of `compare` with this seed.

    Raises:
        UsageError: an outcome is outside 0 to 1, or no pair can be compared.
    """
    present = outcomes.present
    found = [
        (first, second, comparison)
        for first, second in combinations(range(outcomes.values.shape[1]), 2)
        for comparison in _compared(outcomes, first, second, present)
    ]
    if not found:
        raise UsageError(
            "No two variants have a record in common that is scored for both",
            next_step="run the variants on the same records.",
        )
    compared = [comparison for _, _, comparison in found]
    if resamples:
        places = [(first, second) for first, second, _ in found]
        intervals = _resampled(outcomes, places, present, resamples=resamples, seed=seed)
        compared = [replace(one, resampled=interval) for one, interval in zip(compared, intervals, strict=True)]
    tests = adjusted_tests([for_small_errors(one) for one in compared])
    return [
        VariantPair(first=first, second=second, comparison=comparison, test=test)
        for (first, second, _), comparison, test in zip(found, compared, tests, strict=True)
    ]


def pairs_of_means(found: Sequence[tuple[int, int, PairedComparison]]) -> list[VariantPair]:
    """The pairs of variants (first, second) whose means were compared by `compare_means`, as one family of tests."""
    tests = adjusted_tests([means_for_small_errors(comparison) for _, _, comparison in found])
    return [
        VariantPair(first=first, second=second, comparison=comparison, test=test)
        for (first, second, comparison), test in zip(found, tests, strict=True)
    ]


def can_be_compared(outcomes: VariantOutcomes) -> bool:
    """True if two variants have a record in common that is scored for both."""
    import numpy as np

    return bool((np.isfinite(outcomes.values).any(axis=2).sum(axis=1) > 1).any())


def _compared(
    outcomes: VariantOutcomes, first: int, second: int, present: NDArray[np.bool_]
) -> Iterator[PairedComparison]:
    """The comparison of one pair; none without a record that is scored for both."""
    import numpy as np

    one, other = present[:, first], present[:, second]
    both = one & other
    kept = outcomes if both.all() else outcomes.only(both)
    values = kept.values[:, first, :], kept.values[:, second, :]
    if not (np.isfinite(values[0]).any(axis=1) & np.isfinite(values[1]).any(axis=1)).any():
        return
    yield compare(
        Pairs(
            candidate=values[0],
            champion=values[1],
            sampling=kept.sampling if kept.clusters is not None else INDEPENDENT,
            only_candidate=int((one & ~other).sum()),
            only_champion=int((other & ~one).sum()),
        )
    )


def _resampled(
    outcomes: VariantOutcomes,
    places: Sequence[tuple[int, int]],
    present: NDArray[np.bool_],
    *,
    resamples: int,
    seed: int,
) -> list[tuple[float, float] | None]:
    """The BCa interval of each pair; pairs with the same records share the resamples."""
    import numpy as np

    means, found = outcomes.means(), list[tuple[float, float] | None]([None] * len(places))
    for kept, alike in _by_records(places, present):
        first, second = ([places[number][side] for number in alike] for side in (0, 1))
        values = means[kept][:, first] - means[kept][:, second]
        values = np.where(np.abs(values) <= ROUNDING, 0.0, values)
        groups = Groups.of(len(means), outcomes.sampling).only(kept)
        for number, interval in zip(alike, bca_intervals(values, groups, resamples=resamples, seed=seed), strict=True):
            found[number] = interval
    return found


def _by_records(
    places: Sequence[tuple[int, int]], present: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.bool_], list[int]]]:
    """The records on which pairs are compared, with the numbers of the pairs that are compared on them."""
    import numpy as np

    kept = [np.asarray(present[:, first] & present[:, second]) for first, second in places]
    alike: dict[bytes, list[int]] = {}
    for number, records in enumerate(kept):
        alike.setdefault(records.tobytes(), []).append(number)
    for numbers in alike.values():
        yield kept[numbers[0]], numbers
