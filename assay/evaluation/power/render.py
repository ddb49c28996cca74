"""Formats the plan of a gate as tables and as plain rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from assay.evaluation.power.plan_gate import GatePlan
from assay.evaluation.power.rule_plans import MeanPlan, RatePlan, RegressionPlan, Sample
from assay.formatting import NOTHING, percent
from assay.formatting.gate_rules import ONLY_REPORTED
from assay.records.statuses import RuleDecision
from assay.statistics.conventions import FEWEST_CLUSTERS
from assay.statistics.looks import Look, look_at
from assay.statistics.power import VerdictProbabilities
from assay.tasks.gate_spec import OVERALL, REPEATED

PLAIN_COLUMNS = (
    *("rule", "type", "metric", "slice", "bar", "n", "n_min", "is_gated", "clusters", "design_effect"),
    *("discordance", "discordance_source", "rate", "rate_source", "detectable", "needed", "to_pass"),
    *("passing", "failing", "inconclusive", "difference"),
    *("passing_at_difference", "failing_at_difference", "inconclusive_at_difference"),
    *("mean", "mean_source", "sd", "sd_source", "is_resampled", "look", "look_error"),
)
"""`passing`, `failing` and `inconclusive` are probabilities for equal variants or at the assumed rate."""
Plans = RegressionPlan | RatePlan | MeanPlan
Table = tuple[str, Sequence[str], list[tuple[str, ...]]]


def tables(plan: GatePlan) -> Iterator[Table]:
    """The tables of no-regression rules and of rules on a rate."""
    if plan.regressions:
        apart = plan.regressions[0].difference
        columns = ["rule", "margin", "n", "discordance", "MDE", "n to detect margin", "n to pass", "if equal"]
        if apart is not None:
            columns.append(f"if {100 * apart:+g} points")
        yield (
            "Candidate against champion; probability of PASS / FAIL / INCONCLUSIVE in percent",
            columns,
            [_regression(one) for one in plan.regressions],
        )
    if plan.rates:
        columns = ["rule", "threshold", "n", "true rate", "passes", "n to pass"]
        yield "Rate of the candidate", columns, [_rate(one) for one in plan.rates]
    if plan.means:
        columns = ["rule", "limit", "n", "true mean", "SD", "passes", "n to pass"]
        yield "Mean of a scorer, in its unit", columns, [_mean(one) for one in plan.means]


def facts(plan: GatePlan) -> Iterator[str]:
    """The assumptions of the tables, one line each."""
    for regression in plan.regressions:
        discordance = regression.discordance
        yield f"{_place(regression)}: {percent(discordance.value)} differ, {discordance.detail}{_few(regression)}"
    for one in plan.rates:
        shown = f"{percent(one.rate.value)}, {one.rate.detail}" if one.rate else "unknown; pass --rate"
        repeated = REPEATED.match(one.rule.metric)
        epochs = f"; needs --epochs {repeated[2]}" if repeated else ""
        yield f"{_place(one)}: true rate {shown}{epochs}{_clusters(one)}{_few(one)}"
    for mean in plan.means:
        of = f"true mean {mean.mean.value:.4g}, {mean.mean.detail}" if mean.mean else "equal variants"
        yield f"{_place(mean)}: {of}; SD {mean.sd.value:.4g}, {mean.sd.detail}; {_shape(mean)}{_few(mean)}"
    yield _look(plan.look)
    yield from plan.notes


def plain_rows(plan: GatePlan) -> list[tuple[Any, ...]]:
    """One row per rule, with values in the order of `PLAIN_COLUMNS`."""
    values = [
        *map(_regression_values, plan.regressions),
        *map(_rate_values, plan.rates),
        *map(_mean_values, plan.means),
    ]
    look = {"look": plan.look.number, "look_error": plan.look.error}
    return [tuple((row | look).get(name) for name in PLAIN_COLUMNS) for row in values]


def _regression(plan: RegressionPlan) -> tuple[str, ...]:
    row = (
        plan.rule.name,
        f"{100 * plan.rule.threshold:g} points",
        _count(plan.sample),
        f"{percent(plan.discordance.value)} {plan.discordance.source}",
        NOTHING if plan.mde is None else f"{100 * plan.mde:.1f} points",
        _records(plan.needed),
        _records(plan.to_pass),
        _probabilities(plan.equal),
    )
    return row if plan.apart is None else (*row, _probabilities(plan.apart))


def _rate(plan: RatePlan) -> tuple[str, ...]:
    rate = f"{percent(plan.rate.value)} {plan.rate.source}" if plan.rate else NOTHING
    passing = NOTHING if plan.passing is None else f"{100 * plan.passing:.0f}%"
    return plan.rule.name, percent(plan.rule.threshold), _count(plan.sample), rate, passing, _records(plan.to_pass)


def _mean(plan: MeanPlan) -> tuple[str, ...]:
    is_margin = plan.mean is None
    return (
        plan.rule.name,
        f"margin {plan.rule.threshold:g}" if is_margin else f"{plan.rule.threshold:g}",
        _count(plan.sample),
        f"{plan.mean.value:.4g} {plan.mean.source}" if plan.mean else "equal",
        f"{plan.sd.value:.4g} {plan.sd.source}",
        f"{100 * plan.passing:.0f}%",
        _records(plan.to_pass),
    )


def _clusters(plan: RatePlan) -> str:
    """The assumption about clusters, and their number if it decides nothing."""
    count = plan.sample.clusters
    if count is None or count >= plan.sample.n:
        return ""
    if count < FEWEST_CLUSTERS:
        return f"; {count} clusters are inconclusive: at least {FEWEST_CLUSTERS} are needed"
    return f"; rates of clusters vary (beta-binomial) with design effect {plan.sample.design_effect:g}"


def _shape(plan: MeanPlan) -> str:
    """The distribution of the scores, on which the probability depends."""
    if plan.is_resampled:
        return "samples are drawn from the scores of that run"
    scores = "differences" if plan.mean is None else "scores"
    return f"{scores} are assumed to be normal, and a rule passes less often if a few are very large or few vary"


def _look(look: Look) -> str:
    """The look that is planned for, and what later looks at the same cases need."""
    planned = f"planned for look {look.number} at the gate cases: a rule passes at {look.requirement}"
    later = look_at(look.number + 1, planned=look.planned)
    if not later.error:
        return f"{planned}; it is the last of the {look.planned} looks that the gate plans"
    if later.error < look.error:
        return (
            f"{planned}; look {later.number} passes at {later.requirement} and needs more records: plan it with "
            f"--look {later.number}, or set `looks` in the gate"
        )
    return f"{planned}, as does each of the {look.planned} looks that the gate plans; more looks need more records"


def _place(plan: Plans) -> str:
    place = "" if plan.rule.slice == OVERALL else f" in {plan.rule.slice}"
    return f"{plan.rule.name}, {plan.rule.metric}{place}"


def _few(plan: Plans) -> str:
    outcome = RuleDecision.INCONCLUSIVE.value if plan.rule.slice == OVERALL else ONLY_REPORTED
    few = f"; {plan.sample.n:,} records are fewer than n_min {plan.rule.n_min:,}, so the rule is {outcome}"
    return "" if plan.is_gated else few


def _regression_values(plan: RegressionPlan) -> dict[str, Any]:
    found = {
        **_rule_values(plan),
        **_sample_values(plan.sample),
        "discordance": plan.discordance.value,
        "discordance_source": plan.discordance.source,
        "detectable": plan.mde,
        "needed": plan.needed,
        "to_pass": plan.to_pass,
        "passing": plan.equal.passing,
        "failing": plan.equal.failing,
        "inconclusive": plan.equal.inconclusive,
        "difference": plan.difference,
    }
    if plan.apart is not None:
        found["passing_at_difference"] = plan.apart.passing
        found["failing_at_difference"] = plan.apart.failing
        found["inconclusive_at_difference"] = plan.apart.inconclusive
    return found


def _rate_values(plan: RatePlan) -> dict[str, Any]:
    return {
        **_rule_values(plan),
        **_sample_values(plan.sample),
        "rate": plan.rate.value if plan.rate else None,
        "rate_source": plan.rate.source if plan.rate else None,
        "passing": plan.passing,
        "to_pass": plan.to_pass,
    }


def _mean_values(plan: MeanPlan) -> dict[str, Any]:
    return {
        **_rule_values(plan),
        **_sample_values(plan.sample),
        "mean": plan.mean.value if plan.mean else None,
        "mean_source": plan.mean.source if plan.mean else None,
        "sd": plan.sd.value,
        "sd_source": plan.sd.source,
        "is_resampled": plan.is_resampled,
        "passing": plan.passing,
        "to_pass": plan.to_pass,
    }


def _rule_values(plan: Plans) -> dict[str, Any]:
    rule = plan.rule
    return {
        **{
            "rule": rule.name,
            "type": rule.kind.value,
            "metric": rule.metric,
            "slice": rule.slice,
            "bar": rule.threshold,
        },
        **{"n_min": rule.n_min, "is_gated": plan.is_gated},
    }


def _sample_values(sample: Sample) -> dict[str, Any]:
    return {"n": sample.n, "clusters": sample.clusters, "design_effect": sample.design_effect}


def _count(sample: Sample) -> str:
    grouped = f" in {sample.clusters:,} clusters" if sample.clusters else ""
    return f"{sample.n:,}{grouped}"


def _records(count: int | None) -> str:
    return NOTHING if count is None else f"{count:,}"


def _probabilities(found: VerdictProbabilities) -> str:
    """Probabilities in percent without decimals, because the assumptions are not more precise."""
    return " / ".join(f"{100 * value:.0f}" for value in (found.passing, found.failing, found.inconclusive))
