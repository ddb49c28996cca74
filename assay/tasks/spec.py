"""The shape of `task.yml`, one Pydantic model per block."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assay.records.statuses import Stage
from assay.tasks.block import Block, Lifetime, Name, Share, lifetime_s
from assay.tasks.cron import cron_issue
from assay.tasks.gate_spec import GateSpec
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.patterns import pattern_issue

LOGPROB = "logprob"
"""The confidence that comes from token probabilities, not from an output field."""


class ConversationSpec(Block):
    """Rows that are turns of conversations: `id` and `turn` are columns, a turn is an integer from 0.

    A turn is requested with at most `keep` turns before it, of those that were answered within `ttl`.
    """

    id: str
    turn: str
    keep: Annotated[int, Field(ge=1, le=1000)] = 20
    ttl: Lifetime = "30 days"

    @property
    def ttl_s(self) -> float:
        """The lifetime in seconds."""
        return lifetime_s(self.ttl)


class InputSpec(Block):
    """The source of records and the meaning of its columns.

    `fields` maps a prompt variable to a column; `expected` maps an output field to the column with its expected value,
    where the data have one; `slices` maps a slice name to a column. `record_id` is a column, or several columns whose
    values together identify a row: the id is then their keyed hash.
    """

    source: str | None = None
    record_id: str | Annotated[tuple[str, ...], Field(min_length=1)]
    fields: Annotated[dict[str, str], Field(min_length=1)]
    expected: dict[str, str] = {}
    cluster_id: str | None = None
    conversation: ConversationSpec | None = None
    subject: str | None = None
    tenant: str | None = None
    slices: dict[str, str] = {}
    expectations: tuple[dict[str, Any], ...] = ()
    on_duplicate: Literal["reject", "first"] = "reject"
    max_rejected: Share = 0.05
    max_cell_bytes: Annotated[int, Field(gt=0)] = 1_000_000

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The column or columns that identify a row."""
        return (self.record_id,) if isinstance(self.record_id, str) else self.record_id

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the task reads, each once, in a stable order."""
        turns = (self.conversation.id, self.conversation.turn) if self.conversation else ()
        optional = [column for column in (self.cluster_id, *turns, self.subject, self.tenant) if column]
        named = [*self.id_columns, *self.fields.values(), *self.expected.values(), *optional, *self.slices.values()]
        return tuple(dict.fromkeys(named))


class OutputSpec(Block):
    """The output: `model` is `file.py:Class`; `fallback` becomes the prediction when every route failed."""

    model: Annotated[str, Field(pattern=r"^[\w/]+\.py:\w+$")]
    fallback: dict[str, Any] | None = None


class PromptSpec(Block):
    """Templates relative to the task folder, and the dev cases that are shown as examples.

    `prediction` renders the expected output where most of it is known beforehand (a text to be edited):
    a provider with predicted outputs then responds faster.
    """

    system: str | None = None
    user: str
    prediction: str | None = None
    few_shot: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, str]:
        """Template files by their purpose."""
        named = {"system": self.system, "user": self.user, "prediction": self.prediction}
        return {use: name for use, name in named.items() if name is not None}


class Condition(Block):
    """The condition on one field of a record for a route to apply: every stated part must hold.

    Texts are compared exactly, lengths count characters; `matches` is RE2 syntax, found anywhere in the text.
    """

    equals: str | None = None
    one_of: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    contains: Annotated[str, Field(min_length=1)] | None = None
    matches: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    longer_than: Annotated[int, Field(ge=0)] | None = None
    shorter_than: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"at least one of {', '.join(type(self).model_fields)}")
        return self

    @field_validator("matches")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        if value is not None and (issue := pattern_issue(value)):
            raise ValueError(f"a regular expression in RE2 syntax ({issue})")
        return value


class ConfidenceSpec(Block):
    """A response with a confidence below `below` escalates.

    `source` (`from` in the file) is `logprob`, the probability of the response's least certain token, or the output
    field in which the model states its confidence from 0 to 1.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    source: Annotated[str, Field(alias="from", min_length=1)]
    below: Annotated[float, Field(gt=0, le=1)]


class EscalateSpec(Block):
    """When a response of a route is discarded and the next route is called: any of these conditions is enough.

    `checks` are checks of the task that need no expected value.
    """

    on_invalid: bool = True
    checks: tuple[str, ...] = ()
    confidence: ConfidenceSpec | None = None


