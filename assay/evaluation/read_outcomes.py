"""A run read back as outcomes: its answers, what each scorer said of them, what they cost and how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from assay.evaluation.outcomes import Outcomes, PredictionOutcome
from assay.evaluation.queries import EVALUATED_ANSWERS
from assay.records.keys import RecordKey
from assay.records.statuses import ANSWERED, PredictionStatus, ScoreStatus
from assay.scoring.estimates import is_correct
from assay.scoring.landed_scores import LandedVerdict, read_verdicts
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse

FALLBACK, SCORED = PredictionStatus.FALLBACK, ScoreStatus.SCORED


def read_outcomes(warehouse: Warehouse, task: Task, *, run_id: str, data_date: date) -> Outcomes:
    """The run's answers as the task's scorers, in their present versions, judged them."""
    verdicts = read_verdicts(warehouse, run_id=run_id, data_date=data_date, versions=task.versions.scorers)
    parameters = {"task": task.name, "run_id": run_id, "data_date": data_date}
    rows = warehouse.stream(EVALUATED_ANSWERS.sql, parameters)
    return Outcomes.of(_answer(task, row, verdicts.get(row["prediction_id"], {})) for row in rows)


def _answer(task: Task, row: Mapping[str, Any], verdicts: Mapping[str, LandedVerdict]) -> PredictionOutcome:
    status = row["status"]
    answered = status in ANSWERED or (status == FALLBACK and task.spec.fallback_counts)
    sampled = {judge.name for judge in task.spec.judges if judge.sample is not None}
    return PredictionOutcome(
        record=RecordKey(row["tenant_id"], row["record_id"]),
        epoch=row["epoch"],
        status=status,
        population=row["population"],
        slices=tuple(row["slices"] or ()),
        cluster_id=row["cluster_id"],
        cost_usd=None if row["cost_usd"] is None else float(row["cost_usd"]),
        latency_ms=row["latency_ms"],
        is_correct=is_correct(task, status, verdicts),
        is_sampled=not (sampled & set(task.spec.correct)) - verdicts.keys(),
        passed={name: _outcome(verdict, answered=answered) for name, verdict in verdicts.items()},
    )


def _outcome(verdict: LandedVerdict, *, answered: bool) -> bool | None:
    """What is no answer is not right; an answer that could not be scored is neither."""
    if not answered:
        return False
    return verdict.passed if verdict.status == SCORED else None
