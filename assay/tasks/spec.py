"""The shape of `task.yml`, one Pydantic model per block.

Only shapes and rules that one block can check alone belong here; what needs several files is in `loader.py`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assay.tasks.block import Block, Lifetime, Name, Share, lifetime_s
from assay.tasks.cron import cron_issue
from assay.tasks.gate_spec import GateSpec, Stage
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.patterns import pattern_issue

LOGPROB = "logprob"
"""The confidence that comes from token probabilities, not from a field of the answer."""


class ConversationSpec(Block):
    """Rows that are turns of conversations: `id` and `turn` are columns, a turn is a whole number from 0.

    A turn is asked with the `keep` turns before it at most, of those that were answered within `ttl`.
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
    """Where records come from and which columns mean what.

    `fields` maps a prompt's variable to a column; `expected` maps a field of the answer to the column that
    holds the right value, where the data have one; `slices` maps a slice's name to a column. `record_id` is a column,
    or several whose values together name a row: their keyed hash is then the id.
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
        """The column or columns that name a row."""
        return (self.record_id,) if isinstance(self.record_id, str) else self.record_id

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the task reads, each once, in a stable order."""
        turns = (self.conversation.id, self.conversation.turn) if self.conversation else ()
        optional = [column for column in (self.cluster_id, *turns, self.subject, self.tenant) if column]
        named = [*self.id_columns, *self.fields.values(), *self.expected.values(), *optional, *self.slices.values()]
        return tuple(dict.fromkeys(named))


class OutputSpec(Block):
    """The answer: `model` is `file.py:Class`; `fallback` is given when every route failed."""

    model: Annotated[str, Field(pattern=r"^[\w/]+\.py:\w+$")]
    fallback: dict[str, Any] | None = None


class PromptSpec(Block):
    """Templates relative to the task folder, and the dev cases that are shown as examples.

    `prediction` renders what the answer will mostly be, where that is known beforehand (a text that is to be edited):
    a provider with predicted outputs then answers faster.
    """

    system: str | None = None
    user: str
    prediction: str | None = None
    few_shot: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, str]:
        """Template files by what they are for."""
        named = {"system": self.system, "user": self.user, "prediction": self.prediction}
        return {use: name for use, name in named.items() if name is not None}


class Condition(Block):
    """What one field of a record must be for a route to take it: all that is stated holds.

    Texts are compared as they are, lengths count characters; `matches` is RE2 syntax, found anywhere in the text.
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
        if value is not None and (fault := pattern_issue(value)):
            raise ValueError(f"a regular expression in RE2 syntax ({fault})")
        return value


class ConfidenceSpec(Block):
    """An answer less sure than `below` escalates.

    `source` (`from` in the file) is `logprob`, the probability of the answer's least sure token, or the output field in
    which the model states its confidence from 0 to 1.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    source: Annotated[str, Field(alias="from", min_length=1)]
    below: Annotated[float, Field(gt=0, le=1)]


class EscalateSpec(Block):
    """When an answer of a route is not kept but the next route asked: any of these is enough.

    `checks` are checks of the task that need no expected value.
    """

    on_invalid: bool = True
    checks: tuple[str, ...] = ()
    confidence: ConfidenceSpec | None = None


class RouteSpec(Block):
    """One step of the way a request takes: the next is tried when this one gives no answer to keep.

    `when` maps a field of the record to its condition; a route is left out where one does not hold. `predicted_output`
    false keeps `prompts.prediction` from a provider that does not take it.
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
        """The provider's model that is asked, as limits and caches name it."""
        return f"{self.provider}:{self.model}"

    @property
    def asks_logprobs(self) -> bool:
        """True when the request must ask for the tokens' log probabilities."""
        return self.escalate.confidence is not None and self.escalate.confidence.source == LOGPROB


class CheckSpec(BaseModel):
    """A deterministic scorer: its name, its type, and whatever that type takes."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name
    type: str

    @property
    def parameters(self) -> dict[str, Any]:
        """What the type is given, without name and type."""
        return dict(self.model_extra or {})


class ThresholdSpec(Block):
    """What the figures must reach: lower bound of reliability, upper bound of cost per correct answer."""

    reliability: Share | None = None
    cost_per_correct_usd: Annotated[float, Field(gt=0)] | None = None


class SlaSpec(Block):
    """`share` of the predictions must be final within `latency_ms`."""

    latency_ms: Annotated[int, Field(gt=0)]
    share: Share = 0.95


class ScheduleSpec(Block):
    """When the task runs; the schedule is stopped until somebody turns it on."""

    cron: str
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        if fault := cron_issue(value):
            raise ValueError(fault)
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
    """Which entities are replaced before a call; on by default."""

    enabled: bool = True
    entities: tuple[str, ...] = ("EMAIL_ADDRESS", "PHONE_NUMBER", "US_SSN", "CREDIT_CARD", "IBAN_CODE")


class BudgetSpec(Block):
    """Most that one run may spend, and all runs of the task in a calendar month (UTC); the rest lands as `skipped_budget`."""

    run_usd: Annotated[float, Field(ge=0)] | None = None
    # Left out where it is not set, so that a policy without it keeps its version.
    task_usd: Annotated[float | None, Field(ge=0, exclude_if=lambda value: value is None)] = None


class ExactCacheSpec(Block):
    """Answers to the very same request are given again for `ttl`."""

    ttl: Lifetime

    @property
    def ttl_s(self) -> float:
        """The lifetime in seconds."""
        return lifetime_s(self.ttl)


class SemanticCacheSpec(Block):
    """Answers to requests that mean the same are given again for `ttl`; off until `threshold` is set.

    `provider` and `model` make the embeddings. `threshold` is the least cosine similarity of a hit, and `margin` how much
    more similar it must be than the nearest question with another answer; `assay cache tune` measures both. Answers are
    other ones where they differ in the fields `compare`, or in any field if none is named.
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
    """Which caches the task uses: none unless it is named."""

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
                raise ValueError(f"{name} to be a whole number of at least 1, found {value[name]!r}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"values that JSON can write, found one that it cannot ({error})") from error
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
"""Blocks that a variant may override: those that decide what reaches the wire."""
ASKED_BLOCKS = (*VARIABLE_BLOCKS, "deadline_s", "cache")
"""Blocks that say how a record is asked, as against how its answer is judged."""
