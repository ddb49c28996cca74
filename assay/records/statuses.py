"""Statuses, kinds and other closed lists of values in landing rows, each defined once.

A member is a `str`, so rows, journals and Arrow store the plain value. A row that is read back contains a plain `str`:
compare with `==` or `in`, not with `is`. Accessing a member through its class takes 0.1 µs in Python 3.11, so code that
runs for every row keeps it in a module constant. `orjson` accepts a member as a value; as a key it needs `.value`.

Values that only one package uses are defined in that package: `statistics.measured.Status`,
`statistics.labeled_sample.SamplingDesign`, `inference.endpoint.failures.FailureKind`.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Rollout stage of a task."""

    SHADOW = "shadow"
    BETA = "beta"
    GA = "ga"


class OnInconclusive(StrEnum):
    """Effect of an inconclusive gate decision at a stage."""

    BLOCK = "block"
    WARN = "warn"


class RunEventKind(StrEnum):
    """Values of the column `runs.event`; a run without a `finished` row was killed or is still running."""

    STARTED = "started"
    FINISHED = "finished"


class RunStatus(StrEnum):
    """Values of the column `runs.status`."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class UnfinishedRunStatus(StrEnum):
    """Status that a command reports for an unfinished run; never landed."""

    SUBMITTED = "submitted"
    """The provider is processing its batches."""
    ANSWERED = "answered"
    """Its predictions are landed, its scores are not."""


class RunPurpose(StrEnum):
    """Values of the column `runs.purpose`."""

    SCORE = "score"
    EVAL = "eval"
    SHADOW = "shadow"
    CANARY = "canary"
    LATENCY = "latency"
    PERTURB = "perturb"
    """A run on perturbed cases, which stands in for no other run."""


class Perturbation(StrEnum):
    """Kinds of change to the input by which `assay eval --perturb` measures robustness."""

    TYPOS = "typos"
    """Typing errors in words of the text."""
    CASE = "case"
    """The whole text in lower or in upper case."""
    TRUNCATION = "truncation"
    """The end of the text is missing."""
    WHITESPACE = "whitespace"
    """Additional spaces, tabs and line breaks."""
    MIXED_LANGUAGE = "mixed_language"
    """A greeting and a closing in another language around the text."""
    MARKUP = "markup"
    """Markup around the text, as if it was pasted from a web page or an e-mail."""
    INJECTION = "injection"
    """A sentence that instructs the model to do something else."""


class GoldenSplit(StrEnum):
    """Values of the column `golden_cases.split`."""

    DEV = "dev"
    """May be shown to the model."""
    GATE = "gate"
    """Used only by gates."""


class Population(StrEnum):
    """Values of the column `records.population`, and the input that selects each population."""

    GOLDEN_DEV = "golden:dev"
    GOLDEN_GATE = "golden:gate"
    INPUT = "input"
    PERTURBED = "perturbed"
    """Golden cases whose text a run changed on purpose; no input selects them."""


class PartialReason(StrEnum):
    """Values of `rpt_runs.partial_reason`: why a run is not whole."""

    NOT_COMPLETED = "not_completed"
    LIMITED = "limited"
    OUT_OF_BUDGET = "out_of_budget"
    PERTURBED = "perturbed"


class RejectionReason(StrEnum):
    """Values of the column `rejected_records.reason`."""

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
    """Values of the column `responses.purpose`."""

    ANSWER = "answer"
    REPAIR = "repair"
    JUDGE = "judge"
    EMBEDDING = "embedding"


class CallStatus(StrEnum):
    """Values of the column `responses.status`."""

    OK = "ok"
    INVALID_OUTPUT = "invalid_output"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"


class FinishReason(StrEnum):
    """Values of the column `responses.finish_reason`: why generation ended, named as in the OpenAI API; not exhaustive."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"
    FUNCTION_CALL = "function_call"


class Billing(StrEnum):
    """Values of the column `responses.billing`; `unknown` for a call that timed out or was interrupted."""

    KNOWN = "known"
    UNKNOWN = "unknown"


class PredictionStatus(StrEnum):
    """Values of the column `predictions.status`."""

    OK = "ok"
    REPAIRED = "repaired"
    FALLBACK = "fallback"
    REFUSED = "refused"
    INVALID_OUTPUT = "invalid_output"
    FAILED = "failed"
    SKIPPED_BUDGET = "skipped_budget"


ANSWERED = frozenset({PredictionStatus.OK, PredictionStatus.REPAIRED})
"""Statuses of predictions that have a valid model output."""


class AnswerSource(StrEnum):
    """Values of the column `predictions.answer_source`."""

    WIRE = "wire"
    EXACT_CACHE = "exact_cache"
    SEMANTIC_CACHE = "semantic_cache"
    REUSED = "reused"
    ADOPTED = "adopted"
    """Made outside Assay; also the source of adopted rows without an output."""


