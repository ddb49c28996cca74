"""The rules of a gate, in the form that the gate decides on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.records.statuses import RuleKind
from assay.tasks.gate_spec import (
    OVERALL,
    AnyRule,
    CalibrationRule,
    CostRule,
    FlakyRule,
    GateSpec,
    GoldenCasesRule,
    LatencyRule,
    LowerBoundRule,
    MeanRule,
    NoRegressionRule,
    RobustnessRule,
)
from assay.tasks.spec import SlaSpec

COST = "cost_per_correct_usd"
LATENCY = "share_within_sla"
FLAKY = RuleKind.FLAKY_SHARE.value
CASES = RuleKind.GOLDEN_CASES.value

AT_MOST = frozenset({RuleKind.COST_PER_CORRECT, RuleKind.FLAKY_SHARE, RuleKind.MEAN_AT_MOST})
"""Rules whose value must not be above the threshold."""
REGRESSIONS = frozenset({RuleKind.NO_REGRESSION, RuleKind.MEAN_NO_REGRESSION})
"""Rules that compare the candidate with a champion."""
MARGINS = REGRESSIONS | {RuleKind.ROBUSTNESS}
"""Rules whose threshold is a margin: the difference is greater than minus the threshold."""
MEANS = frozenset({RuleKind.MEAN_AT_LEAST, RuleKind.MEAN_AT_MOST})
"""Rules on the mean of a scorer that measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """One requirement of a gate, with a unique name.

    A rule for a slice with fewer than `n_min` records is only reported and does not count toward the decision.
    """

    name: str
    kind: RuleKind
    metric: str
    threshold: float
    slice: str = OVERALL
    n_min: int = 1
    covering: tuple[str, ...] = ()
    scorer: str | None = None
    """The check whose classes `metric` is of; None for any other metric."""
    label: str | None = None
    """The class that `metric` is of."""
    perturbation: str | None = None
    """The kind of perturbation of a robustness rule, or `any`."""
    higher_is_better: bool = True
    """False for a mean that is worse than the champion's if it is higher."""

    @property
    def limit(self) -> float:
        """The value that the bounds are compared with."""
        return -self.threshold if self.kind in MARGINS else self.threshold

    @property
    def is_regression(self) -> bool:
        """True if the rule compares the candidate with a champion."""
        return self.kind in REGRESSIONS

    @property
    def shown_metric(self) -> str:
        """The metric with its class and the check that compares it."""
        of_class = f" of {self.label}" if self.label is not None else ""
        return f"{self.metric}{of_class} ({self.scorer})" if self.scorer is not None else self.metric


def gate_rules(gate: GateSpec, sla: SlaSpec | None) -> tuple[GateRule, ...]:
    """The rules of `task.yml`, which were validated when the task was loaded."""
    return tuple(_rule(rule, sla) for rule in gate.rules)


def _rule(rule: AnyRule, sla: SlaSpec | None) -> GateRule:
    if isinstance(rule, CalibrationRule):
        kind, metric = RuleKind.JUDGE_CALIBRATED, rule.judge
        return GateRule(name=rule.name, kind=kind, metric=metric, threshold=rule.kappa, n_min=rule.labels)
    if isinstance(rule, GoldenCasesRule):
        return GateRule(
            name=rule.name,
            kind=RuleKind.GOLDEN_CASES,
            metric=CASES,
            threshold=rule.at_least,
            n_min=rule.each,
            covering=rule.covering,
        )
    return GateRule(name=rule.name, slice=rule.slice, n_min=rule.n_min, **_terms(rule, sla))


def _terms(
    rule: LowerBoundRule | MeanRule | NoRegressionRule | RobustnessRule | CostRule | FlakyRule | LatencyRule,
    sla: SlaSpec | None,
) -> dict[str, Any]:
    """What a rule on a slice requires."""
    match rule:
        case LowerBoundRule():
            of_class = {"scorer": rule.scorer, "label": rule.label}
            return {"kind": RuleKind.LOWER_BOUND, "metric": rule.metric, "threshold": rule.at_least, **of_class}
        case MeanRule(at_least=None):
            return {"kind": RuleKind.MEAN_AT_MOST, "metric": rule.metric, "threshold": rule.at_most}
        case MeanRule():
            return {"kind": RuleKind.MEAN_AT_LEAST, "metric": rule.metric, "threshold": rule.at_least}
        case NoRegressionRule(higher_is_better=None):
            return {"kind": RuleKind.NO_REGRESSION, "metric": rule.metric, "threshold": rule.margin}
        case NoRegressionRule():
            of_mean = {"kind": RuleKind.MEAN_NO_REGRESSION, "higher_is_better": rule.higher_is_better}
            return {"metric": rule.metric, "threshold": rule.margin, **of_mean}
        case RobustnessRule():
            metric = f"{rule.metric}_under_{rule.kind}"
            under = {"metric": metric, "perturbation": rule.kind}
            return {"kind": RuleKind.ROBUSTNESS, "threshold": rule.margin, **under}
        case CostRule():
            return {"kind": RuleKind.COST_PER_CORRECT, "metric": COST, "threshold": rule.at_most_usd}
        case FlakyRule():
            return {"kind": RuleKind.FLAKY_SHARE, "metric": FLAKY, "threshold": rule.at_most}
        case LatencyRule():
            share = rule.at_least if rule.at_least is not None or sla is None else sla.share
            return {"kind": RuleKind.LATENCY, "metric": LATENCY, "threshold": share or 0.0}
