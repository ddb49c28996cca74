"""Rows for a report on the classes of one run: distribution of answers, confusion matrix and metrics by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from assay.records.statuses import AnswerStatus
from assay.scoring.classes.fields import ClassPair
from assay.scoring.classes.rows import F1, MACRO, PRECISION, RECALL, WEIGHTED
from assay.scoring.queries import RUN_ANSWER_COUNTS, RUN_CLASS_ESTIMATES
from assay.warehouse.client import Warehouse

MetricRow = Mapping[str, Any]
"""A landed estimate: value, low, high, n, status and reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """Precision, recall and F1 of one class, or of the averages over the classes; None where one did not land."""

    label: str
    precision: MetricRow | None
    recall: MetricRow | None
    f1: MetricRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldClasses:
    """The classes of one field of a run in one population, overall; `scorer` is the check that compares them, or None.

    `counts` maps expected and answered class (None: no answer, or no expected class) to a number of predictions.
    `without_answer` maps each reason for a missing class to a number. `classes` are in the order of `labels`;
    `averages` are macro and weighted.
    """

    population: str
    field: str
    scorer: str | None
    labels: tuple[str, ...]
    counts: Mapping[ClassPair, int]
    without_answer: Mapping[AnswerStatus, int]
    classes: tuple[ClassRow, ...]
    averages: tuple[ClassRow, ...]

    @property
    def n(self) -> int:
        """Number of predictions."""
        return sum(self.counts.values())

    @property
    def answers(self) -> tuple[tuple[str, int], ...]:
        """Each class with the number of predictions of it, most frequent first: the distribution of answers."""
        found = {
            label: sum(n for (_, answered), n in self.counts.items() if answered == label) for label in self.labels
        }
        return tuple(sorted(found.items(), key=lambda one: (-one[1], one[0])))

    @property
    def has_expected(self) -> bool:
        """True if the expected class of a prediction is known, so that there is a confusion matrix."""
        return any(expected is not None for expected, _ in self.counts)

    def matrix(self) -> tuple[tuple[int, ...], ...]:
        """The confusion matrix: a row for each expected class, a column for each answered one, last that of no answer."""
        columns = (*self.labels, None)
        return tuple(tuple(self.counts.get(ClassPair(row, column), 0) for column in columns) for row in self.labels)


def read_field_classes(warehouse: Warehouse, *, run_id: str, data_date: date) -> tuple[FieldClasses, ...]:
    """Returns the classes of every field of a run, from the landing tables; empty for a run without classes."""
    parameters = {"run_id": run_id, "data_date": data_date}
    metrics = list(warehouse.stream(RUN_CLASS_ESTIMATES.sql, parameters))
    fields: dict[_CountedField, list[Mapping[str, Any]]] = {}
    for row in warehouse.stream(RUN_ANSWER_COUNTS.sql, parameters):
        fields.setdefault(_CountedField(row["population"], row["field"], row["scorer"]), []).append(row)
    return tuple(_field(key, rows, metrics) for key, rows in fields.items())


class _CountedField(NamedTuple):
    population: str
    field: str
    scorer: str | None


class _ClassMetric(NamedTuple):
    metric: str
    label: str | None


def _field(key: _CountedField, rows: Sequence[Mapping[str, Any]], metrics: Sequence[MetricRow]) -> FieldClasses:
    population, field, scorer = key
    counts: dict[ClassPair, int] = {}
    missing: dict[AnswerStatus, int] = {}
    for row in rows:
        place = ClassPair(row["expected"], row["answered"])
        counts[place] = counts.get(place, 0) + row["n"]
        if row["answered"] is None:
            status = AnswerStatus(row["status"])
            missing[status] = missing.get(status, 0) + row["n"]
    labels = tuple(sorted({label for place in counts for label in place if label is not None}))
    own = {
        _ClassMetric(row["metric"], row["label"]): row
        for row in metrics
        if (row["population"], row["scorer"]) == (population, scorer)
    }
    return FieldClasses(
        population=population,
        field=field,
        scorer=scorer,
        labels=labels,
        counts=counts,
        without_answer=missing,
        classes=tuple(_class_rows(own, labels)),
        averages=tuple(_average_rows(own)),
    )


def _class_rows(own: Mapping[_ClassMetric, MetricRow], labels: Sequence[str]) -> Iterator[ClassRow]:
    for label in labels:
        found = [own.get(_ClassMetric(metric, label)) for metric in (PRECISION, RECALL, F1)]
        if any(found):
            yield ClassRow(label=label, precision=found[0], recall=found[1], f1=found[2])


def _average_rows(own: Mapping[_ClassMetric, MetricRow]) -> Iterator[ClassRow]:
    for prefix in (MACRO, WEIGHTED):
        found = [own.get(_ClassMetric(f"{prefix}{metric}", None)) for metric in (PRECISION, RECALL, F1)]
        if any(found):
            yield ClassRow(label=prefix.rstrip("_"), precision=found[0], recall=found[1], f1=found[2])