class SpanStatus(StrEnum):
    """Values of the span attribute `assay.status` for requests without a prediction; never landed."""

    STOPPED = "stopped"


class ScoreStatus(StrEnum):
    """Values of the column `scores.status`: four separate states, none of which means a value of 0."""

    SCORED = "scored"
    UNSCORED = "unscored"
    FAILED = "failed"
    REFUSED = "refused"


class ResultKind(StrEnum):
    """Values of the column `scores.gives`: what a scorer gives by its definition, whatever its results are."""

    NUMBER = "number"
    PASS = "pass"


class ScorerKind(StrEnum):
    """Values of the column `scores.scorer_kind`."""

    CHECK = "check"
    JUDGE = "judge"
    HUMAN = "human"


class EstimateKind(StrEnum):
    """Values of the column `estimates.kind`: what the estimate is part of."""

    RUN = "run"
    EVALUATION = "evaluation"
    CALIBRATION = "calibration"


class BudgetEvent(StrEnum):
    """Values of the column `budget_entries.event`: `reserve` if a lease grew, `settle` if it ended."""

    RESERVE = "reserve"
    SETTLE = "settle"


class BatchState(StrEnum):
    """Values of the column `batches.state`, in the order of a batch's life cycle; each state is a separate row."""

    INTENT = "intent"
    SUBMITTED = "submitted"
    FINISHED = "finished"
    LANDED = "landed"
    ABANDONED = "abandoned"


class ProviderBatchStatus(StrEnum):
    """Values of the column `batches.provider_status`: how a batch ended at the provider."""

    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class AssignmentEvent(StrEnum):
    """Values of the column `annotations_queue.event`: open to anyone, or assigned to one person."""

    OPEN = "open"
    ASSIGNED = "assigned"


class AssignmentRole(StrEnum):
    """Values of the column `annotations_queue.role`; `adjudicate` resolves a disagreement of annotators."""

    LABEL = "label"
    ADJUDICATE = "adjudicate"


class AnnotatorKind(StrEnum):
    """Values of the column `scores.annotator_kind` of human labels; only labels of experts calibrate a judge."""

    EXPERT = "expert"
    """A person who knows the rubric; also the kind of labels that state none."""
    USER = "user"
    """A user of the product, such as a thumbs-up."""
    MODEL = "model"
    """A model that labels in the place of a person."""


class SamplePurpose(StrEnum):
    """Values of the column `annotations_queue.purpose`; estimates use calibration samples, never triage samples."""

    CALIBRATION = "calibration"
    TRIAGE = "triage"


class AnswerStatus(StrEnum):
    """Whether the model's own output has a class in a field, and why not."""

    ANSWERED = "answered"
    NO_VALUE = "no_value"
    """The output is valid and lacks the field."""
    REFUSED = "refused"
    INVALID_OUTPUT = "invalid_output"
    FAILED = "failed"
    FALLBACK = "fallback"
    """The fallback value replaced the output."""


class RuleKind(StrEnum):
    """Kind of a gate rule, which determines what the rule's threshold means."""

    LOWER_BOUND = "lower_bound"
    """A rate of at least the threshold."""
    NO_REGRESSION = "no_regression"
    """The candidate's rate minus the champion's is greater than minus the threshold."""
    COST_PER_CORRECT = "cost_per_correct"
    """At most the threshold in USD per correct prediction."""
    LATENCY = "latency"
    """At least this share of predictions completed within the SLA's latency."""
    FLAKY_SHARE = "flaky_share"
    """At most this share of records is correct in only some of its epochs."""
    JUDGE_CALIBRATED = "judge_calibrated"
    """Agreement (κ) of the judge with human labels of at least the threshold, on at least `n_min` labels."""
    MEAN_AT_LEAST = "mean_at_least"
    """A mean of a scorer's numbers of at least the threshold."""
    MEAN_AT_MOST = "mean_at_most"
    """A mean of a scorer's numbers of at most the threshold."""
    MEAN_NO_REGRESSION = "mean_no_regression"
    """The candidate's mean is better than the champion's, or worse by less than the threshold."""
    ROBUSTNESS = "robustness"
    """The rate on perturbed input minus the rate on the original input is greater than minus the threshold."""
    GOLDEN_CASES = "golden_cases"
    """At least this number of cases, and at least `n_min` in each slice listed in `covering`."""


class RuleState(StrEnum):
    """State of one rule of a gate."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"
    REPORTED = "reported"
    """Only reported; does not count toward the decision."""


class RuleDecision(StrEnum):
    """Values of the column `gates.decision`."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
