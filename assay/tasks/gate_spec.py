"""The schema of `gate` in `task.yml`: the rules that a candidate must meet, and waivers with their owners."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from assay.records.statuses import OnInconclusive, Perturbation, Population, Stage
from assay.tasks.block import Block, LocatedError, Name, PositiveUsd, Share, refuse_repeated

RELIABILITY = "reliability"
OVERALL = "overall"
GATE_SPLIT = Population.GOLDEN_GATE
"""The population on which a gate decides: cases that were not used to write the prompts."""
Slice = Annotated[str, Field(pattern=r"^(overall|[^=]+=.*)$")]
Count = Annotated[int, Field(ge=1)]
CLASS_METRICS = ("precision", "recall", "f1")
AVERAGE_METRICS = tuple(f"{average}_{metric}" for average in ("macro", "weighted") for metric in CLASS_METRICS)


def _is_none(value: object) -> bool:
    return value is None


OnlyIfSet = Field(exclude_if=_is_none)
"""A key that is in the policy hash only if it is set."""


REPEATED = re.compile(r"^(pass_at|pass_hat)_([1-9]\d?|100)$")
"""The metrics of records with several epochs: the kind and K, which is at most the largest number of epochs."""


class LowerBoundRule(Block):
    """The lower bound of a rate is at least `at_least`.

    `metric` is `reliability`, a check or judge whose pass rate it is, or `pass_hat_K` or `pass_at_K`: the probability
    that all, or at least one, of K predictions of a record are correct. With `scorer`, it is a metric of the classes
    that this check compares: `precision`, `recall` or `f1` of the class `label`, or an average of them (`macro_f1`,
    `weighted_f1` and so on). A rule for a slice with fewer than `n_min` records is only reported and does not count
    toward the decision.
    """

    name: Name
    type: Literal["lower_bound"]
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    at_least: Share
    n_min: Count = 1
    scorer: Annotated[Name | None, OnlyIfSet] = None
    label: Annotated[str | None, OnlyIfSet] = None

    @property
    def is_of_classes(self) -> bool:
        """True for a metric of classes."""
        return self.scorer is not None


class MeanRule(Block):
    """The mean of the numbers of scorer `metric` is at least `at_least` or at most `at_most`, in the scorer's own unit."""

    name: Name
    type: Literal["mean"]
    metric: Name
    slice: Slice = OVERALL
    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None
    n_min: Count = 1

    @model_validator(mode="after")
    def _has_one_limit(self) -> MeanRule:
        if (self.at_least is None) == (self.at_most is None):
            raise LocatedError((("type",), "set exactly one of `at_least` and `at_most`"))
        return self


class NoRegressionRule(Block):
    """The rate is at most `margin` below the champion's.

    With `higher_is_better`, `metric` is a scorer that measures: its mean is worse than the champion's by at most
    `margin`, which is in the unit of the scorer.
    """

    name: Name
    type: Literal["no_regression"]
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    margin: Annotated[FiniteFloat, Field(gt=0)]
    n_min: Count = 1
    higher_is_better: Annotated[bool | None, OnlyIfSet] = None

    @model_validator(mode="after")
    def _margin_is_a_share(self) -> NoRegressionRule:
        if self.higher_is_better is None and self.margin >= 1:
            raise LocatedError(
                (("margin",), "a margin below 1, because the metric is a rate; for a mean, set `higher_is_better`")
            )
        return self


class CostRule(Block):
    """The cost of all calls, divided by the number of correct predictions, is at most `at_most_usd`."""

    name: Name
    type: Literal["cost_per_correct"]
    slice: Slice = OVERALL
    at_most_usd: PositiveUsd
    n_min: Count = 1


class LatencyRule(Block):
    """At least the share `at_least` (default: `sla.share`) of predictions is final within `sla.latency_ms`."""

    name: Name
    type: Literal["latency"]
    slice: Slice = OVERALL
    at_least: Share | None = None
    n_min: Count = 1


class FlakyRule(Block):
    """At most the share `at_most` of the records is correct in only some of its epochs."""

    name: Name
    type: Literal["flaky_share"]
    slice: Slice = OVERALL
    at_most: Share
    n_min: Count = 1


class CalibrationRule(Block):
    """The judge agrees with experts: Cohen's kappa is at least `kappa` on at least `labels` labeled predictions."""

    name: Name
    type: Literal["judge_calibrated"]
    judge: Name
    kappa: Annotated[float, Field(gt=0, lt=1)]
    labels: Count


class RobustnessRule(Block):
    """The rate on perturbed input is at most `margin` below the rate on the original input.

    `kind` is a kind of perturbation, or `any`, which requires it of every kind. `assay eval --perturb` measures it.
    """

    name: Name
    type: Literal["robustness"]
    kind: Perturbation | Literal["any"] = "any"
    metric: str = RELIABILITY
    slice: Slice = OVERALL
    margin: Annotated[float, Field(gt=0, lt=1)]
    n_min: Count = 1


class GoldenCasesRule(Block):
    """The golden set of the run has at least `at_least` cases, and at least `each` in every slice of `covering`."""

    name: Name
    type: Literal["golden_cases"]
    at_least: Count
    covering: tuple[Slice, ...] = ()
    each: Count = 1


AnyRule = Annotated[
    LowerBoundRule
    | NoRegressionRule
    | MeanRule
    | CostRule
    | LatencyRule
    | FlakyRule
    | CalibrationRule
    | RobustnessRule
    | GoldenCasesRule,
    Field(discriminator="type"),
]


class WaiverSpec(Block):
    """A rule that a named owner sets aside, up to and including the day `expires`."""

    rule: Name
    owner: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    expires: date


class GateSpec(Block):
    """Rules, all of which must be met, and the effect of an inconclusive verdict at each stage.

    `looks` is the number of looks at the same gate cases among which the error rate is divided equally.
    """

    rules: Annotated[tuple[AnyRule, ...], Field(min_length=1)]
    on_inconclusive: dict[Stage, OnInconclusive] = {}
    waivers: tuple[WaiverSpec, ...] = ()
    # Omitted if not set, so that adding this key did not change the version of existing policies.
    looks: Annotated[int | None, Field(strict=True, ge=1, le=1000, exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _rule_names_are_unique(self) -> GateSpec:
        paths = [("rules", index, "name") for index in range(len(self.rules))]
        refuse_repeated([rule.name for rule in self.rules], paths, "rule name")
        return self

    def inconclusive_at(self, stage: Stage) -> OnInconclusive:
        """Returns `block` or `warn`; by default `warn` in shadow, where predictions are not used, otherwise `block`."""
        return self.on_inconclusive.get(stage, OnInconclusive.WARN if stage == Stage.SHADOW else OnInconclusive.BLOCK)
