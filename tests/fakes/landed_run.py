"""A completed run as it would have landed, without asking a model: records, predictions, the scores of one check.

Belongs here: making the rows. What is done with them is for the tests to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from assay.inference.keys import content_hash
from assay.records import Prediction, Record, RunEvent
from assay.records.evaluation import Score
from assay.records.row import Row
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answered record: `passed` is what the check said, None where it was not scored."""

    record_id: str
    input: Mapping[str, Any]
    output: Mapping[str, Any] | None
    passed: bool | None = True
    slices: tuple[str, ...] = ()
    epoch: int = 0


def answers(count: int, *, failing_every: int = 4) -> list[Answer]:
    """Plain answers, of which every fourth fails, in two slices."""
    return [
        Answer(
            record_id=f"r{n:04}",
            input={"text": f"text number {n}"},
            output={"label": "question", "note": f"note {n}"},
            passed=n % failing_every != 0,
            slices=(f"channel={'email' if n % 3 else 'chat'}",),
        )
        for n in range(count)
    ]


def prediction_of(run_id: str, record_id: str, epoch: int = 0) -> str:
    """The id of the prediction that `land_run` makes."""
    return content_hash(run_id, record_id, epoch)


def land_run(warehouse: Warehouse, task: str, given: Sequence[Answer], *, run_id: str = "", at: datetime = NOON) -> str:
    """The run is in the warehouse, each prediction with a score of the check `schema_kept`; returns its id."""
    run_id = run_id or f"run-{task}"
    common = {"data_date": DAY, "occurred_at": at, "tenant_id": "default", "run_id": run_id, "task": task}
    records = {answer.record_id: _record(common, answer, position) for position, answer in enumerate(given)}
    writer = LandingWriter(warehouse)
    writer.append(list(records.values()))
    writer.append([_prediction(common, answer, at + timedelta(seconds=n)) for n, answer in enumerate(given)])
    writer.append([_score(common, answer) for answer in given])
    writer.append([_finished(common)])
    return run_id


def _record(common: Mapping[str, Any], answer: Answer, position: int) -> Row:
    return Record(
        **common,
        record_id=answer.record_id,
        position=position,
        population="input",
        input=json.dumps(answer.input),
        input_hash="h",
        slices=answer.slices,
        masked_entities=0,
        masking_version="off",
    )


def _prediction(common: Mapping[str, Any], answer: Answer, at: datetime) -> Row:
    prediction = prediction_of(common["run_id"], answer.record_id, answer.epoch)
    return Prediction(
        **common,
        prediction_id=prediction,
        request_key=prediction,
        record_id=answer.record_id,
        epoch=answer.epoch,
        variant="default",
        stage="shadow",
        inference_version="i1",
        input_hash="h",
        status="failed" if answer.output is None else "ok",
        output=None if answer.output is None else json.dumps(answer.output),
        calls=1,
        started_at=at,
        finished_at=at,
        end_to_end_ms=1.0,
        masking_version="off",
    )


def _score(common: Mapping[str, Any], answer: Answer) -> Row:
    prediction = prediction_of(common["run_id"], answer.record_id, answer.epoch)
    return Score(
        **common,
        score_id=content_hash(prediction, "schema_kept"),
        prediction_id=prediction,
        record_id=answer.record_id,
        epoch=answer.epoch,
        scorer="schema_kept",
        scorer_kind="check",
        scorer_version="s1",
        value=None if answer.passed is None else float(answer.passed),
        passed=answer.passed,
        status="unscored" if answer.passed is None else "scored",
        masking_version="off",
    )


def _finished(common: Mapping[str, Any]) -> Row:
    versions = {"task_version_id": "t", "inference_version": "i1", "golden_set_version": "g", "policy_version": "p"}
    return RunEvent(
        **common,
        **versions,
        event="finished",
        status="completed",
        purpose="score",
        variant="default",
        stage="shadow",
        epochs=1,
        config="{}",
        code_version="test",
    )
