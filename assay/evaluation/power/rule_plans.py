"""Power of single gate rules, given the number of records and assumptions about the variants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from assay.records.statuses import RuleKind
from assay.statistics.conventions import ERROR
from assay.statistics.effects import minimum_detectable_effect, records_needed
from assay.statistics.numeric.mean_power import LandedScores, NormalScores
from assay.statistics.power import (
    Plan,
    RateSample,
    VerdictProbabilities,
    probability_of_rate,
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
    """Number and clustering of the records from which a rule is decided.

    `sizes` has the number of records of each cluster, where it is known; otherwise, clusters are equal.
    """

    n: int
    clusters: int | None = None
    design_effect: float = 1.0
    sizes: tuple[int, ...] = ()

    @property
    def equal_clusters(self) -> float | None:
        """Effective number of clusters of equal size (Kish, Survey Sampling, Wiley 1965, §11.7); None without clusters."""
        if self.clusters is None or self.clusters >= self.n:
            return None
        return sum(self.sizes) ** 2 / sum(size**2 for size in self.sizes) if self.sizes else float(self.clusters)

    @property
    def cluster_size(self) -> float | None:
        """Number of records per cluster of equal weight.

        Without clusters, those of the smallest clusters that can have the design effect; None if it is 1.
        """
        if self.equal_clusters is None:
            return float(math.ceil(self.design_effect)) if self.design_effect > 1 else None
        return self.n / self.equal_clusters


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

    `sd` is the standard deviation of the numbers, or of the differences of the records. `is_resampled` is true if the
    scores of a run were resampled; otherwise, they are assumed to be normal.
    """

    rule: GateRule
    sample: Sample
    mean: Assumption | None
    sd: Assumption
    is_resampled: bool = False
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
        sizes=sample.sizes,
        error=error,
    )
    effect = {"discordance": plan.discordance, "design_effect": plan.design_effect}
    return RegressionPlan(
        rule=rule,
        sample=sample,
        discordance=discordance,
        mde=minimum_detectable_effect(plan.n, clusters=sample.equal_clusters, **effect) if sample.n else None,
        needed=records_needed(rule.threshold, cluster_size=sample.cluster_size if sample.clusters else None, **effect)
        if rule.threshold <= plan.discordance
        else None,
        to_pass=records_to_pass(plan),
        equal=_probabilities(plan, sample),
        difference=difference,
        apart=None if difference is None else _probabilities(replace(plan, difference=difference), sample),
    )


def plan_rate(rule: GateRule, sample: Sample, *, rate: Assumption | None, error: float = ERROR) -> RatePlan:
    """The plan of one rule on a rate, whose records have the clusters of the sample."""
    if rate is None or not sample.n:
        return RatePlan(rule=rule, sample=sample, rate=rate)
    planned = RateSample(
        n=sample.n,
        rate=rate.value,
        clusters=sample.clusters,
        design_effect=sample.design_effect,
        sizes=sample.sizes,
    )
    return RatePlan(
        rule=rule,
        sample=sample,
        rate=rate,
        passing=probability_of_rate(planned, threshold=rule.threshold, error=error),
        to_pass=records_to_clear(planned, threshold=rule.threshold, error=error),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanAssumptions:
    """The assumed mean, None for equal variants, and standard deviation; whether the scores have a known range."""

    mean: Assumption | None
    sd: Assumption
    is_scaled: bool = False


def plan_mean(rule: GateRule, sample: Sample, assumed: MeanAssumptions, *, error: float = ERROR) -> MeanPlan:
    """The plan of one rule on a mean of normal scores; without a mean, of a no-regression rule for equal variants."""
    mean = assumed.mean
    if mean is None:
        distance = rule.threshold
    else:
        distance = rule.threshold - mean.value if rule.kind in AT_MOST else mean.value - rule.threshold
    scores = NormalScores(
        distance=distance,
        sd=assumed.sd.value,
        error=error,
        cluster_size=sample.cluster_size,
        design_effect=sample.design_effect,
        is_scaled=assumed.is_scaled,
    )
    passing = scores.passing(sample.n) if sample.n else 0.0
    return MeanPlan(rule=rule, sample=sample, mean=mean, sd=assumed.sd, passing=passing, to_pass=scores.records())


def plan_landed_mean(rule: GateRule, sample: Sample, assumed: MeanAssumptions, scores: LandedScores) -> MeanPlan:
    """The plan of one rule on a mean of scores that are drawn from those of a run."""
    return MeanPlan(
        rule=rule,
        sample=sample,
        mean=assumed.mean,
        sd=assumed.sd,
        is_resampled=True,
        passing=scores.passing(sample.n) if sample.n else 0.0,
        to_pass=scores.records_to_pass(),
    )


def _probabilities(plan: Plan, sample: Sample) -> VerdictProbabilities:
    return verdict_probabilities(plan) if sample.n else VerdictProbabilities(passing=0.0, failing=0.0, inconclusive=1.0)
