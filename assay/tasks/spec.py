"""The schema of `task.yml`: one Pydantic class for each block."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assay.bounds import MOST_USD
from assay.records.statuses import ResultKind, Stage
from assay.tasks.adopt_spec import AdoptSpec
from assay.tasks.block import Block, Lifetime, LocatedError, Name, PositiveUsd, Share, Usd, lifetime_s, refuse_repeated
from assay.tasks.fields.patterns import pattern_issue
from assay.tasks.fields.request_parameters import valid_parameters
from assay.tasks.fields.robustness_spec import RobustnessSpec
from assay.tasks.fields.schedule_spec import ScheduleSpec
from assay.tasks.gate_spec import GateSpec
from assay.tasks.judge_spec import JudgeSpec

CUSTOM = "custom"
"""Type of the checks that run the task's own code."""
LOGPROB = "logprob"
"""Name of the confidence that is computed from token probabilities instead of read from an output field."""


Column = Annotated[str, Field(min_length=1)]


class ConversationSpec(Block):
    """Each row is one turn of a conversation; `id` and `turn` name columns; turns are non-negative integers.

    The request for a turn includes at most `keep` earlier turns, each answered within the last `ttl`.
    """

    id: Column
    turn: Column
    keep: Annotated[int, Field(ge=1, le=1000)] = 20
    ttl: Lifetime = "30 days"

    @property
    def ttl_s(self) -> float:
        """The lifetime in seconds."""
        return lifetime_s(self.ttl)


class RecordIdSpec(Block):
    """The column that identifies a row; with `hash`, the id is a keyed hash of its value, because the value is personal."""

    column: Column
    hash: bool = False


class InputSpec(Block):
    """The source of records and the meaning of its columns.

    `fields` maps a prompt variable to a column; `expected` maps an output field to the column that contains its expected
    value, if the data include one; `slices` maps a slice name to a column. `record_id` is a column, or several columns
    that together identify a row: the id is then a keyed hash of their values, as it is with `hash: true`.
    """

    source: str | None = None
    record_id: Column | RecordIdSpec | Annotated[tuple[Column, ...], Field(min_length=1)]
    fields: Annotated[dict[str, Column], Field(min_length=1)]
    expected: dict[str, Column] = {}
    cluster_id: Column | None = None
    conversation: ConversationSpec | None = None
    subject: Column | None = None
    tenant: Column | None = None
    slices: dict[str, Column] = {}
    expectations: tuple[dict[str, Any], ...] = ()
    on_duplicate: Literal["reject", "first"] = "reject"
    max_rejected: Share = 0.05
    max_cell_bytes: Annotated[int, Field(gt=0)] = 1_000_000

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        if isinstance(self.record_id, RecordIdSpec):
            return (self.record_id.column,)
        return (self.record_id,) if isinstance(self.record_id, str) else self.record_id

    @property
    def hashes_record_id(self) -> bool:
        """True if the id of a record is a keyed hash of one column, for which `hash` is true."""
        return isinstance(self.record_id, RecordIdSpec) and self.record_id.hash

    @property
    def has_derived_id(self) -> bool:
        """True if the id of a record is a keyed hash of one or several columns."""
        return self.hashes_record_id or isinstance(self.record_id, tuple)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the task reads, without duplicates, in a stable order."""
        return tuple(dict.fromkeys((*self.id_columns, *self.columns_beside_id)))

    @property
    def columns_beside_id(self) -> tuple[str, ...]:
        """Every column that the task reads for something other than the record id."""
        turns = (self.conversation.id, self.conversation.turn) if self.conversation else ()
        optional = [column for column in (self.cluster_id, *turns, self.subject, self.tenant) if column]
        named = [*self.fields.values(), *self.expected.values(), *optional, *self.slices.values()]
        return tuple(dict.fromkeys(named))


class OutputSpec(Block):
    """The output: `model` is `file.py:Class`; `fallback` becomes the prediction if every route fails."""

    model: Annotated[str, Field(pattern=r"^[\w/]+\.py:\w+$")]
    fallback: dict[str, Any] | None = None


class PromptSpec(Block):
    """Template paths relative to the task folder, and the dev cases that are shown as examples.

    `prediction` is the template of the predicted output, for tasks in which most of the output is known in advance, such
    as editing a text: providers that support predicted outputs then respond faster.
    """

    system: str | None = None
    user: str
    prediction: str | None = None
    few_shot: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, str]:
        """Template files by role: `system`, `user`, `prediction`."""
        named = {"system": self.system, "user": self.user, "prediction": self.prediction}
        return {use: name for use, name in named.items() if name is not None}


class Condition(Block):
    """The condition that one field of a record must meet for a route to apply; all keys that are set must hold.

    Text is compared exactly; lengths are in characters; `matches` is a regular expression in RE2 syntax that may match
    anywhere in the text.
    """

    equals: str | None = None
    one_of: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    contains: Annotated[str, Field(min_length=1)] | None = None
    matches: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    longer_than: Annotated[int, Field(ge=0)] | None = None
    shorter_than: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Condition:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"the condition is empty; set at least one of {', '.join(type(self).model_fields)}")
        return self

    @field_validator("matches")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        if value is not None and (issue := pattern_issue(value)):
            raise ValueError(f"invalid regular expression (RE2 syntax): {issue}")
        return value


class ConfidenceSpec(Block):
    """A response whose confidence is less than `below` escalates to the next route.

    `source` (`from` in the file) is `logprob`, the probability of the response's least certain token, or the name of the
    output field in which the LLM states its confidence, from 0 to 1.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    source: Annotated[str, Field(alias="from", min_length=1)]
    below: Annotated[float, Field(gt=0, le=1)]


