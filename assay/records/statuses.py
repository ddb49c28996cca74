"""Statuses, kinds and other closed lists of values that landing rows hold, each defined once.

A member is a `str`, so rows, journals and Arrow hold the plain value. A row that is read back holds a plain `str`: compare
with `==` or `in`, not with `is`. Reading a member off its class takes 0.1 µs in Python 3.11, so code that runs for every
row keeps it in a constant of its module. JSON takes a member as a value; as a key it needs `.value`.

Values that only one package knows stay there: `statistics.measured.Status`, `statistics.labelled_sample.SamplingDesign`,
`inference.endpoint.failures.FailureKind`.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far a task is rolled out."""

    SHADOW = "shadow"
    BETA = "beta"
    GA = "ga"


class OnInconclusive(StrEnum):
    """What an inconclusive gate decision does at a stage."""

    BLOCK = "block"
    WARN = "warn"


class RunEventKind(StrEnum):
    """`runs.event`; a run without a finished row was killed or still runs."""

    STARTED = "started"
    FINISHED = "finished"


class RunStatus(StrEnum):
    """`runs.status`."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class UnfinishedRunStatus(StrEnum):
    """Status that a command reports of a run that has not finished; it never lands."""

    SUBMITTED = "submitted"
    """Its batches are with the provider."""
    ANSWERED = "answered"
    """Its predictions have landed, its scores have not."""


class RunPurpose(StrEnum):
    """`runs.purpose`."""

    SCORE = "score"
    EVAL = "eval"
    SHADOW = "shadow"
    CANARY = "canary"
    LATENCY = "latency"


class GoldenSplit(StrEnum):
    """`golden_cases.split`."""

    DEV = "dev"
    """May be shown to the model."""
    GATE = "gate"
    """A gate decides on it."""


class Population(StrEnum):
    """`records.population`, and the input that asks for it."""

    GOLDEN_DEV = "golden:dev"
    GOLDEN_GATE = "golden:gate"
    INPUT = "input"


class RejectionReason(StrEnum):
    """`rejected_records.reason`."""

    MISSING_ID = "missing_id"
    DUPLICATE_ID = "duplicate_id"
    MISSING_CONVERSATION = "missing_conversation"
    BAD_TURN = "bad_turn"
    DUPLICATE_TURN = "duplicate_turn"
    UNDECODABLE_TEXT = "undecodable_text"
    OVERSIZE_CELL = "oversize_cell"
    RAGGED_ROW = "ragged_row"
    UNREADABLE_ROW = "unreadable_row"
    VALUE_NOT_ALLOWED = "value_not_allowed"
    MASKING_FAILED = "masking_failed"


class CallPurpose(StrEnum):
    """`responses.purpose`."""

    ANSWER = "answer"
    REPAIR = "repair"
    JUDGE = "judge"
    EMBEDDING = "embedding"


class CallStatus(StrEnum):
    """`responses.status`."""

    OK = "ok"
    INVALID_OUTPUT = "invalid_output"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"


class FinishReason(StrEnum):
    """`responses.finish_reason`: why generation ended, in the words of the OpenAI API; other providers may have more."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"
    FUNCTION_CALL = "function_call"


class Billing(StrEnum):
    """`responses.billing`: unknown for a call that timed out or broke off."""

    KNOWN = "known"
    UNKNOWN = "unknown"


class PredictionStatus(StrEnum):
    """`predictions.status`."""

    OK = "ok"
    REPAIRED = "repaired"
    FALLBACK = "fallback"
    REFUSED = "refused"
    INVALID_OUTPUT = "invalid_output"
    FAILED = "failed"
    SKIPPED_BUDGET = "skipped_budget"


ANSWERED = frozenset({PredictionStatus.OK, PredictionStatus.REPAIRED})
"""Statuses of predictions that a model answered with a valid output."""


class AnswerSource(StrEnum):
    """`predictions.answer_source`."""

    WIRE = "wire"
    EXACT_CACHE = "exact_cache"
    SEMANTIC_CACHE = "semantic_cache"
    REUSED = "reused"


class SpanStatus(StrEnum):
    """`assay.status` of a request that has no prediction; it never lands."""

    STOPPED = "stopped"


class ScoreStatus(StrEnum):
    """`scores.status`: four states that are never mixed up, and none of them a value of 0."""

    SCORED = "scored"
    UNSCORED = "unscored"
    FAILED = "failed"
    REFUSED = "refused"


class ScorerKind(StrEnum):
    """`scores.scorer_kind`."""

    CHECK = "check"
    JUDGE = "judge"
    HUMAN = "human"


class BudgetEvent(StrEnum):
    """`budget_entries.event`: a lease grew, or ended."""

    RESERVE = "reserve"
    SETTLE = "settle"


class BatchState(StrEnum):
    """`batches.state` in the order a batch goes through; each state is a row of its own."""

    INTENT = "intent"
    SUBMITTED = "submitted"
    FINISHED = "finished"
    LANDED = "landed"
    ABANDONED = "abandoned"


class ProviderBatchStatus(StrEnum):
    """`batches.provider_status`: how a batch ended at the provider."""

    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class AssignmentEvent(StrEnum):
    """`annotations_queue.event`: anybody may take it, or it is one person's."""

    OPEN = "open"
    ASSIGNED = "assigned"


class AssignmentRole(StrEnum):
    """`annotations_queue.role`: adjudicate where annotators did not agree."""

    LABEL = "label"
    ADJUDICATE = "adjudicate"


class SamplePurpose(StrEnum):
    """`annotations_queue.purpose`: estimates rest on calibration samples, never on triage."""

    CALIBRATION = "calibration"
    TRIAGE = "triage"


class RuleKind(StrEnum):
    """What a gate's rule asks for; `GateRule.bar` is its figure."""

    LOWER_BOUND = "lower_bound"
    """A rate of at least `bar`."""
    NO_REGRESSION = "no_regression"
    """Candidate minus champion above -`bar`."""
    COST_PER_CORRECT = "cost_per_correct"
    """At most `bar` USD for each correct answer."""
    LATENCY = "latency"
    """A share of at least `bar` final within the SLA's time."""
    JUDGE_CALIBRATED = "judge_calibrated"
    """Agreement κ of judge and people of at least `bar`, on at least `n_min` labels."""
    GOLDEN_CASES = "golden_cases"
    """At least `bar` cases, and in each slice of `covering` at least `n_min`."""


class RuleState(StrEnum):
    """State of one rule of a gate."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    REPORTED = "reported"
    """Shown, with no say in the decision."""


class RuleDecision(StrEnum):
    """`gates.decision`."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
