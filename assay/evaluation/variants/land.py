"""Step 4 of a comparison of variants: its result, and the rows that land in `comparisons`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.evaluation.evaluation import comparison_columns, variant_columns
from assay.evaluation.variants.comparisons import PairFamily
from assay.evaluation.variants.ranking import VariantRanking
from assay.evaluation.variants.sides import VariantSet
from assay.inference.keys import content_hash
from assay.project import StageContext
from assay.records.evaluation import Comparison
from assay.statistics.conventions import DEFAULT_TENANT
from assay.statistics.multiple.pairwise import VariantPair
from assay.tasks.gate_spec import OVERALL, RELIABILITY
from assay.version import code_version
from assay.warehouse.landing import LandingWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantEvaluation:
    """The result of `assay eval --variants`."""

    variants: VariantSet
    families: tuple[PairFamily, ...]
    ranking: VariantRanking

    @property
    def reliability(self) -> PairFamily:
        """The family that the ranking follows from: reliability of all records."""
        return next(family for family in self.families if (family.metric, family.slice) == (RELIABILITY, OVERALL))


def land_pairs(context: StageContext, evaluation: VariantEvaluation) -> None:
    """Lands one row per pair, metric and slice; repeating the comparison replaces them."""
    LandingWriter(context.warehouse).append(list(pair_rows(evaluation)))


def pair_rows(evaluation: VariantEvaluation) -> Iterator[Comparison]:
    """The first variant of a pair lands as the candidate, the second one as the champion."""
    found = evaluation.variants
    shared = {
        "evaluation_id": found.evaluation_id,
        "task": found.task.name,
        "data_date": found.variants[0].data_date,
        "occurred_at": datetime.now(UTC),
        "tenant_id": DEFAULT_TENANT,
        "population": found.population,
        "golden_set_version": found.task.versions.golden_set,
        "policy_version": found.task.versions.policy,
        "code_version": code_version(),
    }
    for family in evaluation.families:
        for pair in family.pairs:
            yield _row(evaluation, family, pair, shared)


def _row(evaluation: VariantEvaluation, family: PairFamily, pair: VariantPair, shared: dict[str, Any]) -> Comparison:
    found = evaluation.variants
    first, second = found.variants[pair.first], found.variants[pair.second]
    place = (found.evaluation_id, family.metric, found.population, family.slice)
    return Comparison(
        **shared,
        **variant_columns("candidate", first),
        **variant_columns("champion", second),
        comparison_id=content_hash(*place, first.run_id, second.run_id),
        metric=family.metric,
        slice=family.slice,
        kind=family.kind,
        **comparison_columns(pair.comparison, seed=found.seed),
        adjusted_p=pair.test.p,
        simultaneous_low=pair.test.low,
        simultaneous_high=pair.test.high,
        family_size=len(family.pairs),
    )
