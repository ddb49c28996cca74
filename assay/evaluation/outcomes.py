"""Step 2 of an evaluation: the outcomes of one variant's predictions, with cost and latency."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from assay.errors import UsageError
from assay.evaluation.queries import EVALUATED_ANSWERS
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import ANSWERED, PredictionStatus, ResultKind, ScoreStatus
from assay.scoring.classes.fields import ClassPair
from assay.scoring.estimates import is_correct, is_counted
from assay.scoring.landed_scores import LandedVerdict, read_verdicts
from assay.scoring.means import without_output
from assay.scoring.tally import has_output, measured_value, own_outcome
from assay.statistics.classes.averages import gate_average_metric
from assay.statistics.classes.metrics import gate_class_metric
from assay.statistics.conventions import GATE_LEVEL
from assay.statistics.cost_ratio import cost_per_correct
from assay.statistics.cost_ratio_gate import gate_cost_per_correct
from assay.statistics.measured import Measured, joined, unmeasured
from assay.statistics.numeric.means import ScoreScale, gate_mean
from assay.statistics.rates import GateRate, gate_rate, gate_rate_between, rate
from assay.statistics.repeats import RepeatMetric, repeated_bounds
from assay.statistics.sampling import Sampling
from assay.tasks.gate_spec import OVERALL, RELIABILITY
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse

SKIPPED = PredictionStatus.SKIPPED_BUDGET
NOT_IN_AVERAGE = (
    "{} of {} predictions without an expected class: not counted, because an average over classes has no single worst case; "
    "a rule with `label` counts them"
)


def read_outcomes(warehouse: Warehouse, task: Task, *, run_id: str, data_date: date) -> Outcomes:
    """The outcomes of a run according to the current versions of the task's scorers."""
    verdicts = read_verdicts(warehouse, run_id=run_id, data_date=data_date, versions=task.versions.scorers)
    parameters = {"task": task.name, "run_id": run_id, "data_date": data_date}
    rows = [
        (row, verdicts.get(row["prediction_id"], {})) for row in warehouse.stream(EVALUATED_ANSWERS.sql, parameters)
    ]
    measuring = _measuring_scorers(task, rows)
    return Outcomes.of((_outcome(task, row, scores, measuring=measuring) for row, scores in rows), measuring=measuring)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOutcome:
    """The outcomes of one prediction.

    `passed` maps each scorer to its outcome for the model's own output: False without one, None if unscored. If a judge
    scores only a sample, `passed` has no entry for it on predictions outside the sample; if reliability depends on that
    judge, `is_sampled` is False for these predictions. A scorer that gives numbers has no entry in `passed` and, for the
    model's own output, one in `values`: None if unscored. `classes` maps each check that compares classes to the expected
    and the answered class, if one of them is known.
    """

    record: RecordKey
    epoch: int
    status: PredictionStatus
    population: str
    slices: tuple[str, ...] = ()
    cluster: ClusterKey | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    is_correct: bool | None = None
    is_sampled: bool = True
    passed: Mapping[str, bool | None] = field(default_factory=dict)
    values: Mapping[str, float | None] = field(default_factory=dict)
    classes: Mapping[str, ClassPair] = field(default_factory=dict)

    def outcome(self, metric: str) -> bool | None:
        """The outcome for the metric, which is `reliability` or a scorer; None if unscored."""
        return self.is_correct if metric == RELIABILITY else self.passed[metric]

    def has(self, metric: str) -> bool:
        """True if the metric applies to the prediction."""
        return self.is_sampled if metric == RELIABILITY else metric in self.passed

    def expected_class(self, scorer: str) -> str | None:
        """The expected class in the field that the check compares; None if it is unknown."""
        return self.classes[scorer].expected if scorer in self.classes else None

    def is_in_slice(self, name: str) -> bool:
        """True if the record is in the slice."""
        return name == OVERALL or name in self.slices


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of one variant, without predictions that were skipped because the budget ran out."""

    rows: tuple[PredictionOutcome, ...]
    skipped: int = 0
    measuring: tuple[str, ...] = ()
    """The scorers that give a number without pass or fail, sorted."""

    @classmethod
    def of(cls, rows: Iterable[PredictionOutcome], *, measuring: Iterable[str] = ()) -> Outcomes:
        """The outcomes without skipped predictions, and the number of those skipped because the budget ran out.

        `measuring` are the scorers that give a number; those with a number in `rows` are added.
        """
        found = list(rows)
        requested = tuple(row for row in found if row.status != SKIPPED)
        numbers = {*measuring, *(name for row in requested for name in row.values)}
        return cls(requested, skipped=len(found) - len(requested), measuring=tuple(sorted(numbers)))

    def without(self, record_ids: frozenset[str]) -> Outcomes:
        """The outcomes without these records."""
        return replace(self, rows=tuple(row for row in self.rows if row.record.record_id not in record_ids))

    @property
    def slices(self) -> tuple[str, ...]:
        """The slices of all records, sorted."""
        return tuple(sorted({name for row in self.rows for name in row.slices}))

    @property
    def populations(self) -> tuple[str, ...]:
        """The populations of the records, sorted."""
        return tuple(sorted({row.population for row in self.rows}))

    def records(self, name: str = OVERALL) -> int:
        """Number of records in the slice."""
        return len({row.record for row in self.rows if row.is_in_slice(name)})

    def by_record(self, metric: str, name: str) -> dict[RecordKey, list[float]]:
        """Outcomes for each record of the slice, one per epoch; NaN if unscored."""
        found: dict[RecordKey, list[float]] = {}
        for row in self._of(metric, name):
            outcome = row.outcome(metric)
            found.setdefault(row.record, []).append(float("nan") if outcome is None else float(outcome))
        return found

    def clusters(self) -> dict[RecordKey, ClusterKey | None]:
        """The cluster of each record, or None."""
        return {row.record: row.cluster for row in self.rows}

    def rate(self, metric: str, name: str) -> GateRate:
        """The rate of the metric in the slice."""
        rows = list(self._of(metric, name))
        return gate_rate([row.outcome(metric) for row in rows], _sampling(rows))

    def interval(self, metric: str, name: str) -> Measured:
        """The rate of the metric in the slice with its two-sided 95% interval."""
        rows = list(self._of(metric, name))
        return rate([row.outcome(metric) for row in rows], _sampling(rows))

    def values(self, scorer: str, name: str) -> dict[RecordKey, list[float]]:
        """The numbers of a scorer that measures, by record of the slice; NaN if unscored, none without an output."""
        found: dict[RecordKey, list[float]] = {}
        for row in self.rows:
            if row.is_in_slice(name) and scorer in row.values:
                value = row.values[scorer]
                found.setdefault(row.record, []).append(float("nan") if value is None else value)
        return found

    def mean(self, scorer: str, name: str, *, scale: ScoreScale | None) -> GateRate:
        """The mean of a scorer that measures, of the model's own outputs in the slice."""
        rows = [row for row in self.rows if row.is_in_slice(name)]
        measured = [row for row in rows if scorer in row.values]
        found = gate_mean([row.values[scorer] for row in measured], _sampling(measured), scale=scale)
        missing = sum(row.status not in ANSWERED for row in rows)
        reason = joined(found.measured.reason, without_output(missing, len(measured)))
        return replace(found, measured=replace(found.measured, reason=reason))

    def class_metric(self, metric: str, name: str, *, scorer: str, label: str | None) -> GateRate:
        """Precision, recall or F1 of a class, or their average over the classes.

        A prediction without an expected class is possibly wrong in a metric of one class, and is in no average, which
        has no single worst case; the reason has the number of such predictions.
        """
        due = [row for row in self.rows if row.is_in_slice(name) and (scorer in row.classes or row.has(scorer))]
        rows = [row for row in due if row.expected_class(scorer) is not None]
        if not rows:
            reason = f"no prediction has an expected class according to {scorer}: does its field have classes?"
            return GateRate(unmeasured(reason, level=GATE_LEVEL, n=self.records(name)), None)
        if label is not None:
            pairs = [row.classes.get(scorer, ClassPair(None, None)) for row in due]
            expected, answered = [one.expected for one in pairs], [one.answered for one in pairs]
            return gate_class_metric(expected, answered, _sampling(due), metric=metric, label=label)
        average, _, of = metric.partition("_")
        found = gate_average_metric(
            [row.expected_class(scorer) or "" for row in rows],
            [row.classes[scorer].answered for row in rows],
            _sampling(rows),
            metric=of,
            weighted=average == "weighted",
        )
        missing = len(due) - len(rows)
        ignored = NOT_IN_AVERAGE.format(missing, len(due)) if missing else None
        return replace(found, measured=replace(found.measured, reason=joined(found.measured.reason, ignored)))

    def within(self, latency_ms: float, name: str) -> GateRate:
        """The share of the slice's predictions within this latency; one without a latency is not within it.

        No value if none has a latency: adopted predictions whose source states none were not measured.
        """
        rows = [row for row in self.rows if row.is_in_slice(name)]
        if rows and all(row.latency_ms is None for row in rows):
            return GateRate(unmeasured("no prediction has a latency", level=GATE_LEVEL, n=self.records(name)), None)
        within = [row.latency_ms is not None and row.latency_ms <= latency_ms for row in rows]
        return gate_rate(within, _sampling(rows))

    def repeated(self, metric: RepeatMetric, k: int, name: str) -> GateRate:
        """pass@k, pass^k or the flaky share of the slice's records in reliability; no value without k epochs each."""
        found = {record: row for record, row in self.by_record(RELIABILITY, name).items() if len(row) >= k}
        if not found:
            reason = f"no record has {k} epochs: evaluate with --epochs {k}"
            return GateRate(unmeasured(reason, level=GATE_LEVEL, n=self.records(name)), None)
        worst, best = repeated_bounds(list(found.values()), metric=metric, k=k)
        clusters = self.clusters()
        clustered = any(clusters[record] is not None for record in found)
        sampling = Sampling(
            records=list(found) if clustered else None,
            clusters=[clusters[record] for record in found] if clustered else None,
        )
        return gate_rate_between(worst, best, sampling)

    def cost_per_correct(self, name: str, *, level: float) -> Measured:
        """USD per correct prediction of the slice, of those that count in reliability."""
        rows = list(self._of(RELIABILITY, name))
        correct = [row.is_correct for row in rows]
        return cost_per_correct([row.cost_usd for row in rows], correct, sampling=_sampling(rows), level=level)

    def gate_cost_per_correct(self, name: str) -> GateRate:
        """`cost_per_correct` with the bounds that a gate rule decides on."""
        rows = list(self._of(RELIABILITY, name))
        correct = [row.is_correct for row in rows]
        return gate_cost_per_correct([row.cost_usd for row in rows], correct, _sampling(rows))

    def _of(self, metric: str, name: str) -> Iterator[PredictionOutcome]:
        return (row for row in self.rows if row.is_in_slice(name) and row.has(metric))


