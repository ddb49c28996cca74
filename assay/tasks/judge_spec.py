"""The shape of a judge in `task.yml`: a model, or a jury of several, that scores predictions by one rubric."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, field_validator, model_validator

from assay.tasks.block import Block, Name

RUBRIC_FILE = r"^([a-z][a-z0-9_]*|[\w-]+(/[\w-]+)*\.ya?ml)$"
SET_BY_ASSAY = frozenset({"messages", "model", "response_format", "stream", "n", "prediction"})
Fields = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
"""Names of fields; one may be written without a list."""
Sample = Annotated[StrictInt, Field(ge=1)] | Annotated[StrictFloat, Field(gt=0, le=1)]


class SeesSpec(Block):
    """The fields that a judge sees: of the input, of the prediction and of the expected value.

    Without `input` and `output`, all of them. `sources` are input fields that must support the prediction;
    `reference` are fields of the expected value.
    """

    input: Fields | None = None
    output: Fields | None = None
    sources: Fields = ()
    reference: Fields = ()


class JurorSpec(Block):
    """One model of a jury; its name is stored in `scores.annotator` and `responses.route`."""

    name: Name
    provider: str
    model: str
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    repair: bool = True

    @property
    def lane(self) -> str:
        """Provider and model, as limits and caches identify them."""
        return f"{self.provider}:{self.model}"


class JudgeSpec(Block):
    """A scorer that calls one or several models, each `epochs` times, and makes one verdict of their ratings.

    `passes` is the lowest level of an ordinal rubric that passes. `sample` is the share of a run's records that is
    judged, or their number; golden cases are always judged.
    """

    name: Name
    rubric: Annotated[str, Field(pattern=RUBRIC_FILE)]
    sees: SeesSpec = SeesSpec()
    routes: Annotated[tuple[JurorSpec, ...], Field(min_length=1)]
    jury: Literal["majority", "mean"] = "majority"
    epochs: Annotated[int, Field(ge=1, le=100)] = 1
    passes: int | None = None
    parameters: dict[str, Any] = {"temperature": 0, "max_tokens": 600}
    sample: Sample | None = None

    @property
    def votes(self) -> int:
        """The number of votes in a verdict."""
        return len(self.routes) * self.epochs

    @field_validator("parameters")
    @classmethod
    def _parameters_of_ours_stay_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(value.keys() & SET_BY_ASSAY):
            raise ValueError(f"{', '.join(taken)} is set by Assay; remove it from parameters")
        return value

    @model_validator(mode="after")
    def _jurors_are_named_once(self) -> JudgeSpec:
        names = [juror.name for juror in self.routes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"routes has {', '.join(twice)} twice: expected each name once")
        return self
