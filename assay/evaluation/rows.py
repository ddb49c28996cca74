"""The landing rows of an evaluation: estimates behind rules, comparisons, and the gate's decision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay.evaluation.gate_evidence import MeasuredMetric, MetricComparison
from assay.evaluation.gate_rules import GateOutcome
from assay.evaluation.variants import commit_of
from assay.inference.keys import content_hash
from assay.records import Comparison, Estimate, Gate
from assay.scoring.estimates import EstimateFacts, estimate_row
from assay.scoring.tally import PASS_RATE
from assay.settings import Settings
from assay.statistics.conventions import DEFAULT_TENANT
from assay.statistics.measured import Status
from assay.version import code_version

if TYPE_CHECKING:
    from assay.evaluation.evaluation import Evaluation
    from assay.evaluation.side import EvaluatedVariant


def estimate_rows(
    side: EvaluatedVariant, measured: Mapping[str, MeasuredMetric], *, evaluation_id: str, population: str
) -> dict[str, Estimate]:
    """The row behind each rule, by the rule's name; rules about the same figure share one."""
    task = side.task
    facts = EstimateFacts(
        evaluation_id=evaluation_id,
        run_id=side.run_id,
        task=task.name,
        data_date=side.data_date,
        inference_version=task.versions.inference,
        golden_set_version=task.versions.golden_set,
        policy_version=task.versions.policy,
    )
    rows = {}
    for rule, one in measured.items():
        is_scorer = one.metric in task.versions.scorers
        rows[rule] = estimate_row(
            one.measured,
            facts,
            metric=PASS_RATE if is_scorer else one.metric,
            population=population,
            slice=one.slice,
            scorer=one.metric if is_scorer else None,
            scorer_version=task.versions.scorers[one.metric] if is_scorer else None,
        )
    return rows


def comparison_rows(
    candidate: EvaluatedVariant,
    champion: EvaluatedVariant | None,
    compared: Sequence[MetricComparison],
    *,
    evaluation_id: str,
    population: str,
) -> list[Comparison]:
    """A row for each comparison; none without a champion."""
    if champion is None:
        return []
    versions = candidate.task.versions
    shared = {
        "evaluation_id": evaluation_id,
        "task": candidate.task.name,
        "data_date": candidate.data_date,
        "occurred_at": datetime.now(UTC),
        "tenant_id": DEFAULT_TENANT,
        "population": population,
        **_named("candidate", candidate),
        **_named("champion", champion),
        "golden_set_version": versions.golden_set,
        "policy_version": versions.policy,
        "code_version": code_version(),
    }
    return [_comparison(one, shared, evaluation_id=evaluation_id, population=population) for one in compared]


def _comparison(one: MetricComparison, shared: Mapping[str, Any], *, evaluation_id: str, population: str) -> Comparison:
    found = one.comparison
    low, high = found.resampled or (None, None)
    return Comparison(
        **shared,
        comparison_id=content_hash(evaluation_id, one.metric, population, one.slice),
        metric=one.metric,
        slice=one.slice,
        candidate_rate=one.candidate_rate,
        champion_rate=one.champion_rate,
        difference=found.difference,
        low=found.low,
        high=found.high,
        lower=found.lower,
        upper=found.upper,
        p_value=found.p_value,
        n=found.n,
        clusters=found.clusters,
        gains=found.gains,
        losses=found.losses,
        n_unscored=found.unscored,
        n_left_out=found.left_out,
        detectable=found.detectable,
        margin=one.margin,
        needed=found.needed,
        method=found.method,
        resampled_low=low,
        resampled_high=high,
        seed=one.seed if found.resampled else None,
        status=found.status.value,
        reason=found.reason,
    )


def gate_row(settings: Settings, evaluation: Evaluation) -> Gate:
    """The decision with every rule and what it rests on."""
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
        **_named("candidate", candidate),
        candidate_task_version_id=versions.task_version_id,
        candidate_git_sha=commit_of(settings, candidate.task),
        **(_named("champion", champion) if champion else {}),
        champion_git_sha=commit_of(settings, champion.task) if champion else None,
        population=evaluation.population,
        rules=json.dumps([rule_content(outcome) for outcome in evaluation.verdict.outcomes], allow_nan=False),
        golden_set_version=versions.golden_set,
        policy_version=versions.policy,
        decided_by=evaluation.options.decided_by or settings.started_by,
        code_version=code_version(),
    )


def rule_content(outcome: GateOutcome) -> dict[str, Any]:
    """A rule with its evidence and what became of it, as `gates.rules` holds it and machines read it."""
    rule, found = outcome.rule, outcome.evidence
    waiver = outcome.waiver
    return {
        "name": rule.name,
        "type": rule.kind.value,
        "metric": rule.metric,
        "slice": rule.slice,
        "bar": rule.bar,
        "state": outcome.state.value,
        "unwaived": outcome.unwaived.value,
        "reason": outcome.reason,
        "value": _finite(found.value if found else None),
        "lower": _finite(found.lower if found else None),
        "upper": _finite(found.upper if found else None),
        "n": found.n if found else 0,
        "method": found.method if found else "none",
        "status": (found.status if found else Status.NONE).value,
        "adjusted_p": _finite(outcome.adjusted_p),
        "estimate_ids": list(found.estimate_ids) if found else [],
        "waiver": None
        if waiver is None
        else {"owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires.isoformat()},
    }


def _named(who: str, side: EvaluatedVariant) -> dict[str, Any]:
    return {
        f"{who}_variant": side.label,
        f"{who}_run_id": side.run_id,
        f"{who}_inference_version": side.task.versions.inference,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
