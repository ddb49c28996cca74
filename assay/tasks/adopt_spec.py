"""The block `adopt` of task.yml: predictions made outside Assay that are adopted regularly."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from assay.records.statuses import GoldenSplit
from assay.tasks.block import Block, LocatedError
from assay.tasks.fields.schedule_spec import ScheduleSpec

VARIANT_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
"""Names of adopted variants."""
VariantName = Annotated[str, Field(pattern=VARIANT_PATTERN)]
Column = Annotated[str, Field(min_length=1)]
ALL_VARIANTS, ALL_ADOPTED = "all", "adopted"
"""What `assay eval --variants` takes in place of names: every variant, and every adopted one."""
KEYWORDS = (ALL_VARIANTS, ALL_ADOPTED)
STATED = ("model", "cost_usd", "latency_ms", "input_tokens", "output_tokens")
"""What a column may state about an answer."""


class AdoptSpec(Block):
    """Answers in the columns of a table, one variant per column; `input` may contain `@data_date`.

    With `golden`, the rows answer golden cases of that split, which column `id` names. The other blocks map a variant to
    the column that states something about its answers.
    """

    input: str
    answers: Annotated[dict[VariantName, Column], Field(min_length=1)]
    field: str | None = None
    golden: GoldenSplit | None = None
    id: str | None = None
    model: dict[str, Column] = {}
    cost_usd: dict[str, Column] = {}
    latency_ms: dict[str, Column] = {}
    input_tokens: dict[str, Column] = {}
    output_tokens: dict[str, Column] = {}
    judges: bool = True
    schedule: ScheduleSpec | None = None

    @model_validator(mode="after")
    def _names_are_no_keywords(self) -> AdoptSpec:
        found = [
            (("answers", name), f"{name!r} is a keyword of `assay eval --variants`: expected another name")
            for name in self.answers
            if name in KEYWORDS
        ]
        if found:
            raise LocatedError(*found)
        return self

    @model_validator(mode="after")
    def _columns_belong_to_answers(self) -> AdoptSpec:
        found = [
            ((what, variant), f"expected one of the variants in `answers`, found {variant!r}")
            for what in STATED
            for variant in getattr(self, what)
            if variant not in self.answers
        ]
        if found:
            raise LocatedError(*found)
        return self
