"""Plans a task's gate before a run: records, assumptions and power of each rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import ServiceUnreachable, UsageError
from assay.evaluation.comparisons import MetricSlice
from assay.evaluation.power.mean_plans import GivenScores, mean_plans
from assay.evaluation.power.queries import LATEST_COMPARISONS, LATEST_RATES
from assay.evaluation.power.rule_plans import (
    Assumption,
    AssumptionSource,
    MeanPlan,
    RatePlan,
    RegressionPlan,
    Sample,
    count_tested,
    plan_rate,
    plan_regression,
)
from assay.evaluation.power.unplanned import unplanned
from assay.project import Project
from assay.records.statuses import GoldenSplit, RuleKind
from assay.statistics.conventions import ASSUMED_DISCORDANCE
from assay.statistics.looks import Look, look_at
from assay.tasks.case import Case
from assay.tasks.gate_rule import MEANS, GateRule, gate_rules
from assay.tasks.gate_spec import GATE_SPLIT, OVERALL
from assay.tasks.task import Task
from assay.tasks.validation.gate import corrected_by, gate_of
from assay.warehouse.client import Warehouse

Landed = Mapping[MetricSlice, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOptions:
    """Assumptions given for a plan; None for those to look up. `n` applies to every rule, whatever its slice.

    `look` is the number of the look at the gate cases, which decides with which error rate a rule passes.
    """

    n: int | None = None
    discordance: float | None = None
    difference: float | None = None
    rate: float | None = None
    clusters: int | None = None
    design_effect: float = 1.0
    look: int = 1
    mean: float | None = None
    """The true mean of rules `mean`."""
    sd: float | None = None
    """The standard deviation of the numbers, or of the differences of the records for `no_regression`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """The plans of a task's rules, in the order of `task.yml`; `notes` say why other rules have no plan."""

    task: str
    look: Look
    regressions: tuple[RegressionPlan, ...]
    rates: tuple[RatePlan, ...]
    means: tuple[MeanPlan, ...]
    notes: tuple[str, ...]


def plan_gate(project: Project, name: str, options: PowerOptions) -> GatePlan:
    """The power of the rules of the task's gate; the warehouse is queried only for assumptions that are not given.

    Raises:
        UsageError: the options contradict each other.
        ServiceUnreachable: no discordance is given, and the warehouse does not respond.
    """
    task = project.task(name)
    _validate(options)
    gate = gate_of(task.spec)
    rules, look = gate_rules(gate, task.spec.sla), _look(task, options)
    corrected = {corrected_by(judge.name) for judge in task.spec.judges} - set(task.versions.scorers)
    plain = [rule for rule in rules if rule.metric not in corrected]
    comparing = [rule for rule in plain if rule.kind is RuleKind.NO_REGRESSION]
    rating = [rule for rule in plain if rule.kind is RuleKind.LOWER_BOUND and rule.scorer is None]
    compared = _compared(project.warehouse, name) if comparing and options.discordance is None else {}
    rated, notes = _rated(project.warehouse, name, options) if rating and options.rate is None else ({}, [])
    on_means = [rule for rule in plain if rule.kind in (*MEANS, RuleKind.MEAN_NO_REGRESSION)]
    samples = {rule.name: _sample(task, rule, options) for rule in (*comparing, *rating, *on_means)}
    means = tuple(
        mean_plans(project.warehouse, task, on_means, given=_given(options), samples=samples, error=look.error)
    )
    planned = {rule.name for rule in (*comparing, *rating, *(one.rule for one in means))}
    others = [rule for rule in rules if rule.name not in planned]
    notes += [unplanned(rule, is_corrected=rule.metric in corrected) for rule in others]
    return GatePlan(
        task=name,
        look=look,
        regressions=tuple(
            plan_regression(
                rule,
                samples[rule.name],
                discordance=_discordance(rule, options, compared),
                tested=count_tested(rules),
                error=look.error,
                difference=options.difference,
            )
            for rule in comparing
        ),
        rates=tuple(
            plan_rate(rule, samples[rule.name], rate=_rate(rule, options, rated), error=look.error) for rule in rating
        ),
        means=means,
        notes=tuple(notes),
    )


def _look(task: Task, options: PowerOptions) -> Look:
    look = look_at(options.look, planned=gate_of(task.spec).looks)
    if not look.error:
        raise UsageError(
            f"--look {look.number}: the gate of task '{task.name}' plans {look.planned} looks at the same cases, and no error "
            "rate is left after them",
            next_step="raise `looks` in the gate of task.yml, or add gate cases.",
        )
    return look


def _validate(options: PowerOptions) -> None:
    discordance, difference = options.discordance, options.difference
    if discordance is not None and difference is not None and abs(difference) > discordance:
        raise UsageError(
            f"--difference {difference:g} and --discordance {discordance:g}: the difference cannot exceed the share of "
            "records that differ",
            next_step="raise --discordance or lower --difference.",
        )
    if options.n is not None and options.clusters is not None and options.clusters > options.n:
        raise UsageError(
            f"--clusters {options.clusters} and --n {options.n}: there cannot be more clusters than records",
            next_step="lower --clusters or raise --n.",
        )


