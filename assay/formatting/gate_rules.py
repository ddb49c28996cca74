"""Formats the rules of a gate: the requirement, the value found and its bounds, each in the unit of the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from assay.formatting import NOTHING, percent, points, usd
from assay.records.statuses import RuleDecision, RuleKind, RuleState
from assay.tasks.gate_spec import OVERALL

ONLY_REPORTED = "only reported"
"""State of a rule that does not count toward the decision."""
COUNTED = frozenset({RuleKind.JUDGE_CALIBRATED, RuleKind.GOLDEN_CASES})
"""Rules on a coefficient or a count, which has no unit."""
OF_MEANS = frozenset({RuleKind.MEAN_AT_LEAST, RuleKind.MEAN_AT_MOST, RuleKind.MEAN_NO_REGRESSION})
"""Rules on a mean, in the unit of its scorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTerms:
    """The terms of a rule; `n_min` and `covering` are omitted from the text if they are not known."""

    kind: RuleKind
    metric: str
    slice: str
    threshold: float
    n_min: int | None = None
    covering: Sequence[str] = ()


def state_text(state: RuleState) -> str:
    """Returns the state of a rule as tables show it: FAIL stands out, and a rule that does not count says so."""
    return {RuleState.FAIL: RuleDecision.FAIL.value, RuleState.REPORTED: ONLY_REPORTED}.get(state, state.value)


def requirement(rule: RuleTerms) -> str:
    """Returns the condition that the rule states."""
    place = "" if rule.slice == OVERALL else f" in {rule.slice}"
    labels = "" if rule.n_min is None else f" on {rule.n_min} labels"
    covering = f", {rule.n_min} in each of {', '.join(rule.covering)}" if rule.covering else ""
    texts = {
        RuleKind.LOWER_BOUND: f"{rule.metric}{place} at least {percent(rule.threshold)}",
        RuleKind.NO_REGRESSION: f"{rule.metric}{place} at most {100 * rule.threshold:g} points below the champion",
        RuleKind.MEAN_AT_LEAST: f"mean of {rule.metric}{place} at least {rule.threshold:g}",
        RuleKind.MEAN_AT_MOST: f"mean of {rule.metric}{place} at most {rule.threshold:g}",
        RuleKind.MEAN_NO_REGRESSION: f"mean of {rule.metric}{place} worse than the champion's by less than {rule.threshold:g}",
        RuleKind.ROBUSTNESS: f"{rule.metric}{place} at most {100 * rule.threshold:g} points below the original input",
        RuleKind.COST_PER_CORRECT: f"cost per correct prediction{place} at most {usd(rule.threshold)}",
        RuleKind.LATENCY: f"{percent(rule.threshold)} of predictions{place} within the SLA",
        RuleKind.FLAKY_SHARE: f"at most {percent(rule.threshold)} of records{place} correct in only some epochs",
        RuleKind.JUDGE_CALIBRATED: f"κ of judge {rule.metric} at least {rule.threshold:g}{labels}",
        RuleKind.GOLDEN_CASES: f"at least {rule.threshold:g} cases{covering}",
    }
    return texts[rule.kind]


def value_in_unit(kind: RuleKind, value: float | None) -> str:
    """Returns the value of a rule: a rate in percent, a difference in percentage points, an amount or a number.

    The difference of two means is shown as how much better or worse the candidate's is.
    """
    if value is None or not isfinite(value):
        return NOTHING
    if kind in {RuleKind.NO_REGRESSION, RuleKind.ROBUSTNESS}:
        return points(value)
    if kind is RuleKind.COST_PER_CORRECT:
        return usd(value)
    if kind in OF_MEANS:
        return _improvement(value) if kind is RuleKind.MEAN_NO_REGRESSION else f"{value:.4g}"
    return f"{value:.3g}" if kind in COUNTED else percent(value)


def _improvement(value: float) -> str:
    return f"{abs(value):.4g}{' better' if value > 0 else ' worse' if value < 0 else ''}"


def bounds_in_unit(kind: RuleKind, lower: float | None, upper: float | None) -> str:
    """Returns both bounds of a rule; a dash if one is missing."""
    if lower is None or upper is None:
        return NOTHING
    return f"{value_in_unit(kind, lower)} to {value_in_unit(kind, upper)}"
