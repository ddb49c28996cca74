"""Step 2 of an evaluation: the outcomes of one variant's predictions, with cost and latency."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from assay.evaluation.queries import EVALUATED_ANSWERS
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import PredictionStatus, ScoreStatus
from assay.scoring.estimates import is_correct, is_counted
from assay.scoring.landed_scores import LandedVerdict, read_verdicts
from assay.scoring.tally import has_output, own_outcome
from assay.statistics.measured import Measured
from assay.statistics.rates import GateRate, cost_per_correct, gate_rate
from assay.statistics.sampling import Sampling
from assay.tasks.gate_spec import OVERALL, RELIABILITY
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse

SKIPPED = PredictionStatus.SKIPPED_BUDGET


def read_outcomes(warehouse: Warehouse, task: Task, *, run_id: str, data_date: date) -> Outcomes:
    """The outcomes of a run according to the current versions of the task's scorers."""
    verdicts = read_verdicts(warehouse, run_id=run_id, data_date=data_date, versions=task.versions.scorers)
    parameters = {"task": task.name, "run_id": run_id, "data_date": data_date}
    rows = [
        (row, verdicts.get(row["prediction_id"], {})) for row in warehouse.stream(EVALUATED_ANSWERS.sql, parameters)
    ]
    measuring = _measuring_scorers(rows)
    return Outcomes.of(_outcome(task, row, scores, measuring=measuring) for row, scores in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOutcome:
    """The outcomes of one prediction.

    `passed` maps each scorer to its outcome for the model's own output: False without one, None if unscored. If a judge
    scores only a sample, `passed` has no entry for it on predictions outside the sample; if reliability depends on that
    judge, `is_sampled` is False for these predictions. A scorer that only measures has no entry.
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

    def outcome(self, metric: str) -> bool | None:
        """The outcome for the metric, which is `reliability` or a scorer; None if unscored."""
        return self.is_correct if metric == RELIABILITY else self.passed[metric]

    def has(self, metric: str) -> bool:
        """True if the metric applies to the prediction."""
        return self.is_sampled if metric == RELIABILITY else metric in self.passed

    def is_in_slice(self, name: str) -> bool:
        """True if the record is in the slice."""
        return name == OVERALL or name in self.slices


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of one variant, without predictions that were skipped because the budget ran out."""

    rows: tuple[PredictionOutcome, ...]
    skipped: int = 0

    @classmethod
    def of(cls, rows: Iterable[PredictionOutcome]) -> Outcomes:
        """The outcomes without skipped predictions, and the number of those skipped because the budget ran out."""
        found = list(rows)
        requested = tuple(row for row in found if row.status != SKIPPED)
        return cls(requested, skipped=len(found) - len(requested))

    def without(self, record_ids: frozenset[str]) -> Outcomes:
        """The outcomes without these records."""
        return Outcomes(tuple(row for row in self.rows if row.record.record_id not in record_ids), skipped=self.skipped)

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

    def within(self, latency_ms: float, name: str) -> GateRate:
        """The share of the slice's predictions within this latency; one without a latency is not within it."""
        rows = [row for row in self.rows if row.is_in_slice(name)]
        within = [row.latency_ms is not None and row.latency_ms <= latency_ms for row in rows]
        return gate_rate(within, _sampling(rows))

    def cost_per_correct(self, name: str, *, level: float) -> Measured:
        """USD per correct prediction of the slice, of those that count in reliability."""
        rows = list(self._of(RELIABILITY, name))
        correct = [row.is_correct for row in rows]
        return cost_per_correct([row.cost_usd for row in rows], correct, sampling=_sampling(rows), level=level)

    def _of(self, metric: str, name: str) -> Iterator[PredictionOutcome]:
        return (row for row in self.rows if row.is_in_slice(name) and row.has(metric))


def _sampling(rows: list[PredictionOutcome]) -> Sampling:
    """Records and clusters of the rows; each is set only if rows share one."""
    clustered = any(row.cluster is not None for row in rows)
    several = len({row.record for row in rows}) < len(rows)
    return Sampling(
        records=[row.record for row in rows] if several or clustered else None,
        clusters=[row.cluster for row in rows] if clustered else None,
    )


def _measuring_scorers(rows: Iterable[tuple[Mapping[str, Any], Mapping[str, LandedVerdict]]]) -> frozenset[str]:
    """The scorers that scored an output with a number, and none with a pass or a fail."""
    measuring: set[str] = set()
    deciding: set[str] = set()
    for row, verdicts in rows:
        for name, verdict in verdicts.items():
            if has_output(row["status"]) and verdict.status == ScoreStatus.SCORED:
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
    )