def _sample(task: Task, rule: GateRule, options: PowerOptions) -> Sample:
    cases = list(_gate_cases(task, rule.slice))
    n = len(cases) if options.n is None else options.n
    clusters, sizes = options.clusters, Counter[str | tuple[str]]()
    if clusters is None and options.n is None and any(case.cluster_id for case in cases):
        sizes = Counter(case.cluster_id or (case.case_id,) for case in cases)
        clusters = len(sizes)
    if clusters is not None and (clusters > n or n < 2):
        raise UsageError(
            f"Rule '{rule.name}' (records: {n}, clusters: {clusters}) needs at least 2 clusters, and no more clusters than "
            "records",
            next_step="pass matching values of --clusters and --n.",
        )
    if clusters is not None and options.design_effect > n / clusters:
        raise UsageError(
            f"Rule '{rule.name}' (records: {n}, clusters: {clusters}): --design-effect {options.design_effect:g} is larger "
            f"than the number of records per cluster ({n / clusters:g}), which is the maximum",
            next_step="lower --design-effect or --clusters.",
        )
    if options.design_effect > 1 and n < 2:
        raise UsageError(
            f"Rule '{rule.name}' has too few records ({n}) for --design-effect", next_step="pass --n 2 or more."
        )
    return Sample(
        n=n, clusters=clusters, design_effect=options.design_effect, sizes=tuple(sorted(sizes.values(), reverse=True))
    )


def _given(options: PowerOptions) -> GivenScores:
    is_clustered = options.clusters is not None or options.design_effect > 1
    return GivenScores(mean=options.mean, sd=options.sd, is_clustered=is_clustered)


def _gate_cases(task: Task, name: str) -> Iterator[Case]:
    """The gate cases of the slice, without few-shot examples."""
    shown = {case.case_id for case in task.few_shot}
    for case in task.cases:
        lies_in = name == OVERALL or name in {f"{key}={value}" for key, value in case.slices.items()}
        if case.split == GoldenSplit.GATE and lies_in and case.case_id not in shown:
            yield case


def _compared(warehouse: Warehouse, name: str) -> Landed:
    return _by_metric_slice(warehouse, LATEST_COMPARISONS.sql, name)


def _rated(warehouse: Warehouse, name: str, options: PowerOptions) -> tuple[Landed, list[str]]:
    """Landed rates. If the warehouse is unreachable and only rates need it, none, and a note that says so."""
    try:
        return _by_metric_slice(warehouse, LATEST_RATES.sql, name), []
    except ServiceUnreachable:
        if options.discordance is None:
            raise
        return {}, ["the warehouse does not respond: pass --rate for rules on a rate"]


def _by_metric_slice(warehouse: Warehouse, sql: str, name: str) -> Landed:
    rows = warehouse.stream(sql, {"task": name, "population": GATE_SPLIT})
    return {MetricSlice(row["metric"], row["slice"]): row for row in rows}


def _discordance(rule: GateRule, options: PowerOptions, compared: Landed) -> Assumption:
    """The discordance: the given value, that of the latest comparison, or 10%; at least the given difference."""
    if options.discordance is not None:
        return Assumption(value=options.discordance, source=AssumptionSource.GIVEN, detail="as given")
    found = _known_discordance(compared.get(MetricSlice(rule.metric, rule.slice)))
    least = abs(options.difference or 0.0)
    if found.value >= least:
        return found
    return Assumption(value=least, source=found.source, detail=f"{found.detail}; raised to --difference")


def _known_discordance(row: Mapping[str, Any] | None) -> Assumption:
    if row is None or not row["n"]:
        return Assumption(
            value=ASSUMED_DISCORDANCE,
            source=AssumptionSource.ASSUMED,
            detail="assumed, because no comparison has landed yet",
        )
    differ = row["gains"] + row["losses"]
    detail = f"{row['candidate_variant']} and {row['champion_variant']} differed on {differ} of {row['n']} ({row['data_date']})"
    if differ:
        return Assumption(value=differ / row["n"], source=AssumptionSource.LANDED, detail=detail)
    return Assumption(value=1 / row["n"], source=AssumptionSource.LANDED, detail=f"{detail}; 1 is assumed to differ")


def _rate(rule: GateRule, options: PowerOptions, rated: Landed) -> Assumption | None:
    if options.rate is not None:
        return Assumption(value=options.rate, source=AssumptionSource.GIVEN, detail="as given")
    row = rated.get(MetricSlice(rule.metric, rule.slice))
    if row is None:
        return None
    return Assumption(
        value=row["value"],
        source=AssumptionSource.LANDED,
        detail=f"estimated from {row['n']} predictions ({row['data_date']})",
    )
