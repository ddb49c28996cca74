"""Counts and estimates of classes: right values by hand, predictions without an answer, slices, clusters, too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.records.evaluation import ClassCount, Estimate
from assay.records.keys import ClusterKey
from assay.scoring.classes.counts import MOST_TEXTS, ClassTally
from assay.scoring.classes.fields import ClassPair, class_fields
from assay.scoring.classes.rows import answer_counts, class_estimates
from assay.scoring.estimates import run_facts, tally_of
from assay.scoring.tally import Tally
from assay.tasks.task import Task
from tests.fakes.task_folder import TaskFolder
from tests.scoring.test_estimates import FACTS, tallied

Row = tuple[str | None, str | None, str]


def tallies(task: Task, rows: Iterable[Row], **columns: Sequence[Any]) -> tuple[ClassTally, Tally]:
    classes, tally = ClassTally(class_fields(task)), tally_of(task)
    for position, (expected, answered, status) in enumerate(rows):
        given = {name: values[position] for name, values in columns.items()}
        tally.add(tallied(position, None, status=status, **given))
        classes.add({"label": ClassPair(expected, answered)}, status)
    return classes, tally


def estimated(task: Task, rows: Iterable[Row], **columns: Sequence[Any]) -> dict[tuple[str, str | None, str], Estimate]:
    classes, tally = tallies(task, rows, **columns)
    found = class_estimates(classes, tally, run_facts(task, FACTS), task.versions.scorers)
    return {(row.metric, row.label, row.slice): row for row in found}


def counted(task: Task, rows: Iterable[Row], **columns: Sequence[Any]) -> list[ClassCount]:
    classes, tally = tallies(task, rows, **columns)
    return list(answer_counts(classes, tally, run_facts(task, FACTS), task.versions.scorers))


MIXED: list[Row] = [
    *[("billing", "billing", "ok")] * 8, *[("billing", "other", "ok")] * 2, *[("billing", None, "failed")] * 1,
    *[("other", "other", "repaired")] * 14, *[("other", "billing", "ok")] * 3, *[("other", None, "ok")] * 1,
    *[("other", "billing", "fallback")] * 1, *[(None, "other", "ok")] * 4, *[("other", "other", "skipped_budget")] * 9,
]  # fmt: skip


def test_counts_are_the_confusion_matrix_and_the_distribution_of_answers(task: Task) -> None:
    rows = counted(task, MIXED)

    assert {(row.expected, row.answered, row.status): row.n for row in rows} == {
        ("billing", "billing", "answered"): 8, ("billing", "other", "answered"): 2, ("billing", None, "failed"): 1,
        ("other", "other", "answered"): 14, ("other", "billing", "answered"): 3, ("other", None, "no_value"): 1,
        ("other", None, "fallback"): 1, (None, "other", "answered"): 4,
    }  # fmt: skip
    assert {(row.field, row.scorer, row.slice) for row in rows} == {("label", "label_right", "overall")}
    assert len({row.occurred_at for row in rows}) == 1
    assert len({row.answer_count_id for row in rows}) == len(rows)


def test_a_prediction_without_an_answer_lowers_recall_and_is_in_no_precision(task: Task) -> None:
    found = estimated(task, MIXED)

    precision, recall = found["precision", "billing", "overall"], found["recall", "billing", "overall"]
    assert (precision.value, precision.n) == (pytest.approx(8 / 11), 11)
    assert (recall.value, recall.n) == (pytest.approx(8 / 11), 11)
    assert found["recall", "other", "overall"].value == pytest.approx(14 / 19)
    assert found["precision", "other", "overall"].value == pytest.approx(14 / 16)
    assert found["f1", "other", "overall"].value == pytest.approx(28 / (19 + 16))
    assert found["weighted_recall", None, "overall"].value == pytest.approx(22 / 30)
    assert found["macro_recall", None, "overall"].value == pytest.approx((8 / 11 + 14 / 19) / 2)
    assert "4 of 34 predictions without an expected class" in str(recall.reason)
    low, high = proportion_confint(14, 19, method="wilson")
    row = found["recall", "other", "overall"]
    assert (row.low, row.high) == pytest.approx((low, high))
    assert {row.scorer for row in found.values()} == {"label_right"}
    assert len({row.estimate_id for row in found.values()}) == len(found) == 2 * 3 + 6


def test_clusters_and_slices_count(task: Task) -> None:
    random = np.random.default_rng(2)
    rows: list[Row] = [
        ("billing" if i % 3 else "other", "billing" if random.random() < 0.8 else "other", "ok") for i in range(400)
    ]
    clusters = [ClusterKey.of("t", f"c{i // 20}") for i in range(400)]
    slices = [("kind=a",) if i % 2 else ("kind=b",) for i in range(400)]

    alone, together = estimated(task, rows), estimated(task, rows, cluster=clusters, slices=slices)

    key = ("recall", "billing", "overall")
    assert together[key].value == alone[key].value and (alone[key].clusters, together[key].clusters) == (266, 20)
    shares = Counter((expected, answered) for expected, answered, _ in rows[1::2])
    in_a = together["precision", "billing", "kind=a"]
    assert in_a.value == pytest.approx(
        shares["billing", "billing"] / (shares["billing", "billing"] + shares["other", "billing"])
    )


def test_a_class_that_is_never_predicted_is_named_with_the_value_of_the_other_convention(task: Task) -> None:
    found = estimated(task, [*[("billing", "billing", "ok")] * 20, *[("other", "billing", "ok")] * 5])

    average = found["macro_precision", None, "overall"]
    assert average.value == pytest.approx((20 / 25 + 0) / 2)
    assert '"never_predicted":["other"]' in str(average.details)
    assert '"if_undefined_is_1":0.9' in str(average.details)
    none = found["precision", "other", "overall"]
    assert (none.value, none.status, none.reason) == (None, "none", "no prediction of this class")


def test_too_many_texts_have_no_figures_but_a_reason(folder: TaskFolder) -> None:
    folder.edit('Literal["billing", "other"]', "str", file="output.py")
    folder.edit("    field: label\n", "    field: label\n    classes: true\n")
    task, rows = folder.load(), [(f"t{i}", f"t{i}", "ok") for i in range(MOST_TEXTS + 1)]

    assert counted(task, rows) == []
    ((key, row),) = estimated(task, rows).items()
    assert key == ("macro_f1", None, "overall") and row.value is None
    assert row.reason == f"field label has more than {MOST_TEXTS} distinct values: no metrics by class"
    assert estimated(task, rows[:MOST_TEXTS])["macro_f1", None, "overall"].value == pytest.approx(1)


def test_a_prediction_takes_four_bytes_a_field(task: Task) -> None:
    classes, _ = tallies(task, [("billing", "other", "ok")] * 1000)

    (field,) = classes.fields
    assert sum(codes.itemsize * len(codes) for codes in (field._expected, field._answered)) == 4000
