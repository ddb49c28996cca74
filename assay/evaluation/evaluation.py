"""Step 6 of an evaluation: its result, and the rows that land in `estimates`, `comparisons` and `gates`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from assay.evaluation.comparisons import MetricComparison, MetricSlice, comparison_id
from assay.evaluation.evidence import landed_metric
from assay.evaluation.robustness.measure import Robustness, robustness_id
from assay.evaluation.sides import EvaluatedVariant, EvaluationOptions, commit_of
from assay.evaluation.verdict import GateOutcome, GateVerdict
from assay.project import StageContext
from assay.records.evaluation import Comparison, Estimate, Gate
from assay.records.statuses import EstimateKind, OnInconclusive, Population, Stage
from assay.scoring.estimates import EstimateFacts, estimate_row
from assay.settings import Settings
from assay.statistics.conventions import DEFAULT_TENANT
from assay.statistics.looks import UNCOUNTED, Look
from assay.statistics.measured import Measured, Status
from assay.statistics.paired import PairedComparison
from assay.version import code_version
from assay.warehouse.landing import LandingWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result of `assay eval`; `uses` counts the runs and versions on the gate split since it last changed."""

    evaluation_id: str
    gate_id: str | None
    options: EvaluationOptions
    stage: Stage
    on_inconclusive: OnInconclusive
    candidate: EvaluatedVariant
    champion: EvaluatedVariant | None
    population: str
    compared: tuple[MetricComparison, ...]
    verdict: GateVerdict
    look: Look
    uses: tuple[int, int] | None
    notes: tuple[str, ...] = field(default=())
    robustness: Robustness | None = None

    @property
    def measured(self) -> dict[str, Measured]:
        """The candidate's estimates, keyed by the name of the rule that uses them."""
        return {
            outcome.rule.name: outcome.evidence.measured
            for outcome in self.verdict.outcomes
            if outcome.evidence is not None and outcome.evidence.measured is not None
        }

    @property
    def blocks(self) -> bool:
        """True if the decision blocks the candidate."""
        return self.verdict.blocks(on_inconclusive=self.on_inconclusive)

    @property
    def exit_code(self) -> int:
        """Exit code of the command: the decision's exit code, or 0 if an inconclusive gate only warns."""
        return self.verdict.exit_code if self.blocks or not self.options.is_gate else 0


def land(context: StageContext, evaluation: Evaluation) -> None:
    """Lands estimates and comparisons, and then the decision if there is a gate."""
    sink = LandingWriter(context.warehouse)
    sink.append(estimate_rows(evaluation))
    sink.append(comparison_rows(evaluation))
    sink.append(robustness_rows(evaluation))
    if evaluation.gate_id is not None:
        sink.append([gate_row(context.settings, evaluation)])


def estimate_rows(evaluation: Evaluation) -> list[Estimate]:
    """The estimates that the rules use, one row per estimate."""
    candidate = evaluation.candidate
    task, measured = candidate.task, evaluation.measured
    facts = EstimateFacts(
        kind=EstimateKind.EVALUATION,
        evaluation_id=evaluation.evaluation_id,
        run_id=candidate.run_id,
        task=task.name,
        data_date=candidate.data_date,
        inference_version=task.versions.inference,
        golden_set_version=task.versions.golden_set,
        policy_version=task.versions.policy,
    )
    rows = {}
    for rule in (outcome.rule for outcome in evaluation.verdict.outcomes if outcome.rule.name in measured):
        metric, scorer, label = landed_metric(rule, task.versions.scorers)
        row = estimate_row(
            measured[rule.name],
            facts,
            metric=metric,
            population=evaluation.population,
            slice=rule.slice,
            scorer=scorer,
            scorer_version=task.versions.scorers[scorer] if scorer else None,
            label=label,
        )
        rows[row.estimate_id] = row
    return list(rows.values())


def comparison_rows(evaluation: Evaluation) -> list[Comparison]:
    """One row per comparison; none without a champion."""
    candidate, champion = evaluation.candidate, evaluation.champion
    if champion is None:
        return []
    shared = _compared_columns(evaluation, candidate, champion, population=evaluation.population)
    return [
        _comparison_row(
            one,
            shared,
            comparison_id(evaluation.evaluation_id, evaluation.population, metric=one.metric, slice=one.slice),
        )
        for one in evaluation.compared
    ]


def robustness_rows(evaluation: Evaluation) -> list[Comparison]:
    """One row per kind of perturbation, metric and slice: the perturbed run against the run on the original input."""
    rows = []
    for result in evaluation.robustness.kinds if evaluation.robustness else ():
        if result.perturbed is None:
            continue
        shared = _compared_columns(
            evaluation, result.perturbed, evaluation.candidate, population=Population.PERTURBED.value
        )
        for one in result.comparisons:
            found = MetricComparison(one.metric, one.slice, one.comparison, margin=one.margin)
            row_id = robustness_id(evaluation.evaluation_id, result.kind, MetricSlice(one.metric, one.slice))
            row = replace(_comparison_row(found, shared, row_id), perturbation=result.kind, adjusted_p=one.adjusted_p)
            rows.append(row)
    return rows


