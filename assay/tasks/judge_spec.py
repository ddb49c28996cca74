"""The schema of a judge in `task.yml`: a model, or a jury of several, that scores predictions by a rubric."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, field_validator, model_validator

from assay.tasks.block import Block, Name, refuse_repeated
from assay.tasks.fields.request_parameters import valid_parameters

RUBRIC_FILE = r"^([a-z][a-z0-9_]*|[\w-]+(/[\w-]+)*\.ya?ml)$"
Fields = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
"""Names of fields; a single name may be written without a list."""
Sample = Annotated[StrictInt, Field(ge=1)] | Annotated[StrictFloat, Field(gt=0, le=1)]


class SeesSpec(Block):
    """The fields of the input, the prediction and the expected value that a judge sees.

    If `input` or `output` is not set, the judge sees all fields of it. `sources` are the input fields that must support
    the prediction; `reference` lists fields of the expected value.
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
    """A scorer that calls one or more models, each `epochs` times, and combines their ratings into one verdict.

    `passes` is the lowest passing level of an ordinal rubric. `sample` is the share (a float) or number (an integer) of
    a run's records that are judged; golden cases are always judged.
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
        """The number of votes that make up a verdict."""
        return len(self.routes) * self.epochs

    @field_validator("parameters")
    @classmethod
    def _parameters_are_valid(cls, value: dict[str, Any]) -> dict[str, Any]:
        return valid_parameters(value)

    @model_validator(mode="after")
    def _route_names_are_unique(self) -> JudgeSpec:
        paths = [("routes", index, "name") for index in range(len(self.routes))]
        refuse_repeated([juror.name for juror in self.routes], paths, "route name")
        return self
