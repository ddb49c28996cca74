"""A task whose run was judged, and people who label some of its answers, all landed by the product's own code."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.calibration.calibrate import CalibratedJudge, Calibrations, calibrate
from assay.labels.csv_import import import_labels
from assay.labels.fill_queue import FillOptions, fill_queue
from assay.project import Project, open_project
from assay.records.evaluation import Score
from assay.scoring.judges.verdicts import JudgeRows, Judgment
from assay.scoring.score_rows import ScoredPrediction
from assay.tasks.task import Task
from assay.warehouse.landing import LandingWriter
from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace
from tests.fakes.landed_run import DAY, Answer, land_run, prediction_of
from tests.scoring.judges.scenario import JUROR

__all__ = ["endpoints", "model", "name", "place"]

BINARY = """
criterion: Preference
question: Is the answer better than the other one?
binary:
  pass: It is better.
  fail: It is no better.
"""
GRADED = """
criterion: Standing
question: How does the answer compare with the other one?
levels:
  1: It is worse.
  2: They are as good.
  3: It is better.
"""
Verdict = bool | int | float | None


@dataclass
class Bench:
    """One task with a judge `better`, which knows pass and fail, and a judge `graded`, which has three levels."""

    place: Workplace
    name: str
    judges: Sequence[Mapping[str, Any]] = (
        {"name": "better", "rubric": "rubrics/better.yml", "routes": [JUROR]},
        {"name": "graded", "rubric": "rubrics/graded.yml", "routes": [JUROR], "passes": 2},
    )

    def __post_init__(self) -> None:
        self.place.write(f"tasks/{self.name}/rubrics/better.yml", BINARY)
        self.place.write(f"tasks/{self.name}/rubrics/graded.yml", GRADED)
        self.rewrite(self.judges)

    @property
    def project(self) -> Project:
        return open_project(self.place.settings())

    @property
    def task(self) -> Task:
        return self.project.task(self.name)

    @property
    def run_id(self) -> str:
        return f"run-{self.name}"

    def rewrite(self, judges: Sequence[Mapping[str, Any]]) -> None:
        """The task has these judges."""
        self.judges = judges
        edits: dict[str, Any] = {"judges": [dict(judge) for judge in judges]}
        if judges:
            edits["correct"] = [judge["name"] for judge in judges]
        self.place.task(self.name, **edits)

    def land(self, answers: Sequence[Answer], *, run_id: str = "", **more: Any) -> str:
        """A completed run with these answers is in the warehouse."""
        return land_run(self.place.warehouse(), self.name, answers, run_id=run_id, **more)

    def judge(self, scorer: str, verdicts: Mapping[str, Verdict], *, run_id: str = "", version: str = "") -> None:
        """The judge has said this of the records' answers; None is what could not be read."""
        task = self.task
        rows = JudgeRows(scorer, version or task.versions.scorers[scorer], scrub=str)
        passes = next((judge.passes for judge in task.spec.judges if judge.name == scorer), None)
        said = [
            rows.vote(self.scored(record, run_id), _judgment(verdict, passes), juror="strict", judge_epoch=0)
            for record, verdict in verdicts.items()
        ]
        self.append(said)

    def append(self, scores: Sequence[Score]) -> None:
        """The rows are landed."""
        LandingWriter(self.place.warehouse()).append(list(scores))

    def fill(self, scorer: str, **options: Any) -> None:
        """The queue holds a sample of what the scorer judged."""
        chosen = FillOptions(**{"purpose": "calibration", "size": 1000, "scorers": (scorer,), **options})
        fill_queue(self.project, self.task, chosen)

    def drawn(self, scorer: str) -> list[str]:
        """The records of the sample."""
        sql = "select distinct record_id from annotations_queue where task = @task and scorer = @scorer order by record_id"
        return [row["record_id"] for row in self.place.query(sql, task=self.name, scorer=scorer)]

    def label(self, scorer: str, labels: Iterable[tuple[str, str, str]], *, run_id: str | None = None) -> None:
        """Record, annotator and label are imported from a file."""
        path = Path(self.place.root) / "labels.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("record_id", "annotator", "label", "scorer"))
            writer.writerows((*label, scorer) for label in labels)
        import_labels(self.project, self.task, path, run_id=run_id)

    def calibrate(self, run_id: str | None = None) -> Calibrations:
        """What the command does."""
        return calibrate(self.project, self.task, run_id=run_id)

    def scored(self, record_id: str, run_id: str = "") -> ScoredPrediction:
        """The prediction of a record."""
        return ScoredPrediction(
            prediction_id=prediction_of(run_id or self.run_id, record_id),
            run_id=run_id or self.run_id,
            task=self.name,
            data_date=DAY,
            tenant_id="default",
            record_id=record_id,
            epoch=0,
            subject_key=None,
            masking_version="off",
        )


def _judgment(verdict: Verdict, passes: int | None) -> Judgment:
    if verdict is None:
        return Judgment(status="unscored", explanation="no verdict could be read")
    if isinstance(verdict, bool):
        return Judgment(status="scored", value=float(verdict), label="pass" if verdict else "fail", passed=verdict)
    return Judgment(status="scored", value=float(verdict), passed=None if passes is None else verdict >= passes)


def figure(judge: CalibratedJudge, metric: str, *, name: str = "overall", method: str = "") -> Any:
    """The one finding of a metric, slice and beginning of a method."""
    (found,) = (
        one
        for one in judge.findings
        if one.metric == metric and one.slice == name and one.measured.method.startswith(method)
    )
    return found


@pytest.fixture
def bench(place: Workplace, name: str) -> Callable[..., Bench]:
    """Makes the bench."""
    return lambda **options: Bench(place, name, **options)
