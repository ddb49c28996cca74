"""Power of single gate rules, given the number of records and assumptions about the variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from assay.records.statuses import RuleKind
from assay.statistics.conventions import ERROR
from assay.statistics.effects import minimum_detectable_effect, records_needed
from assay.statistics.numeric.mean_power import probability_of_mean, records_to_mean
from assay.statistics.power import (
    Plan,
    VerdictProbabilities,
    probability_of_clearing,
    records_to_clear,
    records_to_pass,
    verdict_probabilities,
)
from assay.tasks.gate_rule import AT_MOST, GateRule

COUNTED = frozenset({RuleKind.GOLDEN_CASES})
"""Kinds of rules without a statistical test, which Holm's adjustment does not count."""


class AssumptionSource(StrEnum):
    """Source of an assumption."""

    GIVEN = "given"
    LANDED = "landed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """An assumed value of a plan; `detail` describes its source."""

    value: float
    source: AssumptionSource
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Number and clustering of the records from which a rule is decided."""

    n: int
    clusters: int | None = None
    design_effect: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionPlan:
    """The plan of a no-regression rule.

    `mde` is the minimum detectable effect, `needed` the number of records whose MDE equals the margin, and `to_pass`
    the number with which equal variants pass with 80% probability; each is None if no number suffices. `equal` contains
    the probabilities for equal variants, `apart` those for variants with the true `difference`, if one is given.
    """

    rule: GateRule
    sample: Sample
    discordance: Assumption
    mde: float | None
    needed: int | None
    to_pass: int | None
    equal: VerdictProbabilities
    difference: float | None = None
    apart: VerdictProbabilities | None = None

    @property
    def is_gated(self) -> bool:
        """True if there are enough records for the rule to count toward the decision."""
        return self.sample.n >= self.rule.n_min


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePlan:
    """The plan of a rule on a rate: the probability of passing, and the number of records that raises it to 80%.

    Both are None without an assumed rate.
    """

    rule: GateRule
    sample: Sample
    rate: Assumption | None
    passing: float | None = None
    to_pass: int | None = None

    @property
    def is_gated(self) -> bool:
        """True if there are enough records for the rule to count toward the decision."""
        return self.sample.n >= self.rule.n_min


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPlan:
    """The plan of a rule on a mean, or on a difference of means of equal variants, for which `mean` is None.

    `sd` is the standard deviation of the numbers, or of the differences of the records.
    """

    rule: GateRule
    sample: Sample
    mean: Assumption | None
    sd: Assumption
    passing: float
    to_pass: int | None

    @property
    def is_gated(self) -> bool:
        """True if there are enough records for the rule to count toward the decision."""
        return self.sample.n >= self.rule.n_min


def count_tested(rules: Sequence[GateRule]) -> int:
    """The maximum number of tested rules, for which the FAIL of one rule is adjusted."""
    return sum(rule.kind not in COUNTED for rule in rules)


def plan_regression(
    rule: GateRule,
    sample: Sample,
    *,
    discordance: Assumption,
    tested: int,
    error: float = ERROR,
    difference: float | None = None,
) -> RegressionPlan:
    """The plan of one no-regression rule; without records there is no MDE, and the verdict is INCONCLUSIVE.

    Raises:
        ValueError: a value is out of range, see `Plan`.
    """
    plan = Plan(
        n=max(1, sample.n),
        discordance=discordance.value,
        margin=rule.threshold,
        rules=tested,
        clusters=sample.clusters,
        design_effect=sample.design_effect,
        error=error,
    )
    return RegressionPlan(
        rule=rule,
        sample=sample,
        discordance=discordance,
        mde=minimum_detectable_effect(plan.n, discordance=plan.discordance, design_effect=plan.design_effect)
        if sample.n
        else None,
        needed=records_needed(rule.threshold, discordance=plan.discordance, design_effect=plan.design_effect)
        if rule.threshold <= plan.discordance
        else None,
        to_pass=records_to_pass(plan),
        equal=_probabilities(plan, sample),
        difference=difference,
        apart=None if difference is None else _probabilities(replace(plan, difference=difference), sample),
    )


def plan_rate(rule: GateRule, sample: Sample, *, rate: Assumption | None, error: float = ERROR) -> RatePlan:
    """The plan of one rule on a rate; the number of records is divided by the design effect."""
    effective = int(sample.n / sample.design_effect)
    if rate is None or effective < 1:
        return RatePlan(rule=rule, sample=sample, rate=rate)
    independent = records_to_clear(rate.value, threshold=rule.threshold, error=error)
    return RatePlan(
        rule=rule,
        sample=sample,
        rate=rate,
        passing=probability_of_clearing(effective, rate=rate.value, threshold=rule.threshold, error=error),
        to_pass=None if independent is None else round(independent * sample.design_effect),
    )


def plan_mean(
    rule: GateRule, sample: Sample, *, mean: Assumption | None, sd: Assumption, error: float = ERROR
) -> MeanPlan:
    """The plan of one rule on a mean; without an assumed `mean`, of a no-regression rule for equal variants."""
    if mean is None:
        distance = rule.threshold
    else:
        distance = rule.threshold - mean.value if rule.kind in AT_MOST else mean.value - rule.threshold
    spread = {"distance": distance, "sd": sd.value, "error": error, "design_effect": sample.design_effect}
    passing = probability_of_mean(sample.n, clusters=sample.clusters, **spread) if sample.n else 0.0
    return MeanPlan(rule=rule, sample=sample, mean=mean, sd=sd, passing=passing, to_pass=records_to_mean(**spread))


def _probabilities(plan: Plan, sample: Sample) -> VerdictProbabilities:
    return verdict_probabilities(plan) if sample.n else VerdictProbabilities(passing=0.0, failing=0.0, inconclusive=1.0)