class EscalateSpec(Block):
    """Conditions under which a response is discarded and the next route is tried; any one of them is enough.

    `checks` names checks of the task that need no expected value; a failed check escalates.
    """

    on_invalid: bool = True
    checks: tuple[str, ...] = ()
    confidence: ConfidenceSpec | None = None


class RouteSpec(Block):
    """One route of a request; the next one is tried if this route returns no acceptable response.

    `when` maps a field of the record to its condition; the route is skipped if any condition does not hold.
    `predicted_output: false` omits `prompts.prediction`, for a provider that does not accept it.
    """

    name: Name
    provider: str
    model: str
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    repair: bool = True
    predicted_output: bool = True
    when: dict[str, Condition] = {}
    escalate: EscalateSpec = EscalateSpec()

    @property
    def lane(self) -> str:
        """Provider and model, as limits and caches identify them."""
        return f"{self.provider}:{self.model}"

    @property
    def needs_logprobs(self) -> bool:
        """True if the request must include `logprobs`, the log probabilities of the response's tokens."""
        return self.escalate.confidence is not None and self.escalate.confidence.source == LOGPROB


class CheckSpec(BaseModel):
    """A deterministic scorer: its name, its type, and the parameters of that type."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name
    type: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the check type, without `name` and `type`."""
        return dict(self.model_extra or {})

    @property
    def result_kind(self) -> ResultKind | None:
        """What the check gives; None for a custom check without `gives`."""
        if self.type != CUSTOM:
            return ResultKind.PASS
        gives = self.parameters.get("gives")
        return ResultKind(gives) if gives in tuple(ResultKind) else None


class ThresholdSpec(Block):
    """Thresholds: the lowest acceptable reliability, and the highest acceptable cost per correct prediction."""

    reliability: Share | None = None
    cost_per_correct_usd: PositiveUsd | None = None


class SlaSpec(Block):
    """At least the share `share` of predictions must be final within `latency_ms`."""

    latency_ms: Annotated[int, Field(gt=0)]
    share: Share = 0.95


