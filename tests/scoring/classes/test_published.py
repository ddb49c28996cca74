"""Published figures of four models on eight splits, through the checks, the tally and the rows that land."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from assay.records.evaluation import Estimate
from assay.scoring.check_scores import Scoreboard
from assay.scoring.classes.blocks import read_field_classes
from assay.scoring.classes.counts import ClassTally
from assay.scoring.classes.rows import class_estimates
from assay.scoring.estimates import estimates, run_facts, tally_of
from assay.tasks.task import Task
from tests.adoption.scenario import adopted
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.fakes.task_folder import TaskFolder
from tests.paths import SHARED
from tests.runs.bench import DAY, Bench
from tests.scoring.test_check_scores import item
from tests.scoring.test_estimates import FACTS, tallied

FOLDER = SHARED / "data" / "classification"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/data/classification is not beside the checkout")
NAMES = (("Precision", "weighted_precision"), ("Recall", "weighted_recall"), ("F1", "weighted_f1"))
OUTPUT = """
from pydantic import BaseModel


class Answer(BaseModel):
    label: str
"""


def rows_of(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def figure(row: Any) -> float:
    """The published figures take the precision of a class without a prediction as 1, which lands in the details."""
    details = json.loads(row["details"]) if isinstance(row["details"], str) else row["details"]
    found: float = (details or {}).get("if_undefined_is_1", row["value"])
    return found


def landed(task: Task, rows: list[dict[str, str]], model: str) -> Iterator[Estimate]:
    board, tally = Scoreboard(task, scrub=str), tally_of(task)
    classes = ClassTally(board.classes.fields)
    for position, row in enumerate(rows):
        to_score = item(
            output={"label": row[model]}, expected={"label": row["category"]}, input={"message": row["title"]}
        )
        pairs = board.class_pairs(to_score)
        verdicts = {score.scorer: score for score in board.scores(to_score, pairs)}
        tally.add(tallied(position, None, verdicts=verdicts))
        classes.add(pairs, to_score.status)
    yield from estimates(tally, task, FACTS, epochs=1)
    yield from class_estimates(classes, tally, run_facts(task, FACTS), task.versions.scorers)


def test_all_32_published_figures_land(folder: TaskFolder) -> None:
    folder.edit('Literal["billing", "other"]', "str", file="output.py")
    folder.edit("    field: label\n", "    field: label\n    classes: true\n")
    task, splits, results = folder.load(), defaultdict(list), rows_of("ecommerce_products_4llms_published_results.csv")
    for row in rows_of("ecommerce_products_4llms.csv"):
        splits[row["split"]].append(row)
    assert len(results) == 32

    for result in results:
        found = {
            row.metric: {"value": row.value, "details": row.details}
            for row in landed(task, splits[result["split"]], result["Model"])
            if row.scorer == "label_right" and row.label is None
        }
        for published, metric in (("Accuracy", "pass_rate"), *NAMES):
            assert figure(found[metric]) == pytest.approx(float(result[published]), abs=6e-5), (result, metric)


def test_a_run_lands_the_published_figures_of_a_split_and_the_counts_they_come_from(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    rows, column = rows_of("ecommerce_products_4llms.csv")[:620], "gpt_4o_prediction"
    answers = {f"{row['title']} {number}": row[column] for number, row in enumerate(rows)}
    (result,) = [
        one for one in rows_of("ecommerce_products_4llms_published_results.csv")
        if (one["split"], one["Model"]) == (rows[0]["split"], column)
    ]  # fmt: skip

    def replay(asked: Asked) -> Reaction:
        return Reaction(text=json.dumps({"label": answers[asked.prompt]}))

    model.react = replay
    check = {"name": "right", "type": "exact_match", "field": "label", "classes": True}
    source = {"record_id": "id", "fields": {"text": "text"}, "expected": {"label": "label"}}
    task = bench.place.task(name, input=source, checks=[check], correct=["right"])
    bench.place.write(f"tasks/{name}/output.py", OUTPUT)
    given = [
        {"id": f"r{number:03}", "text": f"{row['title']} {number}", "label": row["category"]}
        for number, row in enumerate(rows)
    ]
    run_id = bench.run(task, input=bench.place.rows("in.csv", given)).run_id

    sql = "select metric, value, details from estimates where run_id = @run and scorer = 'right' and label is null"
    found = {row["metric"]: row for row in bench.place.query(sql, run=run_id)}
    for published, metric in (("Accuracy", "pass_rate"), *NAMES):
        assert figure(found[metric]) == pytest.approx(float(result[published]), abs=6e-5), metric
    counts = bench.place.query("select expected, answered, n from answer_counts where run_id = @run", run=run_id)
    right = sum(row["n"] for row in counts if row["expected"] == row["answered"])
    assert (sum(row["n"] for row in counts), right / 620) == (620, pytest.approx(float(result["Accuracy"]), abs=6e-5))
    (field,) = read_field_classes(bench.project.warehouse, run_id=run_id, data_date=DAY)
    assert (field.n, sum(row[i] for i, row in enumerate(field.matrix()))) == (620, right)
    given = Counter(row[column] for row in rows)
    assert dict(field.answers) == {label: given[label] for label in field.labels}
    assert [row.label for row in field.averages] == ["macro", "weighted"] and len(field.classes) == len(field.labels)
    labels = bench.place.query("select distinct expected_label, label from scores where run_id = @run", run=run_id)
    assert {(row["expected_label"], row["label"]) for row in labels} == {(row["category"], row[column]) for row in rows}


@pytest.mark.verify
@pytest.mark.parametrize("way", ["adopted", "replayed"])
def test_all_32_published_figures_land_end_to_end(bench: Bench, model: ModelEndpoint, name: str, way: str) -> None:
    """The four answer columns of each split become variants of one adoption, or answers of an endpoint that replays them."""
    check = {"name": "right", "type": "exact_match", "field": "label", "classes": True}
    source = {"record_id": "id", "fields": {"text": "text"}, "expected": {"label": "label"}}
    task = bench.place.task(name, input=source, checks=[check], correct=["right"])
    bench.place.write(f"tasks/{name}/output.py", OUTPUT)
    splits, results = defaultdict(list), rows_of("ecommerce_products_4llms_published_results.csv")
    for row in rows_of("ecommerce_products_4llms.csv"):
        splits[row["split"]].append(row)
    models = sorted({result["Model"] for result in results})

    found = {}
    for split, rows in splits.items():
        given = [
            {
                "id": f"r{number:04}",
                "text": f"{row['title']} {number}",
                "label": row["category"],
                **{model: row[model] for model in models},
            }
            for number, row in enumerate(rows)
        ]
        file = bench.place.rows(f"{split}.csv", given)
        if way == "adopted":
            runs = {model: run.summary.run_id for model, run in adopted(bench, task, *models, input=file).items()}
        else:
            runs = {column: _replayed(bench, model, task, file, column, given) for column in models}
        for column, run_id in runs.items():
            sql = "select metric, value, details from estimates where run_id = @run and scorer = 'right' and label is null"
            rows_by_metric = {row["metric"]: row for row in bench.place.query(sql, run=run_id)}
            for published, metric in (("Accuracy", "pass_rate"), *NAMES):
                found[split, column, published] = figure(rows_by_metric[metric])

    expected = {
        (result["split"], result["Model"], name): float(result[name])
        for result in results
        for name in ("Accuracy", "Precision", "Recall", "F1")
    }
    assert len(expected) == 128
    assert found == pytest.approx(expected, abs=6e-5)


def _replayed(bench: Bench, model: ModelEndpoint, task: str, file: str, column: str, rows: list[dict[str, str]]) -> str:
    """The run of a model that gives this column's answers; no answer of an earlier one is taken over."""
    answers = {row["text"]: row[column] for row in rows}
    model.react = lambda asked: Reaction(text=json.dumps({"label": answers[asked.prompt]}))
    return bench.run(task, input=file, reuse="never").run_id
