"""The classes of a run: distribution of answers, confusion matrix, and precision, recall and F1 by class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.charts.classes import AnswerCount, ConfusionCount, answer_chart, confusion_chart
from assay.formatting import NOTHING, percent
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.intervals import interval
from assay.report.source import Rows, RunSource
from assay.scoring.classes.blocks import ClassRow, FieldClasses, read_field_classes
from assay.statistics.conventions import INTERVAL_TITLE

if TYPE_CHECKING:
    import altair as alt

ANSWERS, CONFUSION, CLASSES = "Answers", "Confusion matrix", "Precision, recall and F1 by class"
ANSWER_COLUMNS = ("answer", "n", "share")
CLASS_COLUMNS = ("class", "n expected", "precision", INTERVAL_TITLE, "recall", INTERVAL_TITLE, "F1", INTERVAL_TITLE)
CONFUSED_COLUMNS = ("expected", "answer", "n", "share of expected")
NO_ANSWER = "no valid answer"
MOST_CLASSES = 12
"""Largest number of classes that are drawn; of more, the matrix would not be legible."""
MOST_CONFUSED = 20
"""Number of pairs of classes in the table of confusions, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassesBlock:
    """One entry per output field with a closed list of values and population.

    `answers` counts each class, `without_answer` the reasons for a missing one. `confusion` has a row per pair of
    expected and answered class (None: no valid answer), `classes` and `averages` the metrics with their intervals.
    """

    answer_classes: Rows = ()


def read(source: RunSource) -> ClassesBlock:
    """Returns the landed counts and estimates of the run."""
    found = read_field_classes(source.warehouse, run_id=source.run["run_id"], data_date=source.run["data_date"])
    return ClassesBlock(answer_classes=tuple(_plain(one) for one in found))


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields the tables of each field; a confusion matrix only where the expected class is known."""
    fields = card.of(ClassesBlock).answer_classes
    several = len({field["population"] for field in fields}) > 1
    for field in fields:
        place = f" of {field['field']}" + (f", {field['population']}" if several else "")
        yield _answers(field, f"{ANSWERS}{place}")
        yield _confusion(field, f"{CONFUSION}{place}")
        rows = [_metrics(row) for row in (*field["classes"], *field["averages"])]
        yield Section(f"{CLASSES}{place}", CLASS_COLUMNS, rows)


def _plain(found: FieldClasses) -> dict[str, Any]:
    expected = {label: sum(n for pair, n in found.counts.items() if pair.expected == label) for label in found.labels}
    known = [(pair, n) for pair, n in found.counts.items() if pair.expected is not None]
    return {
        "population": found.population,
        "field": found.field,
        "scorer": found.scorer,
        "n": found.n,
        "labels": list(found.labels),
        "answers": [{"answer": label, "n": n} for label, n in found.answers],
        "without_answer": {status.value: n for status, n in found.without_answer.items()},
        "confusion": [{"expected": pair.expected, "answer": pair.answered, "n": n} for pair, n in known],
        "classes": [_plain_metrics(row, expected.get(row.label)) for row in found.classes],
        "averages": [_plain_metrics(row, sum(expected.values())) for row in found.averages],
    }


def _plain_metrics(row: ClassRow, expected: int | None) -> dict[str, Any]:
    names = ("value", "low", "high", "n", "status", "reason")
    metrics = {"precision": row.precision, "recall": row.recall, "f1": row.f1}
    shown = {name: None if one is None else {key: one[key] for key in names} for name, one in metrics.items()}
    return {"label": row.label, "n_expected": expected, **shown}


def _answers(field: Mapping[str, Any], title: str) -> Section:
    counts = [AnswerCount(answer=one["answer"], n=one["n"]) for one in field["answers"]]
    missing = sum(field["without_answer"].values())
    shown = [*counts, *([AnswerCount(answer=NO_ANSWER, n=missing)] if missing else [])]
    rows: list[tuple[str, ...]] = [(one.answer, f"{one.n:,}", percent(one.n / field["n"])) for one in shown]
    reasons = ", ".join(f"{status}: {n:,}" for status, n in sorted(field["without_answer"].items()))
    note = f"n = {field['n']:,}, first outcomes" + (f"; {NO_ANSWER}: {reasons}" if missing else "")
    return Section(title, ANSWER_COLUMNS, rows, note=note, chart=lambda: answer_chart(shown, title=title))


def _confusion(field: Mapping[str, Any], title: str) -> Section:
    """The pairs in which the classes differ; the chart has all of them."""
    counts = field["confusion"]
    totals: dict[str, int] = {}
    for one in counts:
        totals[one["expected"]] = totals.get(one["expected"], 0) + one["n"]
    wrong = sorted((one for one in counts if one["expected"] != one["answer"]), key=lambda one: -one["n"])
    rows: list[tuple[str, ...]] = [
        (one["expected"], one["answer"] or NO_ANSWER, f"{one['n']:,}", percent(one["n"] / totals[one["expected"]]))
        for one in wrong[:MOST_CONFUSED]
    ]
    left = len(wrong) - len(rows)
    right = sum(one["n"] for one in counts if one["expected"] == one["answer"])
    note = f"{right:,} of {sum(totals.values()):,} answers are the expected class"
    note += f"; {left} rarer pairs are not shown" if left else ""
    drawn = bool(counts) and len(field["labels"]) <= MOST_CLASSES
    return Section(
        title, CONFUSED_COLUMNS, rows, note=note, chart=(lambda: _matrix(field, totals, title)) if drawn else None
    )


def _matrix(field: Mapping[str, Any], totals: Mapping[str, int], title: str) -> alt.TopLevelMixin:
    found = {(one["expected"], one["answer"]): one["n"] for one in field["confusion"]}
    columns = [*field["labels"], *([None] if any(answered is None for _, answered in found) else [])]
    cells = [
        ConfusionCount(expected=row, answer=NO_ANSWER if column is None else column, n=found.get((row, column), 0))
        for row in field["labels"]
        if row in totals
        for column in columns
    ]
    return confusion_chart(cells, title=title)


def _metrics(row: Mapping[str, Any]) -> tuple[str, ...]:
    expected = NOTHING if row["n_expected"] is None else f"{row['n_expected']:,}"
    return (row["label"], expected, *(cell for name in ("precision", "recall", "f1") for cell in _cells(row[name])))


def _cells(one: Mapping[str, Any] | None) -> Iterable[str]:
    if one is None:
        return NOTHING, NOTHING
    return percent(one["value"]), interval({**one, "interval_status": one["status"]})


BLOCK = ScorecardBlock(kind=ClassesBlock, read=read, sections=sections)