def _compared_columns(
    evaluation: Evaluation, candidate: EvaluatedVariant, champion: EvaluatedVariant, *, population: str
) -> dict[str, Any]:
    versions = candidate.task.versions
    return {
        "evaluation_id": evaluation.evaluation_id,
        "task": candidate.task.name,
        "data_date": candidate.data_date,
        "occurred_at": datetime.now(UTC),
        "tenant_id": DEFAULT_TENANT,
        "population": population,
        **variant_columns("candidate", candidate),
        **variant_columns("champion", champion),
        "golden_set_version": versions.golden_set,
        "policy_version": versions.policy,
        "code_version": code_version(),
    }


def _comparison_row(one: MetricComparison, shared: Mapping[str, Any], row_id: str) -> Comparison:
    return Comparison(
        **shared,
        comparison_id=row_id,
        metric=one.metric,
        slice=one.slice,
        margin=one.margin,
        kind=one.kind,
        **comparison_columns(one.comparison, seed=one.seed),
    )


def comparison_columns(found: PairedComparison, *, seed: int) -> dict[str, Any]:
    """The columns of `comparisons` that hold the results; `seed` is the seed of the bootstrap."""
    low, high = found.resampled or (None, None)
    return {
        "candidate_rate": found.candidate_rate,
        "champion_rate": found.champion_rate,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "lower": found.lower,
        "upper": found.upper,
        "p_value": found.p_value,
        "n": found.n,
        "clusters": found.clusters,
        "gains": found.gains,
        "losses": found.losses,
        "n_unscored": found.unscored,
        "n_left_out": found.left_out,
        "detectable": found.mde,
        "needed": found.needed,
        "method": found.method,
        "resampled_low": low,
        "resampled_high": high,
        "seed": seed if found.resampled else None,
        "status": found.status.value,
        "reason": found.reason,
    }


def gate_row(settings: Settings, evaluation: Evaluation) -> Gate:
    """The decision, including every rule and its evidence."""
    candidate, champion, versions = evaluation.candidate, evaluation.champion, evaluation.candidate.task.versions
    return Gate(
        gate_id=evaluation.gate_id or "",
        evaluation_id=evaluation.evaluation_id,
        task=candidate.task.name,
        data_date=evaluation.options.data_date,
        occurred_at=datetime.now(UTC),
        tenant_id=DEFAULT_TENANT,
        decision=evaluation.verdict.decision,
        stage=evaluation.stage,
        on_inconclusive=evaluation.on_inconclusive,
        is_blocking=evaluation.blocks,
        **variant_columns("candidate", candidate),
        candidate_task_version_id=versions.task_version_id,
        candidate_git_sha=commit_of(settings, candidate.task),
        **(variant_columns("champion", champion) if champion else {}),
        champion_git_sha=commit_of(settings, champion.task) if champion else None,
        population=evaluation.population,
        rules=json.dumps([rule_content(outcome) for outcome in evaluation.verdict.outcomes], allow_nan=False),
        golden_set_version=versions.golden_set,
        policy_version=versions.policy,
        decided_by=evaluation.options.decided_by or settings.started_by,
        code_version=code_version(),
        look=None if evaluation.look is UNCOUNTED else evaluation.look.number,
        look_error=None if evaluation.look is UNCOUNTED else evaluation.look.error,
    )


def rule_content(outcome: GateOutcome) -> dict[str, Any]:
    """A rule with its evidence and outcome, as stored in the JSON column `gates.rules`."""
    rule, found = outcome.rule, outcome.evidence
    waiver = outcome.waiver
    return {
        "name": rule.name,
        "type": rule.kind.value,
        "metric": rule.shown_metric,
        "slice": rule.slice,
        "bar": rule.threshold,
        "state": outcome.state.value,
        "unwaived": outcome.unwaived.value,
        "reason": outcome.reason,
        "value": _finite(found.value if found else None),
        "lower": _finite(found.lower if found else None),
        "upper": _finite(found.upper if found else None),
        "n": found.n if found else 0,
        "method": found.method if found else "none",
        "status": (found.status if found else Status.NONE).value,
        "p_passing": _finite(outcome.p_passing),
        "adjusted_p": _finite(outcome.adjusted_p),
        "estimate_ids": list(found.estimate_ids) if found else [],
        "waiver": None
        if waiver is None
        else {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires.isoformat()},
    }


def variant_columns(role: str, side: EvaluatedVariant) -> dict[str, Any]:
    """The columns that name the variant in the role `candidate` or `champion`."""
    return {
        f"{role}_variant": side.label,
        f"{role}_run_id": side.run_id,
        f"{role}_inference_version": side.task.versions.inference,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