def validate_population(outcomes: Outcomes) -> None:
    """Raises UsageError unless all records belong to one population."""
    if not outcomes.rows:
        raise UsageError(
            "No record is left to evaluate: all cases are examples in the prompts of the variants",
            next_step="add cases of the split that no prompt shows, or pass another --input.",
        )
    if len(outcomes.populations) != 1:
        raise UsageError(
            f"The records belong to {', '.join(outcomes.populations) or 'no population'}: expected exactly one population",
            next_step="select one with --input, for example golden:gate.",
        )


def _sampling(rows: list[PredictionOutcome]) -> Sampling:
    """Records and clusters of the rows; each is set only if rows share one."""
    clustered = any(row.cluster is not None for row in rows)
    several = len({row.record for row in rows}) < len(rows)
    return Sampling(
        records=[row.record for row in rows] if several or clustered else None,
        clusters=[row.cluster for row in rows] if clustered else None,
    )


def _measuring_scorers(
    task: Task, rows: Iterable[tuple[Mapping[str, Any], Mapping[str, LandedVerdict]]]
) -> frozenset[str]:
    """The scorers that give a number by their definition.

    A custom check that does not state what it gives is one of them if it scored an output with a number, and none with a
    pass or a fail.
    """
    kinds = task.result_kinds
    measuring = {name for name, kind in kinds.items() if kind is ResultKind.NUMBER}
    deciding: set[str] = set()
    for row, verdicts in rows:
        for name, verdict in verdicts.items():
            if name not in kinds and has_output(row["status"]) and verdict.status == ScoreStatus.SCORED:
                (measuring if verdict.passed is None else deciding).add(name)
    return frozenset(measuring - deciding)


def _outcome(
    task: Task, row: Mapping[str, Any], verdicts: Mapping[str, LandedVerdict], *, measuring: Collection[str]
) -> PredictionOutcome:
    status = row["status"]
    return PredictionOutcome(
        record=RecordKey(row["tenant_id"], row["record_id"]),
        epoch=row["epoch"],
        status=status,
        population=row["population"],
        slices=tuple(row["slices"] or ()),
        cluster=ClusterKey.of(row["tenant_id"], row["cluster_id"]),
        cost_usd=None if row["cost_usd"] is None else float(row["cost_usd"]),
        latency_ms=row["latency_ms"],
        is_correct=is_correct(task, status, verdicts),
        is_sampled=is_counted(task, verdicts),
        passed={name: own_outcome(verdict, status) for name, verdict in verdicts.items() if name not in measuring},
        values={
            name: measured_value(verdict, status)
            for name, verdict in verdicts.items()
            if name in measuring and status in ANSWERED
        },
        classes={
            name: ClassPair(verdict.expected_label, verdict.label if status in ANSWERED else None)
            for name, verdict in verdicts.items()
            if verdict.expected_label is not None or verdict.label is not None
        },
    )