class RouteSpec(Block):
    """One route of a request: the next is tried when this one gives no acceptable response.

    `when` maps a field of the record to its condition; a route is skipped where a condition does not hold.
    `predicted_output: false` omits `prompts.prediction` for a provider that does not accept it.
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
        """True when the request must include the tokens' log probabilities."""
        return self.escalate.confidence is not None and self.escalate.confidence.source == LOGPROB


class CheckSpec(BaseModel):
    """A deterministic scorer: its name, its type, and the parameters of that type."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name
    type: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the type, without name and type."""
        return dict(self.model_extra or {})


class ThresholdSpec(Block):
    """Thresholds of the metrics: lower bound of reliability, upper bound of cost per correct prediction."""

    reliability: Share | None = None
    cost_per_correct_usd: Annotated[float, Field(gt=0)] | None = None


class SlaSpec(Block):
    """`share` of the predictions must be final within `latency_ms`."""

    latency_ms: Annotated[int, Field(gt=0)]
    share: Share = 0.95


class ScheduleSpec(Block):
    """When the task runs; the schedule is stopped until it is turned on."""

    cron: str
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        if issue := cron_issue(value):
            raise ValueError(issue)
        return value.strip()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Europe" is a folder of zones
            raise ValueError("an IANA time zone such as UTC or Europe/Berlin") from error
        return value


class MaskingSpec(Block):
    """Entities that are replaced before a call; on by default."""

    enabled: bool = True
    entities: tuple[str, ...] = ("EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "CREDIT_CARD", "IBAN_CODE")


class BudgetSpec(Block):
    """Budget of one run, and of the task in a calendar month (UTC); requests beyond it land as `skipped_budget`."""

    run_usd: Annotated[float, Field(ge=0)] | None = None
    # Omitted where it is not set, so that a policy without it keeps its version.
    task_usd: Annotated[float | None, Field(ge=0, exclude_if=lambda value: value is None)] = None


class ExactCacheSpec(Block):
    """Responses are reused for the identical request for `ttl`."""

    ttl: Lifetime

    @property
    def ttl_s(self) -> float:
        """The lifetime in seconds."""
        return lifetime_s(self.ttl)


class SemanticCacheSpec(Block):
    """Responses are reused for requests with the same meaning for `ttl`; off until `threshold` is set.

    `provider` and `model` compute the embeddings. `threshold` is the minimum cosine similarity of a hit, and `margin`
    how much more similar it must be than the nearest question with a different output; `assay cache tune` measures
    both. Outputs differ when they differ in the fields `compare`, or in any field if none is named.
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
    """Which caches the task uses; a cache that is not named is off."""

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
    sla: SlaSpec | None = None
    schedule: ScheduleSpec | None = None
    stage: Stage = Stage.SHADOW
    budget: BudgetSpec = BudgetSpec()
    cache: CacheSpec = CacheSpec()
    masking: MaskingSpec = MaskingSpec()
    reuse: Annotated[str, Field(pattern=r"^(always|never|within \d+ (hours|days))$")] = "always"
    variants: dict[str, dict[str, Any]] = {}

    @field_validator("parameters")
    @classmethod
    def _parameters_of_ours_stay_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(value.keys() & {"messages", "model", "response_format", "stream", "n", "prediction"}):
            raise ValueError(f"{', '.join(taken)} is set by Assay; remove it from parameters")
        for name in value.keys() & {"max_tokens", "max_completion_tokens"}:
            if type(value[name]) is not int or value[name] < 1:
                raise ValueError(f"{name} to be an integer of at least 1, found {value[name]!r}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"values that JSON can represent, found one that it cannot ({error})") from error
        return value

    @model_validator(mode="after")
    def _names_are_known_and_unique(self) -> TaskSpec:
        scorers = [check.name for check in self.checks] + [judge.name for judge in self.judges]
        if unknown := [name for name in self.correct if name not in scorers]:
            raise ValueError(
                f"correct names {', '.join(unknown)}: expected names of checks or judges "
                f"({', '.join(scorers) or 'none declared'})"
            )
        for what, names in (("checks and judges", scorers), ("routes", [route.name for route in self.routes])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} has {', '.join(twice)} twice: expected each name once")
        return self


VARIABLE_BLOCKS = ("prompts", "parameters", "routes", "output", "masking")
"""Blocks that a variant may override: those that determine the request sent to a provider."""
REQUEST_BLOCKS = (*VARIABLE_BLOCKS, "deadline_s", "cache")
"""Blocks that determine how a record is requested, not how its prediction is scored."""
