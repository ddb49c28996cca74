"""Row types of judgements and of what is computed from them; `records.py` has the others, and all by table.

Only the shapes belong here, field for field as in `warehouse/schemas/*.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from assay.row import JsonText, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Row):
    """One row per prediction, scorer version and judge epoch or annotator."""

    table: ClassVar[str] = "scores"

    score_id: str
    prediction_id: str
    run_id: str
    task: str
    record_id: str
    epoch: int
    scorer: str
    scorer_kind: str
    scorer_version: str
    judge_epoch: int | None = None
    annotator: str | None = None
    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    status: str
    explanation: str | None = None
    call_id: str | None = None
    subject_key: str | None = None
    masking_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment(Row):
    """What people are to label, and how it was drawn: one row per assignment."""

    table: ClassVar[str] = "annotations_queue"

    assignment_id: str
    sample_id: str
    event: str
    run_id: str
    task: str
    inference_version: str
    prediction_id: str
    record_id: str
    epoch: int
    scorer: str
    scorer_version: str
    annotator: str | None = None
    role: str
    slot: int
    is_blind: bool
    purpose: str
    sampling_design: str
    sampling_parameters: JsonText
    frame: str
    frame_size: int
    frame_hash: str
    stratum: str | None = None
    stratum_size: int | None = None
    inclusion_probability: float | None = None
    position: int
    seed: int
    requested_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Row):
    """One row per evaluation, metric, slice and method."""

    table: ClassVar[str] = "estimates"

    estimate_id: str
    evaluation_id: str
    run_id: str
    task: str
    metric: str
    population: str
    slice: str
    method: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float
    n: int
    clusters: int | None = None
    effective_n: float | None = None
    label_counts: JsonText | None = None
    inference_version: str
    golden_set_version: str
    policy_version: str
    status: str
    reason: str | None = None
    seed: int | None = None
    code_version: str
