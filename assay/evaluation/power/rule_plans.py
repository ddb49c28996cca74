"""What the rules of a gate can find on so many records, under what is assumed of the variants.

Pure computation: plans of single rules out of `power.py` and `power_of_rates.py`. Where an assumption comes from is the
callers' matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from assay.evaluation.evidence import GateRule
from assay.records.statuses import RuleKind
from assay.statistics.power import (
    Plan,
    VerdictProbabilities,
    minimum_detectable_effect,
    probability_of_clearing,
    records_needed,
    records_to_clear,
    records_to_pass,
    verdict_probabilities,
)

COUNTED = frozenset({RuleKind.GOLDEN_CASES})
"""Kinds of rules that no test decides, so that Holm's adjustment leaves them out."""


class FigureSource(StrEnum):
    """Where an assumption of a plan comes from."""

    GIVEN = "given"
    LANDED = "landed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """A figure that a plan rests on; `detail` says more in words."""

    value: float
    source: FigureSource
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The records that a rule will be decided on; those of a cluster are not independent."""

    n: int
    clusters: int | None = None
    design_effect: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionPlan:
    """A rule against regressions: what it can find, what it needs, and its chances.

    `detectable` is the smallest true difference found four times in five, `needed` how many records find one of the margin,
    `to_pass` how many let equal variants pass four times in five; None where no number does. `apart` is for variants that
    truly differ by `difference`, where one was asked for.
    """

    rule: GateRule
    sample: Sample
    discordance: Assumed
    detectable: float | None
    needed: int | None
    to_pass: int | None
    equal: VerdictProbabilities
    difference: float | None = None
    apart: VerdictProbabilities | None = None

    @property
    def is_gated(self) -> bool:
        """Whether there are enough records for the rule to have a say."""
        return self.sample.n >= self.rule.n_min


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPlan:
    """A rule on a rate: the chance to pass, and `to_pass`, the records that make it 80 %; None where nothing is assumed."""

    rule: GateRule
    sample: Sample
    rate: Assumed | None
    passing: float | None = None
    to_pass: int | None = None

    @property
    def is_gated(self) -> bool:
        """Whether there are enough records for the rule to have a say."""
        return self.sample.n >= self.rule.n_min


def count_tested(rules: Sequence[GateRule]) -> int:
    """How many rules a test decides, at most: the FAIL of one is adjusted for all of them."""
    return sum(rule.kind not in COUNTED for rule in rules)


def plan_regression(
    rule: GateRule, sample: Sample, *, discordance: Assumed, tested: int, difference: float | None = None
) -> RegressionPlan:
    """The plan of one rule; without a record nothing is found, and nothing but INCONCLUSIVE is to be expected.

    Raises:
        ValueError: a figure is out of its range, see `Plan`.
    """
    plan = Plan(
        n=max(1, sample.n),
        discordance=discordance.value,
        margin=rule.bar,
        rules=tested,
        clusters=sample.clusters,
        design_effect=sample.design_effect,
    )
    return RegressionPlan(
        rule=rule,
        sample=sample,
        discordance=discordance,
        detectable=minimum_detectable_effect(plan.n, discordance=plan.discordance, design_effect=plan.design_effect)
        if sample.n
        else None,
        needed=records_needed(rule.bar, discordance=plan.discordance, design_effect=plan.design_effect)
        if rule.bar <= plan.discordance
        else None,
        to_pass=records_to_pass(plan),
        equal=_chances(plan, sample),
        difference=difference,
        apart=None if difference is None else _chances(replace(plan, difference=difference), sample),
    )


def plan_floor(rule: GateRule, sample: Sample, *, rate: Assumed | None) -> FloorPlan:
    """The plan of one rule; records that are not independent count as so many fewer by their design effect."""
    effective = int(sample.n / sample.design_effect)
    if rate is None or effective < 1:
        return FloorPlan(rule=rule, sample=sample, rate=rate)
    independent = records_to_clear(rate.value, threshold=rule.bar)
    return FloorPlan(
        rule=rule,
        sample=sample,
        rate=rate,
        passing=probability_of_clearing(effective, rate=rate.value, threshold=rule.bar),
        to_pass=None if independent is None else round(independent * sample.design_effect),
    )


def _chances(plan: Plan, sample: Sample) -> VerdictProbabilities:
    return verdict_probabilities(plan) if sample.n else VerdictProbabilities(passing=0.0, failing=0.0, inconclusive=1.0)
