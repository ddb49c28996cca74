"""Frozen row types, one per landing table, field for field as in `warehouse/schemas/*.json`.

The landing writer adds `landed_at` and `row_hash`, so a record has no fields for them. The row types of evaluation are
in `evaluation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from assay.performance.fast_init import quick_init
from assay.records.evaluation import Assignment, ClassCount, Comparison, Estimate, Gate, Promotion, Score
from assay.records.row import JsonText, Row
from assay.records.statuses import (
    AnswerSource,
    BatchState,
    Billing,
    BudgetEvent,
    CallPurpose,
    CallStatus,
    GoldenSplit,
    Population,
    PredictionStatus,
    RejectionReason,
    RunEventKind,
    RunPurpose,
    RunStatus,
    Stage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskVersion(Row):
    """One row per task and set of version hashes."""

    table: ClassVar[str] = "task_versions"

    task: str
    task_version_id: str
    inference_version: str
    golden_set_version: str
    policy_version: str
    scorer_versions: JsonText
    description: str | None = None
    owner: str | None = None
    variant: str
    templates: JsonText
    output_schema: JsonText
    parameters: JsonText
    routes: JsonText
    checks: JsonText
    correct_scorers: tuple[str, ...] = ()
    fallback_counts: bool
    thresholds: JsonText
    sla_latency_ms: int | None = None
    sla_share: float | None = None
    git_sha: str | None = None
    code_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCase(Row):
    """One row per golden_set_version and case."""

    table: ClassVar[str] = "golden_cases"

    task: str
    golden_set_version: str
    case_id: str
    split: GoldenSplit
    input: JsonText
    expected: JsonText | None = None
    slices: tuple[str, ...] = ()
    cluster_id: str | None = None
    author: str | None = None
    authored_on: date | None = None
    masking_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent(Row):
    """Start and end of runs: one row per run and event."""

    table: ClassVar[str] = "runs"

    run_id: str
    task: str
    event: RunEventKind
    status: RunStatus
    purpose: RunPurpose
    variant: str
    stage: Stage
    task_version_id: str
    inference_version: str
    golden_set_version: str
    policy_version: str
    epochs: int
    input_source: str | None = None
    manifest_hash: str | None = None
    rows_read: int | None = None
    rows_rejected: int | None = None
    records: int | None = None
    expected_predictions: int | None = None
    predictions: int | None = None
    calls: int | None = None
    started_by: str | None = None
    config: JsonText
    reason: str | None = None
    git_sha: str | None = None
    code_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Row):
    """Input rows admitted to a run, masked: one row per run and record."""

    table: ClassVar[str] = "records"

    run_id: str
    task: str
    record_id: str
    position: int
    population: Population
    input: JsonText
    input_hash: str
    expected: JsonText | None = None
    cluster_id: str | None = None
    conversation_key: str | None = None
    turn: int | None = None
    slices: tuple[str, ...] = ()
    requester: str | None = None
    access_tags: tuple[str, ...] = ()
    masked_entities: int
    subject_key: str | None = None
    masking_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord(Row):
    """One row per run and source position."""

    table: ClassVar[str] = "rejected_records"

    run_id: str
    task: str
    position: int
    record_id: str | None = None
    reason: RejectionReason
    explanation: str
    column_name: str | None = None
    raw_hash: str


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Row):
    """Every call on the wire, regardless of its status: one row per call."""

    table: ClassVar[str] = "responses"

    call_id: str
    run_id: str
    task: str
    request_key: str
    record_id: str
    epoch: int
    attempt: int
    purpose: CallPurpose
    route: str
    provider: str
    request_model: str
    response_model: str | None = None
    response_id: str | None = None
    status: CallStatus
    error_type: str | None = None
    error_message: str | None = None
    http_status: int | None = None
    finish_reason: str | None = None
    usage: JsonText | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    uncached_input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    answer_tokens: int | None = None
    reasoning_tokens: int | None = None
    started_at: datetime
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None
    queue_ms: float | None = None
    service_tier: str | None = None
    is_batch: bool
    cost_usd: Decimal | None = None
    price_source: str | None = None
    cost_upper_usd: Decimal | None = None
    billing: Billing
    reference_model: str | None = None
    reference_cost_usd: Decimal | None = None
    reference_price_source: str | None = None
    trace_id: str | None = None


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Row):
    """Messages sent and text received, masked and stored separately from the metrics: one row per call."""

    table: ClassVar[str] = "contents"

    call_id: str
    run_id: str
    task: str
    request_key: str
    record_id: str
    messages: JsonText
    output_text: str | None = None
    subject_key: str | None = None
    masking_version: str


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(Row):
    """One row per run and request."""

    table: ClassVar[str] = "predictions"

    prediction_id: str
    run_id: str
    task: str
    request_key: str
    record_id: str
    epoch: int
    variant: str
    stage: Stage
    inference_version: str
    input_hash: str
    status: PredictionStatus
    answer_source: AnswerSource | None = None
    output: JsonText | None = None
    route: str | None = None
    routing: JsonText | None = None
    counterfactual_cost_usd: Decimal | None = None
    call_id: str | None = None
    history_turns: int | None = None
    calls: int
    error_type: str | None = None
    error_message: str | None = None
    started_at: datetime
    finished_at: datetime
    end_to_end_ms: float
    subject_key: str | None = None
    masking_version: str
    first_prediction_id: str | None = None
    first_status: PredictionStatus | None = None
    first_finished_at: datetime | None = None
    adopted_model: str | None = None
    adopted_cost_usd: Decimal | None = None
    adopted_latency_ms: float | None = None
    adopted_input_tokens: int | None = None
    adopted_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Row):
    """Batches sent to a provider's Batch API: one row per batch and state."""

    table: ClassVar[str] = "batches"

    chunk_hash: str
    run_id: str
    task: str
    state: BatchState
    provider: str
    request_model: str
    route: str
    requests: int
    first_position: int
    first_epoch: int
    last_position: int
    last_epoch: int
    estimate_usd: Decimal | None = None
    provider_batch_id: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    provider_status: str | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    lines_answered: int | None = None
    lines_failed: int | None = None
    lines_missing: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticCacheEntry(Row):
    """Responses that the semantic cache may reuse, with the embeddings of their questions: one row per entry."""

    table: ClassVar[str] = "semantic_cache"

    entry_id: str
    run_id: str
    task: str
    record_id: str
    epoch: int
    inference_version: str
    provider: str
    request_model: str
    response_model: str | None = None
    embedding_provider: str
    embedding_model: str
    embedding: tuple[float, ...] = ()
    output: JsonText
    confidence: float | None = None
    route: str
    call_id: str
    expires_at: datetime
    subject_key: str | None = None
    masking_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEntry(Row):
    """Budget leased to a worker under a cap, and its settlement: one row per lease, event and sequence."""

    table: ClassVar[str] = "budget_entries"

    run_id: str
    task: str
    lease_id: str
    event: BudgetEvent
    sequence: int
    month: date
    amount_usd: Decimal
    is_expired: bool
    run_cap_usd: Decimal | None = None
    task_cap_usd: Decimal | None = None
    month_cap_usd: Decimal | None = None


LANDING_RECORDS: dict[str, type[Row]] = {
    record.table: record
    for record in (
        TaskVersion, GoldenCase, RunEvent, Record, RejectedRecord, Response, Content, Prediction, Score, Estimate, ClassCount,
        BudgetEntry, Batch, SemanticCacheEntry, Assignment, Comparison, Gate, Promotion,
    )
}  # fmt: skip
"""Maps each landing table to its row type."""
