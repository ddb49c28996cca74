"""Step 3 of a comparison of variants: the ranking by reliability, the best variant, cost, latency and the Pareto set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.evaluation.outcomes import Outcomes
from assay.evaluation.sides import EvaluatedVariant
from assay.evaluation.variants.comparisons import PairFamily, RecordTable
from assay.evaluation.variants.sides import VariantSet
from assay.records.statuses import ANSWERED
from assay.statistics.conventions import ERROR, LEVEL, RESAMPLES
from assay.statistics.measured import Measured
from assay.statistics.multiple.pairwise import VariantPair
from assay.statistics.multiple.ranking import ParetoPlace, VariantQuality, VariantRank, pareto_set, rank_variants
from assay.statistics.multiple.selection import BestVariant, best_variant
from assay.tasks.gate_spec import OVERALL, RELIABILITY


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedVariant:
    """One variant with its place; `cost` is USD per correct prediction, latencies are in milliseconds.

    `rate` and `cost` have 95% intervals of this variant alone.
    """

    side: EvaluatedVariant
    rank: VariantRank
    rate: Measured
    cost: Measured
    p50_ms: float | None
    p95_ms: float | None
    pareto: ParetoPlace


@dataclass(frozen=True, slots=True)
class VariantRanking:
    """The variants by falling reliability; `best` is None if no record is scored for every variant."""

    variants: tuple[RankedVariant, ...]
    best: BestVariant | None

    @property
    def leaders(self) -> tuple[RankedVariant, ...]:
        """The variants than which no other is decisively better."""
        return tuple(variant for variant in self.variants if variant.rank.best == 1)


def ranked_variants(found: VariantSet, families: Sequence[PairFamily]) -> VariantRanking:
    """The ranking that the pairs of reliability, overall, support."""
    pairs = next(family.pairs for family in families if (family.metric, family.slice) == (RELIABILITY, OVERALL))
    outcomes = [variant.outcomes for variant in found.variants]
    rates = [one.interval(RELIABILITY, OVERALL) for one in outcomes]
    ranks = rank_variants([_known(rate.value, otherwise=rate.low) for rate in rates], pairs)
    costs = [one.cost_per_correct(OVERALL, level=LEVEL) for one in outcomes]
    places = _pareto(rates, costs, outcomes, pairs)
    ranked = []
    for rank in ranks:
        p50, p95 = latency_quantiles(outcomes[rank.variant])
        ranked.append(
            RankedVariant(
                side=found.variants[rank.variant],
                rank=rank,
                rate=rates[rank.variant],
                cost=costs[rank.variant],
                p50_ms=p50,
                p95_ms=p95,
                pareto=places[rank.variant],
            )
        )
    return VariantRanking(tuple(ranked), _best(found, outcomes))


def latency_quantiles(outcomes: Outcomes) -> tuple[float | None, float | None]:
    """Median and 95th percentile of the latencies of answered predictions, in milliseconds; None if none has one.

    As on the scorecard, failed predictions count in the share within the SLA only.
    """
    import numpy as np

    known = [row.latency_ms for row in outcomes.rows if row.latency_ms is not None and row.status in ANSWERED]
    if not known:
        return None, None
    p50, p95 = np.percentile(known, (50, 95))
    return float(p50), float(p95)


def _pareto(
    rates: Sequence[Measured], costs: Sequence[Measured], outcomes: Sequence[Outcomes], pairs: Sequence[VariantPair]
) -> list[ParetoPlace]:
    """The Pareto set; the costs have simultaneous intervals over all variants (Bonferroni)."""
    level = 1 - ERROR / len(outcomes)
    qualities = []
    for rate, cost, one in zip(rates, costs, outcomes, strict=True):
        wide = one.cost_per_correct(OVERALL, level=level)
        value = _known(rate.value, otherwise=rate.low)
        qualities.append(VariantQuality(rate=value, cost=cost.value, cost_low=wide.low, cost_high=wide.high))
    return pareto_set(qualities, pairs)


def _best(found: VariantSet, outcomes: Sequence[Outcomes]) -> BestVariant | None:
    """The best variant on the records that all of them have."""
    table = RecordTable.of(outcomes)
    shared = table.outcomes(table.values(RELIABILITY), OVERALL)
    complete = shared.complete()
    if not len(complete.values):
        return None
    return best_variant(complete.means(), complete.sampling, resamples=RESAMPLES, seed=found.seed)


def _known(value: float | None, *, otherwise: float | None) -> float:
    """The rate; the worst case if no outcome is scored."""
    return value if value is not None else otherwise or 0.0
