"""The schema of `gate` in `task.yml`: the rules that a candidate must meet, and waivers with their owners."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.records.statuses import OnInconclusive, Population, Stage
from assay.tasks.block import Block, Name, Share, refuse_repeated

RELIABILITY = "reliability"
OVERALL = "overall"
GATE_SPLIT = Population.GOLDEN_GATE
"""The population on which a gate decides: cases that were not used to write the prompts."""
Slice = Annotated[str, Field(pattern=r"^(overall|[^=]+=.*)$")]
Count = Annotated[int, Field(ge=1)]


class LowerBoundRule(Block):
    """The lower bound of a rate is at least `at_least`.

    `metric` is `reliability`, or a check or judge whose pass rate it is. A rule for a slice with fewer than `n_min`
    records is only reported and does not count toward the decision.
    """

    name: Name
    type: Literal["lower_bound"]
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    at_least: Share
    n_min: Count = 1


class NoRegressionRule(Block):
    """The rate is at most `margin` below the champion's."""

    name: Name
    type: Literal["no_regression"]
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    margin: Annotated[float, Field(gt=0, lt=1)]
    n_min: Count = 1


class CostRule(Block):
    """The cost of all calls, divided by the number of correct predictions, is at most `at_most_usd`."""

    name: Name
    type: Literal["cost_per_correct"]
    slice: Slice = OVERALL
    at_most_usd: Annotated[float, Field(gt=0)]
    n_min: Count = 1


class LatencyRule(Block):
    """At least the share `at_least` (default: `sla.share`) of predictions is final within `sla.latency_ms`."""

    name: Name
    type: Literal["latency"]
    slice: Slice = OVERALL
    at_least: Share | None = None
    n_min: Count = 1


class CalibrationRule(Block):
    """The judge agrees with experts: Cohen's kappa is at least `kappa` on at least `labels` labeled predictions."""

    name: Name
    type: Literal["judge_calibrated"]
    judge: Name
    kappa: Annotated[float, Field(gt=0, lt=1)]
    labels: Count


class GoldenCasesRule(Block):
    """The golden set of the run has at least `at_least` cases, and at least `each` in every slice of `covering`."""

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
    """A rule that a named owner sets aside, up to and including the day `expires`."""

    rule: Name
    owner: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: date


class GateSpec(Block):
    """Rules, all of which must be met, and the effect of an inconclusive verdict at each stage."""

    rules: Annotated[tuple[AnyRule, ...], Field(min_length=1)]
    on_inconclusive: dict[Stage, OnInconclusive] = {}
    waivers: tuple[WaiverSpec, ...] = ()

    @model_validator(mode="after")
    def _rule_names_are_unique(self) -> GateSpec:
        paths = [("rules", index, "name") for index in range(len(self.rules))]
        refuse_repeated([rule.name for rule in self.rules], paths, "rule name")
        return self

    def inconclusive_at(self, stage: Stage) -> OnInconclusive:
        """Returns `block` or `warn`; by default `warn` in shadow, where predictions are not used, otherwise `block`."""
        return self.on_inconclusive.get(stage, OnInconclusive.WARN if stage == Stage.SHADOW else OnInconclusive.BLOCK)
