"""Statuses, kinds and other closed lists of values in landing rows, each defined once.

A member is a `str`, so rows, journals and Arrow hold the plain value. A row that is read back holds a plain `str`:
compare with `==` or `in`, not with `is`. Reading a member off its class takes 0.1 µs in Python 3.11, so code that runs
for every row keeps it in a constant of its module. JSON takes a member as a value; as a key it needs `.value`.

Values used by one package only are defined there: `statistics.measured.Status`,
`statistics.labeled_sample.SamplingDesign`, `inference.endpoint.failures.FailureKind`.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far a task is rolled out."""

    SHADOW = "shadow"
    BETA = "beta"
    GA = "ga"


class OnInconclusive(StrEnum):
    """Effect of an inconclusive gate decision at a stage."""

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
    """The provider is processing its batches."""
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
    """Used only by gates."""


class Population(StrEnum):
    """`records.population`, and the input that selects it."""

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
    """`responses.finish_reason`: the reason that generation ended, in terms of the OpenAI API; others may be added."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"
    FUNCTION_CALL = "function_call"


class Billing(StrEnum):
    """`responses.billing`: unknown for a call that timed out or was interrupted."""

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
"""Statuses of predictions with a valid output of a model."""


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
    """`scores.status`: four separate states, none of which is a value of 0."""

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
    """`batches.state` in the order of a batch's life cycle; each state is a row of its own."""

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
    """`annotations_queue.event`: open to anyone, or assigned to one person."""

    OPEN = "open"
    ASSIGNED = "assigned"


class AssignmentRole(StrEnum):
    """`annotations_queue.role`: adjudicate if annotators disagreed."""

    LABEL = "label"
    ADJUDICATE = "adjudicate"


class SamplePurpose(StrEnum):
    """`annotations_queue.purpose`: estimates rest on calibration samples, never on triage."""

    CALIBRATION = "calibration"
    TRIAGE = "triage"


class RuleKind(StrEnum):
    """Kind of a gate rule; each states the meaning of the rule's threshold."""

    LOWER_BOUND = "lower_bound"
    """A rate of at least the threshold."""
    NO_REGRESSION = "no_regression"
    """Candidate minus champion above minus the threshold."""
    COST_PER_CORRECT = "cost_per_correct"
    """At most the threshold in USD per correct prediction."""
    LATENCY = "latency"
    """At least this share of predictions final within the SLA's time."""
    JUDGE_CALIBRATED = "judge_calibrated"
    """Agreement κ of judge and people of at least the threshold, on at least `n_min` labels."""
    GOLDEN_CASES = "golden_cases"
    """At least this number of cases, and at least `n_min` in each slice of `covering`."""


class RuleState(StrEnum):
    """State of one rule of a gate."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    REPORTED = "reported"
    """Reported only; does not count toward the decision."""


class RuleDecision(StrEnum):
    """`gates.decision`."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
