"""Plans of rules on a mean: from the landed scores of the latest run, or from an assumed standard deviation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.errors import ServiceUnreachable
from assay.evaluation.comparisons import MetricSlice
from assay.evaluation.outcomes import read_outcomes
from assay.evaluation.power.queries import LATEST_MEANS
from assay.evaluation.power.rule_plans import (
    Assumption,
    AssumptionSource,
    MeanAssumptions,
    MeanPlan,
    Sample,
    plan_landed_mean,
    plan_mean,
)
from assay.records.statuses import RuleKind
from assay.scoring.means import scale_of
from assay.statistics.numeric.mean_power import LandedScores
from assay.statistics.sampling import numbered
from assay.tasks.gate_rule import AT_MOST, MEANS, GateRule
from assay.tasks.gate_spec import GATE_SPLIT
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenScores:
    """The mean and standard deviation that are given; `is_clustered` is true if clusters or a design effect are given."""

    mean: float | None
    sd: float | None
    is_clustered: bool


def mean_plans(
    warehouse: Warehouse,
    task: Task,
    rules: Sequence[GateRule],
    *,
    given: GivenScores,
    samples: Mapping[str, Sample],
    error: float,
) -> Iterator[MeanPlan]:
    """The plans of rules on a mean whose standard deviation, and mean for a rule `mean`, are given or landed.

    A rule `mean` is planned with the scores of the latest run, shifted to a given mean. With a given standard deviation or
    clusters, with a given mean of scores of a known range, or for `no_regression`, normal scores are assumed. `samples` is
    keyed by rule name.
    """
    absolute = [rule for rule in rules if rule.kind in MEANS]
    are_given = given.sd is not None and given.mean is not None
    landed = _means(warehouse, task.name) if absolute and not are_given else {}
    for rule in rules:
        row = landed.get(MetricSlice(rule.metric, rule.slice)) if rule.kind in MEANS else None
        mean = _number(given.mean, row, "value") if rule.kind in MEANS else None
        sd = _number(given.sd, row, "sd")
        if sd is None or (mean is None and rule.kind is not RuleKind.MEAN_NO_REGRESSION):
            continue
        assumed = MeanAssumptions(mean=mean, sd=sd, is_scaled=scale_of(task, rule.metric) is not None)
        is_shape_known = (
            given.sd is None and not given.is_clustered and not (assumed.is_scaled and given.mean is not None)
        )
        scores = _landed_scores(warehouse, task, rule, row, given.mean) if row is not None and is_shape_known else None
        if scores is None:
            yield plan_mean(rule, samples[rule.name], assumed, error=error)
        else:
            yield plan_landed_mean(rule, samples[rule.name], assumed, replace(scores, error=error))


def _landed_scores(
    warehouse: Warehouse, task: Task, rule: GateRule, row: Mapping[str, Any], mean: float | None
) -> LandedScores | None:
    """The scores of the run whose mean landed, shifted to the given mean; None if the run has none any more."""
    outcomes = read_outcomes(warehouse, task, run_id=row["run_id"], data_date=row["data_date"])
    by_record, clusters = outcomes.values(rule.metric, rule.slice), outcomes.clusters()
    if not by_record:
        return None
    records = numbered(list(by_record)).tolist()
    known = sorted({cluster for cluster in clusters.values() if cluster is not None})
    place = {cluster: number for number, cluster in enumerate(known)}
    own = [None if (cluster := clusters[record]) is None else place[cluster] for record in by_record]
    lengths = [len(values) for values in by_record.values()]
    means = [one for values in by_record.values() if not math.isnan(one := sum(values) / len(values))]
    return LandedScores(
        values=tuple(value for values in by_record.values() for value in values),
        records=tuple(one for one, length in zip(records, lengths, strict=True) for _ in range(length)),
        clusters=tuple(one for one, length in zip(own, lengths, strict=True) for _ in range(length)),
        limit=rule.threshold,
        is_at_most=rule.kind in AT_MOST,
        shift=mean - sum(means) / len(means) if mean is not None and means else 0.0,
        scale=scale_of(task, rule.metric),
    )


def _means(warehouse: Warehouse, name: str) -> Mapping[MetricSlice, Mapping[str, Any]]:
    """Landed means; none if the warehouse does not respond, because the rules then have a note of their own."""
    try:
        rows = list(warehouse.stream(LATEST_MEANS.sql, {"task": name, "population": GATE_SPLIT}))
    except ServiceUnreachable:
        return {}
    return {MetricSlice(row["metric"], row["slice"]): row for row in rows}


def _number(given: float | None, row: Mapping[str, Any] | None, column: str) -> Assumption | None:
    """The given number, or else that of the latest run, which must be above 0 for a standard deviation."""
    if given is not None:
        return Assumption(value=given, source=AssumptionSource.GIVEN, detail="as given")
    if row is None or (column == "sd" and not row[column] > 0):
        return None
    detail = f"of {row['n']} predictions ({row['data_date']})"
    return Assumption(value=row[column], source=AssumptionSource.LANDED, detail=detail)
