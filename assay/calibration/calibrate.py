"""Calibrates the judges of a task: what people said of their verdicts is read, computed, and landed as `estimates`.

Reading and landing belong here; which labels count is `evals.label_sources`, the figures are `evals.calibration`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from assay.calibration.label_selection import CalibratedRun, DrawnSample, SampledLabel, SelectedLabels, choose_labels
from assay.calibration.label_set import CalibrationFacts, CalibrationSet, Finding, HumanLabel, JudgedAnswer, LabelSource
from assay.calibration.metrics import KAPPA, calibration_findings
from assay.calibration.queries import DRAWN_SAMPLES, JUDGED_ANSWERS, RUN_TO_CALIBRATE, SAMPLE_LABELS
from assay.errors import UsageError
from assay.inference.keys import content_hash
from assay.labels.questions import CANNOT_TELL, LabelingQuestion, rubric_question
from assay.project import StageContext
from assay.records.evaluation import Estimate
from assay.records.statuses import ScoreStatus
from assay.runs.chunks import chunks
from assay.scoring.estimates import EstimateFacts, estimate_row
from assay.statistics.measured import Measured
from assay.tasks.gate_spec import OVERALL
from assay.tasks.task import Task
from assay.version import code_version
from assay.warehouse.landing import LandingWriter

CHUNK_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedJudge:
    """One judge, as the task has it now, held against people in one run; `findings` and `estimates` go in pairs."""

    scorer: str
    scorer_version: str
    question_version: str
    run: CalibratedRun
    source: LabelSource
    labels: int
    """Answers that people labelled."""
    findings: tuple[Finding, ...]
    estimates: tuple[Estimate, ...]

    @property
    def kappa(self) -> Measured:
        """Cohen's kappa of judge and people on all labelled answers of the run; no value, with the reason, if there is none."""
        return self._overall(KAPPA)[0].measured

    @property
    def kappa_id(self) -> str:
        """The id of its estimate."""
        return self._overall(KAPPA)[1].estimate_id

    @property
    def kappa_facts(self) -> CalibrationFacts:
        """The labels of the whole run."""
        facts = self._overall(KAPPA)[0].facts
        assert facts is not None  # every figure about people has them
        return facts

    def _overall(self, metric: str) -> tuple[Finding, Estimate]:
        pairs = zip(self.findings, self.estimates, strict=True)
        return next(pair for pair in pairs if pair[0].metric == metric and pair[0].slice == OVERALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrations:
    """The judges of a task, in the order of task.yml."""

    task: str
    judges: tuple[CalibratedJudge, ...]

    def of(self, scorer: str) -> CalibratedJudge | None:
        """The judge of that name."""
        return next((judge for judge in self.judges if judge.scorer == scorer), None)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Everything that was computed."""
        return tuple(estimate for judge in self.judges for estimate in judge.estimates)


def calibrate(context: StageContext, task: Task, *, run_id: str | None = None) -> Calibrations:
    """The estimates of every judge of the task are landed; the same labels and verdicts land the same ids.

    Without `run_id` each judge is calibrated in the latest completed run that people labelled for it.

    Raises:
        UsageError: the task has no judge, there is no such run, or none of its predictions has an output.
    """
    found = measure(context, task, run_id=run_id)
    writer = LandingWriter(context.warehouse)
    for chunk in chunks(found.estimates, CHUNK_ROWS):
        writer.append(chunk)
    return found


def measure(context: StageContext, task: Task, *, run_id: str | None = None) -> Calibrations:
    """What `calibrate` would land; nothing is written.

    Raises:
        UsageError: see `calibrate`.
    """
    if not task.spec.judges:
        raise UsageError(
            f"Task '{task.name}' has no judge to calibrate: expected one under `judges` in {task.name}/task.yml",
            next_step="see docs/how-to/judges.md.",
        )
    questions = [rubric_question(judge, task.rubrics[judge.name]) for judge in task.spec.judges]
    return Calibrations(task=task.name, judges=tuple(_calibrated(context, task, asked, run_id) for asked in questions))


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What the statements about one judge are asked with."""

    context: StageContext
    task: Task
    asked: LabelingQuestion

    @property
    def version(self) -> str:
        return self.task.versions.scorers[self.asked.scorer]

    def run(self, run_id: str | None) -> CalibratedRun:
        """The run named, else the one that people labelled last."""
        asked = {**self._names, "run_id": run_id or "", "question_version": self.asked.version}
        row = next(iter(self._rows(RUN_TO_CALIBRATE.sql, asked)), None)
        if row is None:
            what = f"no completed run {run_id} of it" if run_id else "no completed run of it"
            raise UsageError(
                f"Nothing to calibrate in task '{self.task.name}': found {what}",
                next_step=f"`assay run {self.task.name}` makes one.",
            )
        return CalibratedRun(**row)

    def answers(self, run: CalibratedRun) -> list[Mapping[str, Any]]:
        """Every answer of the run with the verdict of this version of the judge."""
        asked = {**self._names, **_window(run), "scorer_version": self.version}
        rows: list[Mapping[str, Any]] = list(self._rows(JUDGED_ANSWERS.sql, asked))
        if not rows:
            raise UsageError(
                f"Nothing to calibrate in run {run.run_id} of task '{self.task.name}': none of its predictions has an output."
            )
        return rows

    def labels(self, run: CalibratedRun) -> SelectedLabels:
        """People's labels of the run, and how they were chosen."""
        samples = [_sample(row) for row in self._rows(DRAWN_SAMPLES.sql, self._names)]
        asked = {**self._names, **_window(run), "question_version": self.asked.version, "sample_id": ""}
        rows = [_label(row) for row in self._rows(SAMPLE_LABELS.sql, asked)]
        return choose_labels(run, self.asked.version, samples=samples, rows=rows)

    @property
    def _names(self) -> dict[str, object]:
        return {"task": self.task.name, "scorer": self.asked.scorer}

    def _rows(self, sql: str, parameters: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        return self.context.warehouse.stream(sql, parameters)


def _calibrated(context: StageContext, task: Task, asked: LabelingQuestion, run_id: str | None) -> CalibratedJudge:
    reading = _Reading(context=context, task=task, asked=asked)
    run = reading.run(run_id)
    rows, chosen = reading.answers(run), reading.labels(run)
    found = CalibrationSet(
        question=asked,
        answers=[_answer(row) for row in rows],
        labels=chosen.labels,
        source=chosen.source,
        judge_mismatch=_judge_mismatch(rows, run, asked.scorer, version=reading.version),
    )
    findings = tuple(calibration_findings(found))
    facts = _facts(task.name, run, found, version=reading.version)
    return CalibratedJudge(
        scorer=asked.scorer,
        scorer_version=reading.version,
        question_version=asked.version,
        run=run,
        source=chosen.source,
        labels=len(found.by_answer),
        findings=findings,
        estimates=tuple(_estimate(finding, facts, asked.scorer, version=reading.version) for finding in findings),
    )


def _facts(task: str, run: CalibratedRun, found: CalibrationSet, *, version: str) -> EstimateFacts:
    """The evaluation is named by all it rests on: the same verdicts and labels are the same evaluation."""
    judge = (found.question.scorer, version, found.question.version)
    content: list[Any] = [[asdict(answer) for answer in found.answers], [asdict(label) for label in found.labels]]
    content += [asdict(found.source), found.judge_mismatch]
    told = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
    return EstimateFacts(
        evaluation_id=content_hash("calibration", task, run.run_id, *judge, told, code_version()),
        task=task,
        **asdict(run),
    )


def _estimate(finding: Finding, facts: EstimateFacts, scorer: str, *, version: str) -> Estimate:
    return estimate_row(
        finding.measured,
        facts,
        metric=finding.metric,
        population=finding.population,
        slice=finding.slice,
        scorer=scorer,
        scorer_version=version,
        calibration=asdict(finding.facts) if finding.facts else None,
        label_counts=finding.label_counts,
        details=finding.details,
    )


def _judge_mismatch(rows: Sequence[Mapping[str, Any]], run: CalibratedRun, scorer: str, *, version: str) -> str | None:
    """Why the verdicts of the run are not those of this version of the judge, None where they are."""
    others = [row["other_version"] for row in rows if row["status"] is None and row["other_version"] is not None]
    again = f"`assay run --resume {run.run_id}` judges again"
    if others:
        known = ", ".join(sorted(set(others)))
        return (
            f"{len(others)} of {len(rows)} answers were judged by version {known} of {scorer} only, "
            f"which is now {version}: {again}"
        )
    if all(row["status"] is None for row in rows):
        return f"{scorer} has judged nothing in run {run.run_id}: {again}"
    return None


def _answer(row: Mapping[str, Any]) -> JudgedAnswer:
    is_scored = row["status"] == ScoreStatus.SCORED
    return JudgedAnswer(
        prediction_id=row["prediction_id"],
        record_id=row["record_id"],
        population=row["population"],
        slices=tuple(row["slices"]),
        cluster_id=row["cluster_id"],
        output_length=row["output_length"],
        status=row["status"],
        value=row["value"] if is_scored else None,
        passed=row["passed"] if is_scored else None,
    )


def _sample(row: Mapping[str, Any]) -> DrawnSample:
    names = (
        "sample_id", "run_id", "inference_version", "question_version", "purpose", "design", "frame", "frame_size", "labelled",
    )  # fmt: skip
    return DrawnSample(**{name: row[name] for name in names}, drawn_on=row["drawn_at"].date())


def _label(row: Mapping[str, Any]) -> SampledLabel:
    is_scored = row["status"] == ScoreStatus.SCORED
    label = None
    if row["annotator"] is not None:
        label = HumanLabel(
            prediction_id=row["prediction_id"],
            annotator=row["annotator"],
            label=row["label"] or CANNOT_TELL,
            value=row["value"] if is_scored else None,
            passed=row["passed"] if is_scored else None,
            is_adjudication=row["is_adjudication"],
        )
    return SampledLabel(
        prediction_id=row["prediction_id"],
        sample_id=row["sample_id"],
        inclusion_probability=row["inclusion_probability"],
        is_triaged=row["is_triaged"],
        label=label,
        labelled_on=row["labelled_at"].date() if row["labelled_at"] else None,
    )


def _window(run: CalibratedRun) -> dict[str, object]:
    return {"run_id": run.run_id, "data_date": run.data_date}
