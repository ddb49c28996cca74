from __future__ import annotations

from datetime import date
from typing import Any

from assay.scoring.check_scores import Scoreboard, ToScore
from assay.tasks.task import Task
from tests.fakes.task_folder import TaskFolder


def item(**more: Any) -> ToScore:
    values: dict[str, Any] = {
        "prediction_id": "p", "run_id": "run-1", "task": "sorting", "data_date": date(2026, 11, 23),
        "tenant_id": "default", "record_id": "r", "epoch": 0, "status": "ok", "output": {"label": "billing"},
        "expected": {"label": "billing"}, "input": {"message": "x"}, "subject_key": None, "masking_version": "m",
        **more,
    }  # fmt: skip
    return ToScore(**values)


def test_each_scorer_gives_one_row_with_its_version(task: Task) -> None:
    rows = Scoreboard(task, scrub=str).scores(item())

    assert [(row.scorer, row.passed, row.status) for row in rows] == [
        ("label_right", True, "scored"),
        ("mine", True, "scored"),
    ]
    assert {row.scorer: row.scorer_version for row in rows} == dict(task.versions.scorers)


def test_a_prediction_without_output_is_unscored_and_not_0(task: Task) -> None:
    first = Scoreboard(task, scrub=str).scores(item(output=None, status="failed"))[0]

    assert (first.status, first.value, first.passed) == ("unscored", None, None)


def test_a_custom_scorer_that_breaks_is_a_failed_score(folder: TaskFolder) -> None:
    folder.edit('subject.output["label"]', 'subject.output["nothing"]', file="checks.py")

    _, mine = Scoreboard(folder.load(), scrub=str).scores(item())

    assert (mine.status, mine.value, mine.passed) == ("failed", None, None)


def test_judging_again_gives_the_same_ids(task: Task) -> None:
    board = Scoreboard(task, scrub=str)

    assert [row.score_id for row in board.scores(item())] == [row.score_id for row in board.scores(item())]


def test_explanations_are_scrubbed(task: Task) -> None:
    wrong = Scoreboard(task, scrub=lambda text: "withheld").scores(item(expected={"label": "other"}))[0]

    assert (wrong.passed, wrong.explanation) == (False, "withheld")
