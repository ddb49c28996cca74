"""What marts make of the classes of runs, computed from the landing rows without SQL."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from tests.dbt.expected import Frame, Tables

CELL = ["run_id", "population", "slice", "field"]


def confusion(tables: Tables) -> Frame:
    """The counts of the newest scoring of each run, with the totals of the field and of the expected class."""
    rows = []
    for run_id, of_run in tables["answer_counts"].groupby("run_id"):
        newest = of_run[of_run.occurred_at == of_run.occurred_at.max()]
        for row in newest.itertuples():
            same = newest[(newest.slice == row.slice) & (newest.population == row.population)]
            is_known, has_answer = not pd.isna(row.expected), not pd.isna(row.answered)
            rows.append(
                {
                    "run_id": run_id,
                    "answer_count_id": row.answer_count_id,
                    **{name: getattr(row, name) for name in (*CELL[1:], "scorer", "expected", "answered", "n")},
                    "answer_status": row.status,
                    "n_of_field": same.n.sum(),
                    "n_expected": same[same.expected == row.expected].n.sum() if is_known else None,
                    "is_match": row.expected == row.answered if is_known and has_answer else None,
                    **_run(tables, run_id),
                }
            )
    return pd.DataFrame(rows)


def classes(tables: Tables) -> Frame:
    """Precision, recall and F1 of each class in one row."""
    found = tables["estimates"]
    found = found[found.metric.isin(["precision", "recall", "f1"]) & found.label.notna()]
    rows = []
    keys = ["run_id", "population", "slice", "scorer", "scorer_version", "label"]
    for key, cell in found.groupby(keys):
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | _run(tables, key[0])
        details = [json.loads(one) if isinstance(one, str) else one for one in cell.details]
        row |= {"n_expected": max(one["support"] for one in details)}
        row |= {"n_answered": max(one["predicted"] for one in details)}
        for one in cell.itertuples():
            row |= {one.metric: one.value, f"{one.metric}_low": one.low, f"{one.metric}_high": one.high}
            row |= {f"{one.metric}_status": one.status, f"{one.metric}_reason": None}
        rows.append(row)
    return pd.DataFrame(rows)


def averages(tables: Tables) -> Frame:
    """Macro and weighted averages of each cell, from its counts; as `precision_recall_fscore_support` of scikit-learn.

    Values only: the bounds are those of the landed estimate.
    """
    rows = []
    for run_id, of_run in tables["answer_counts"].groupby("run_id"):
        newest = of_run[(of_run.occurred_at == of_run.occurred_at.max()) & of_run.expected.notna()]
        for (population, name, scorer), cell in newest.groupby(["population", "slice", "scorer"]):
            labels = sorted(set(cell.expected) | set(cell.answered.dropna()))
            right = {one: cell[(cell.expected == one) & (cell.answered == one)].n.sum() for one in labels}
            expected = {one: cell[cell.expected == one].n.sum() for one in labels}
            answered = {one: cell[cell.answered == one].n.sum() for one in labels}
            metrics = {
                "precision": [right[one] / answered[one] if answered[one] else 0.0 for one in labels],
                "recall": [right[one] / expected[one] if expected[one] else 0.0 for one in labels],
                "f1": [2 * right[one] / (expected[one] + answered[one]) for one in labels],
            }
            weights = {"macro": [1] * len(labels), "weighted": [expected[one] for one in labels]}
            for average, shares in weights.items():
                found = {
                    metric: sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares)
                    for metric, values in metrics.items()
                }
                rows.append(
                    {"run_id": run_id, "population": population, "slice": name, "scorer": scorer, "average": average}
                    | {"n_classes": len(labels), "n_expected": cell.n.sum(), **found, **_run(tables, run_id)}
                )
    return pd.DataFrame(rows)


def _run(tables: Tables, run_id: str) -> dict[str, Any]:
    runs = tables["runs"]
    (run,) = [row for row in runs.itertuples() if row.run_id == run_id]
    return {"task": run.task, "variant": run.variant, "data_date": run.data_date}
