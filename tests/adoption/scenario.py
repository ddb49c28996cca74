"""Adoptions in tests: a task whose output is one label, tables with answers, and the command as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assay.adoption.adopt import AdoptedRun, AdoptReporter, adopt
from assay.adoption.options import AdoptOptions, answer_specs
from tests.end_to_end.workplace import Workplace
from tests.runs.bench import DAY, Bench

LABEL_RIGHT = {"name": "label_right", "type": "exact_match", "field": "label"}
INPUT = {"record_id": "id", "fields": {"text": "text"}, "expected": {"label": "gold"}, "max_rejected": 0.5}
OUTPUT = """
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: {label}
{more}"""
ONE_OF_TWO = 'Literal["a", "b"]'


def label_task(place: Workplace, name: str, *, label: str = ONE_OF_TWO, more: str = "", **edits: Any) -> str:
    """A task whose output is a label, and whose predictions are correct if it is the expected one."""
    place.task(name, **{"input": INPUT, "checks": [LABEL_RIGHT], "correct": ["label_right"], **edits})
    place.write(f"tasks/{name}/output.py", OUTPUT.format(label=label, more=more))
    return name


def labelled_rows(count: int, **columns: Any) -> list[dict[str, Any]]:
    """Rows whose expected label alternates, with columns that are functions of the row's number."""
    return [
        {
            "id": f"r{number:05}",
            "text": f"text number {number:05}",
            "gold": "ab"[number % 2],
            **{column: value(number) for column, value in columns.items()},
        }
        for number in range(count)
    ]


def lines(place: Workplace, name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A JSON Lines file of that name holds the rows; returns the name."""
    place.write(name, "".join(f"{json.dumps(row)}\n" for row in rows))
    return name


def adopted(bench: Bench, task: str, *answers: str, **options: Any) -> dict[str, AdoptedRun]:
    """The adoption, in this process: its runs by variant."""
    stated = options.pop("stated", {})
    files = options.pop("files", ())
    specs = answer_specs(answers, files, {name: [column] for name, column in stated.items()})
    notes: list[str] = options.pop("notes", [])
    reporter = AdoptReporter(counting=lambda _: lambda _: None, note=notes.append)
    chosen = AdoptOptions(**{"data_date": DAY, "answers": specs, **options})
    return {run.variant: run for run in adopt(bench.project, task, chosen, reporter)}


def outcomes(place: Workplace, run_id: str) -> dict[str, dict[str, Any]]:
    """The landed predictions of the run, by record."""
    rows = place.query("select * from predictions where run_id = @run_id order by record_id", run_id=run_id)
    assert len({row["prediction_id"] for row in rows}) == len(rows)
    return {row["record_id"]: row for row in rows}
