"""Input and output of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from assay.inference.keys import prediction_id
from assay.performance.fast_init import quick_init
from assay.records import Content, Prediction, Response
from assay.records.evaluation import Score
from assay.records.statuses import PredictionStatus, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Columns that all rows of one run share."""

    run_id: str
    task: str
    data_date: date
    variant: str
    stage: Stage
    inference_version: str
    masking_version: str


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOutcome:
    """The first outcome of a request that an earlier run made; rates count it, whatever a later run delivers."""

    prediction_id: str
    status: PredictionStatus
    finished_at: datetime


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for one record in one epoch; `fields` are masked, `key` is the content key.

    `history` contains the messages of earlier turns, each with its role and content; `history_turns` is the number of
    those turns, or None if the record is not a turn of a conversation. `first` is None if no earlier run made the
    request, or none that counts.
    """

    record_id: str
    position: int
    epoch: int
    key: str
    fields: Mapping[str, str]
    input_hash: str
    tenant_id: str
    subject_key: str | None
    history: Sequence[Mapping[str, str]] = ()
    history_turns: int | None = None
    first: FirstOutcome | None = None


@quick_init
@dataclass(frozen=True, slots=True)
class RequestResult:
    """The prediction of a request and the rows of its calls; `prediction` is None if the run stopped during the request.

    The result of a judge request has `scores` instead of a prediction.
    """

    prediction: Prediction | None
    responses: tuple[Response, ...] = ()
    contents: tuple[Content, ...] = ()
    scores: tuple[Score, ...] = ()


def prediction_row(
    facts: RunFacts, request: Request, *, started_at: datetime, finished_at: datetime, **columns: Any
) -> Prediction:
    """The `predictions` row of the request; `columns` are the columns that describe its outcome and origin."""
    first = request.first
    return Prediction(
        prediction_id=prediction_id(facts.run_id, request.key),
        run_id=facts.run_id,
        task=facts.task,
        data_date=facts.data_date,
        occurred_at=finished_at,
        tenant_id=request.tenant_id,
        request_key=request.key,
        record_id=request.record_id,
        epoch=request.epoch,
        variant=facts.variant,
        stage=facts.stage,
        inference_version=facts.inference_version,
        input_hash=request.input_hash,
        history_turns=request.history_turns,
        started_at=started_at,
        finished_at=finished_at,
        end_to_end_ms=(finished_at - started_at).total_seconds() * 1000,
        subject_key=request.subject_key,
        masking_version=facts.masking_version,
        first_prediction_id=None if first is None else first.prediction_id,
        first_status=None if first is None else first.status,
        first_finished_at=None if first is None else first.finished_at,
        **columns,
    )