class MaskingSpec(Block):
    """Types of personal values that are masked before a call; masking is on by default."""

    enabled: bool = True
    entities: tuple[str, ...] = ("EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "CREDIT_CARD", "IBAN_CODE")


class BudgetSpec(Block):
    """Budget of one run and of the task in a calendar month (UTC); requests beyond it land as `skipped_budget`."""

    run_usd: Usd | None = None
    # Omitted if not set, so that adding this key did not change the version of existing policies.
    task_usd: Annotated[float | None, Field(ge=0, le=MOST_USD, exclude_if=lambda value: value is None)] = None


class ExactCacheSpec(Block):
    """A response is reused for identical requests for up to `ttl`."""

    ttl: Lifetime

    @property
    def ttl_s(self) -> float:
        """The lifetime in seconds."""
        return lifetime_s(self.ttl)


class SemanticCacheSpec(Block):
    """A response is reused for requests with the same meaning for up to `ttl`; off until `threshold` is set.

    `provider` and `model` compute the embeddings. `threshold` is the minimum cosine similarity of a hit; `margin` is how
    much more similar the hit must be than the nearest question with a different output. `assay cache tune` measures
    both. Outputs are compared on the fields in `compare`, or on all fields if it is empty.
    """

    provider: str
    model: str
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0
    compare: tuple[str, ...] = ()
    ttl: Lifetime = "7 days"

    @property
    def ttl_s(self) -> float:
        """The lifetime in seconds."""
        return lifetime_s(self.ttl)


class CacheSpec(Block):
    """The caches that the task uses; a cache without a block is off."""

    exact: ExactCacheSpec | None = None
    semantic: SemanticCacheSpec | None = None


class TaskSpec(Block):
    """The whole of `task.yml`."""

    name: Name
    description: str
    owner: str
    input: InputSpec
    output: OutputSpec
    prompts: PromptSpec
    parameters: dict[str, Any] = {}
    routes: Annotated[tuple[RouteSpec, ...], Field(min_length=1)]
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 900.0
    checks: tuple[CheckSpec, ...] = ()
    judges: tuple[JudgeSpec, ...] = ()
    correct: tuple[str, ...] = ()
    fallback_counts: bool = False
    thresholds: ThresholdSpec = ThresholdSpec()
    gate: GateSpec | None = None
    robustness: RobustnessSpec = RobustnessSpec()
    sla: SlaSpec | None = None
    schedule: ScheduleSpec | None = None
    stage: Stage = Stage.SHADOW
    budget: BudgetSpec = BudgetSpec()
    cache: CacheSpec = CacheSpec()
    masking: MaskingSpec = MaskingSpec()
    reuse: Annotated[str, Field(pattern=r"^(always|never|within [0-9]{1,5} (hours|days))$")] = "always"
    variants: dict[str, dict[str, Any]] = {}
    adopt: AdoptSpec | None = None

    @field_validator("parameters")
    @classmethod
    def _parameters_are_valid(cls, value: dict[str, Any]) -> dict[str, Any]:
        return valid_parameters(value)

    @model_validator(mode="after")
    def _names_are_unique(self) -> TaskSpec:
        checks = [("checks", index, "name") for index in range(len(self.checks))]
        judges = [("judges", index, "name") for index in range(len(self.judges))]
        routes = [("routes", index, "name") for index in range(len(self.routes))]
        refuse_repeated(self.scorers, [*checks, *judges], "name among checks and judges")
        refuse_repeated([route.name for route in self.routes], routes, "name among routes")
        return self

    @model_validator(mode="after")
    def _adopted_names_are_free(self) -> TaskSpec:
        taken = (
            [name for name in self.adopt.answers if name in self.variants or name == "default"] if self.adopt else []
        )
        if taken:
            raise LocatedError(*((("adopt", "answers", name), f"{name!r} is the name of a variant") for name in taken))
        return self

    @property
    def scorers(self) -> list[str]:
        """Names of the checks and judges."""
        return [check.name for check in self.checks] + [judge.name for judge in self.judges]


VARIABLE_BLOCKS = ("prompts", "parameters", "routes", "output", "masking")
"""Blocks that a variant may override: those that determine the requests sent to providers."""
REQUEST_BLOCKS = (*VARIABLE_BLOCKS, "deadline_s", "cache")
"""Blocks that determine how a prediction is requested, not how it is scored."""
