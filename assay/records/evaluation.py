"""Row types of scores, labels and evaluation results; `assay.records` has the other row types and maps tables to types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from assay.records.row import JsonText, Row
from assay.records.statuses import (
    AnnotatorKind,
    AnswerStatus,
    AssignmentEvent,
    AssignmentRole,
    EstimateKind,
    OnInconclusive,
    Perturbation,
    ResultKind,
    RuleDecision,
    SamplePurpose,
    ScorerKind,
    ScoreStatus,
    Stage,
)


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
    scorer_kind: ScorerKind
    scorer_version: str
    judge_epoch: int | None = None
    annotator: str | None = None
    annotator_kind: AnnotatorKind | None = None
    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    status: ScoreStatus
    explanation: str | None = None
    call_id: str | None = None
    subject_key: str | None = None
    masking_version: str
    expected_label: str | None = None
    gives: ResultKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment(Row):
    """Predictions assigned to people for labeling, and how they were sampled: one row per assignment."""

    table: ClassVar[str] = "annotations_queue"

    assignment_id: str
    sample_id: str
    event: AssignmentEvent
    run_id: str
    task: str
    inference_version: str
    prediction_id: str
    record_id: str
    epoch: int
    scorer: str
    scorer_version: str
    annotator: str | None = None
    role: AssignmentRole
    slot: int
    is_blind: bool
    purpose: SamplePurpose
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
    scorer: str | None = None
    scorer_version: str | None = None
    standard_error: float | None = None
    worst: float | None = None
    best: float | None = None
    calibration: JsonText | None = None
    details: JsonText | None = None
    kind: EstimateKind | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount(Row):
    """One row per run, population, slice, field, expected and answered class, and status."""

    table: ClassVar[str] = "answer_counts"

    answer_count_id: str
    run_id: str
    task: str
    inference_version: str
    population: str
    slice: str
    field: str
    scorer: str | None = None
    scorer_version: str | None = None
    expected: str | None = None
    answered: str | None = None
    status: AnswerStatus
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Row):
    """Candidate against champion on the same records: one row per evaluation, metric and slice.

    With a perturbation: the candidate on perturbed input against the same version on the original input.
    """

    table: ClassVar[str] = "comparisons"

    comparison_id: str
    evaluation_id: str
    task: str
    candidate_variant: str
    candidate_run_id: str
    candidate_inference_version: str
    champion_variant: str
    champion_run_id: str
    champion_inference_version: str
    metric: str
    population: str
    slice: str
    candidate_rate: float
    champion_rate: float
    difference: float
    low: float
    high: float
    lower: float
    upper: float
    p_value: float
    n: int
    clusters: int | None = None
    gains: int
    losses: int
    n_unscored: int
    n_left_out: int
    detectable: float
    margin: float | None = None
    needed: int | None = None
    method: str
    resampled_low: float | None = None
    resampled_high: float | None = None
    seed: int | None = None
    status: str
    reason: str | None = None
    golden_set_version: str
    policy_version: str
    code_version: str
    adjusted_p: float | None = None
    simultaneous_low: float | None = None
    simultaneous_high: float | None = None
    family_size: int | None = None
    kind: str | None = None
    perturbation: Perturbation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Row):
    """Whether a candidate may ship, and why: one row per decision."""

    table: ClassVar[str] = "gates"

    gate_id: str
    evaluation_id: str
    task: str
    decision: RuleDecision
    stage: Stage
    on_inconclusive: OnInconclusive
    is_blocking: bool
    candidate_variant: str
    candidate_run_id: str
    candidate_inference_version: str
    candidate_task_version_id: str
    candidate_git_sha: str | None = None
    champion_variant: str | None = None
    champion_run_id: str | None = None
    champion_inference_version: str | None = None
    champion_git_sha: str | None = None
    population: str
    rules: JsonText
    golden_set_version: str
    policy_version: str
    decided_by: str
    code_version: str
    look: int | None = None
    look_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion(Row):
    """The version of a task that is in use at a stage: one row per promotion."""

    table: ClassVar[str] = "stages"

    promotion_id: str
    task: str
    variant: str
    task_version_id: str
    inference_version: str
    golden_set_version: str
    policy_version: str
    scorer_versions: JsonText
    from_stage: Stage | None = None
    to_stage: Stage
    gate_id: str | None = None
    approver: str
    reason: str | None = None
    git_sha: str | None = None
    code_version: str
