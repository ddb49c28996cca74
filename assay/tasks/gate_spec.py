"""The shape of `gate` in `task.yml`: the rules that a candidate must meet, and waivers with their owners."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.records.statuses import OnInconclusive, Population, Stage
from assay.tasks.block import Block, Name, Share

RELIABILITY = "reliability"
OVERALL = "overall"
GATE_SPLIT = Population.GOLDEN_GATE
"""The population that a gate decides on: cases that were not used to write the prompts."""
Slice = Annotated[str, Field(pattern=r"^(overall|[^=]+=.*)$")]
Count = Annotated[int, Field(ge=1)]


class LowerBoundRule(Block):
    """The lower bound of the rate is at least `at_least`: `reliability`, or the share that passes a check or a judge.

    A slice with fewer than `n_min` records is reported, not gated.
    """

    name: Name
    type: Literal["lower_bound"]
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    at_least: Share
    n_min: Count = 1


class NoRegressionRule(Block):
    """The rate is not more than `margin` below the champion's."""

    name: Name
    type: Literal["no_regression"]
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    margin: Annotated[float, Field(gt=0, lt=1)]
    n_min: Count = 1


class CostRule(Block):
    """A correct prediction costs at most `at_most_usd`, with all calls of all predictions counted."""

    name: Name
    type: Literal["cost_per_correct"]
    slice: Slice = OVERALL
    at_most_usd: Annotated[float, Field(gt=0)]
    n_min: Count = 1


class LatencyRule(Block):
    """At least this share of the predictions is final within `sla.latency_ms`; without `at_least` it is `sla.share`."""

    name: Name
    type: Literal["latency"]
    slice: Slice = OVERALL
    at_least: Share | None = None
    n_min: Count = 1


class CalibrationRule(Block):
    """The judge agrees with people: Cohen's kappa of at least `kappa` on at least `labels` labeled predictions."""

    name: Name
    type: Literal["judge_calibrated"]
    judge: Name
    kappa: Annotated[float, Field(gt=0, lt=1)]
    labels: Count


class GoldenCasesRule(Block):
    """The golden set of the run has at least `at_least` cases, and each slice of `covering` at least `each`."""

    name: Name
    type: Literal["golden_cases"]
    at_least: Count
    covering: tuple[Slice, ...] = ()
    each: Count = 1


AnyRule = Annotated[
    LowerBoundRule | NoRegressionRule | CostRule | LatencyRule | CalibrationRule | GoldenCasesRule,
    Field(discriminator="type"),
]


class WaiverSpec(Block):
    """A named owner sets a rule aside, up to and including a day."""

    rule: Name
    owner: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: date


class GateSpec(Block):
    """Rules that must all be met, and the effect of an inconclusive decision at each stage."""

    rules: Annotated[tuple[AnyRule, ...], Field(min_length=1)]
    on_inconclusive: dict[Stage, OnInconclusive] = {}
    waivers: tuple[WaiverSpec, ...] = ()

    @model_validator(mode="after")
    def _rules_are_named_once(self) -> GateSpec:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules has {', '.join(twice)} twice: expected each name once")
        return self

    def inconclusive_at(self, stage: Stage) -> OnInconclusive:
        """Returns block or warn; the default is warn in shadow, where predictions are not used, and block elsewhere."""
        return self.on_inconclusive.get(stage, OnInconclusive.WARN if stage == Stage.SHADOW else OnInconclusive.BLOCK)
