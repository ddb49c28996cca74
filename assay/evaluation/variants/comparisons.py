"""Step 2 of a comparison of variants: every pair, by metric and slice; each metric and slice is a family of tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

from assay.evaluation.comparisons import RATE, MetricSlice, compared_metrics, paired_values, without_means
from assay.evaluation.outcomes import Outcomes
from assay.evaluation.variants.sides import VariantSet
from assay.records.keys import ClusterKey, RecordKey
from assay.scoring.means import MEAN, is_ordered, scale_of
from assay.statistics.conventions import RESAMPLES
from assay.statistics.measured import Status
from assay.statistics.multiple.pairwise import (
    VariantOutcomes,
    VariantPair,
    can_be_compared,
    compare_pairs,
    pairs_of_means,
)
from assay.statistics.numeric.paired_means import MEAN_DIFFERENCE, compare_means
from assay.statistics.sampling import numbered
from assay.tasks.gate_spec import OVERALL

if TYPE_CHECKING:
    from assay.statistics.sampling import Floats


@dataclass(frozen=True, slots=True)
class PairFamily:
    """Every pair of variants in one metric and slice; the places in a pair are those of the variants in the set.

    `is_mean` is true for a scorer that gives numbers, whose differences are in its own unit.
    """

    metric: str
    slice: str
    pairs: tuple[VariantPair, ...]
    is_mean: bool = False

    @property
    def kind(self) -> str:
        """Whether rates or means are compared: `rate` or `mean`."""
        return MEAN if self.is_mean else RATE

    def higher(self, pair: VariantPair) -> int | None:
        """The variant that is decisively higher; None if there is none, or too few records differ for a mean."""
        is_few = pair.comparison.method == MEAN_DIFFERENCE and pair.comparison.status is Status.TOO_FEW
        return None if is_few else pair.better


def compare_variants(found: VariantSet) -> tuple[PairFamily, ...]:
    """Every pair in every compared metric, overall and in each slice in which any pair can be compared.

    Scorers that give numbers are compared by their means, like those of candidate and champion; of these, only the
    comparisons of all records have a bootstrap interval.

    Raises:
        UsageError: no two variants have a record in common that is scored for both.
    """
    table = RecordTable.of([variant.outcomes for variant in found.variants])
    families = []
    for metric in compared_metrics(found.task):
        if metric in found.measuring:
            continue
        values = table.values(metric)
        for name in (OVERALL, *table.slices):
            outcomes = table.outcomes(values, name)
            if name == OVERALL or can_be_compared(outcomes):
                pairs = compare_pairs(outcomes, resamples=RESAMPLES, seed=found.seed)
                families.append(PairFamily(metric, name, tuple(pairs)))
    ordered = [scorer for scorer in found.measuring if is_ordered(found.task, scorer)]
    of_means = (_means(found, MetricSlice(*place)) for place in product(ordered, (OVERALL, *table.slices)))
    return (*families, *(family for family in of_means if family.pairs))


def _means(found: VariantSet, place: MetricSlice) -> PairFamily:
    """Every pair of variants whose means of a scorer can be compared in a slice."""
    scale, resamples = scale_of(found.task, place.metric), RESAMPLES if place.slice == OVERALL else 0
    compared = []
    for first, second in combinations(range(len(found.variants)), 2):
        sides = found.variants[first].outcomes, found.variants[second].outcomes
        if without_means(*sides, place, scale=scale) is None:
            pairs = paired_values(*sides, *place)
            compared.append((first, second, compare_means(pairs, scale=scale, resamples=resamples, seed=found.seed)))
    return PairFamily(place.metric, place.slice, tuple(pairs_of_means(compared)), is_mean=True)


@dataclass(frozen=True, slots=True)
class RecordTable:
    """The records of several variants, numbered in the order of their keys, with clusters and slices."""

    variants: tuple[Outcomes, ...]
    numbers: Mapping[RecordKey, int]
    clusters: tuple[int, ...] | None
    slices: Mapping[str, tuple[int, ...]]
    """The numbers of the records of each slice, in the order of the slices' names."""
    epochs: int

    @classmethod
    def of(cls, variants: Sequence[Outcomes]) -> RecordTable:
        """The table of these variants; a record has the cluster and slices of the first variant that has it."""
        rows = {row.record: row for outcomes in reversed(variants) for row in outcomes.rows}
        numbers = {record: number for number, record in enumerate(sorted(rows))}
        slices: dict[str, list[int]] = {}
        for record, number in numbers.items():
            for name in rows[record].slices:
                slices.setdefault(name, []).append(number)
        clusters = [rows[record].cluster for record in numbers]
        return cls(
            variants=tuple(variants),
            numbers=numbers,
            clusters=_cluster_numbers(clusters, list(numbers)) if any(clusters) else None,
            slices={name: tuple(slices[name]) for name in sorted(slices)},
            epochs=1 + max((row.epoch for outcomes in variants for row in outcomes.rows), default=0),
        )

    def values(self, metric: str) -> Floats:
        """The outcomes of the metric, as records x variants x epochs: NaN if unscored, infinity if there is none."""
        import numpy as np

        values = np.full((len(self.numbers), len(self.variants), self.epochs), np.inf)
        for variant, outcomes in enumerate(self.variants):
            for row in outcomes.rows:
                if row.has(metric):
                    outcome = row.outcome(metric)
                    values[self.numbers[row.record], variant, row.epoch] = np.nan if outcome is None else outcome
        return values

    def outcomes(self, values: Floats, name: str) -> VariantOutcomes:
        """The outcomes of the slice's records."""
        kept = range(len(self.numbers)) if name == OVERALL else self.slices[name]
        clusters = None if self.clusters is None else [self.clusters[number] for number in kept]
        return VariantOutcomes(values=values if name == OVERALL else values[list(kept)], clusters=clusters)


def _cluster_numbers(clusters: Sequence[ClusterKey | None], records: Sequence[RecordKey]) -> tuple[int, ...]:
    """The number of each record's cluster; a record without one forms a cluster of its own."""
    named = [
        ("record", record) if cluster is None else cluster for cluster, record in zip(clusters, records, strict=True)
    ]
    return tuple(numbered(named).tolist())
