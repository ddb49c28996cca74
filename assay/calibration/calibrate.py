"""Calibrates the judges of a task with human labels and lands the results as `estimates`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from assay.calibration.findings import Finding
from assay.calibration.label_selection import (
    CalibratedRun,
    DrawnSample,
    LabelPopulation,
    SampledLabel,
    SelectedLabels,
    choose_labels,
)
from assay.calibration.label_set import CalibrationFacts, CalibrationSet, HumanLabel, JudgedAnswer, LabelSource
from assay.calibration.metrics import KAPPA, calibration_findings
from assay.calibration.queries import DRAWN_SAMPLES, JUDGED_ANSWERS, RUN_TO_CALIBRATE, SAMPLE_LABELS
from assay.errors import UsageError
from assay.inference.keys import content_hash
from assay.labels.questions import CANNOT_TELL, LabelingQuestion, rubric_question
from assay.project import StageContext
from assay.records.evaluation import Estimate
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import AnnotatorKind, EstimateKind, ScoreStatus
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
    """The calibration of a judge's current version in one run; `findings` and `estimates` correspond one to one."""

    scorer: str
    scorer_version: str
    question_version: str
    run: CalibratedRun
    source: LabelSource
    labels: int
    """Number of predictions with a label of an expert."""
    other_labels: int
    """Number of labels of users and models, which no estimate uses."""
    findings: tuple[Finding, ...]
    estimates: tuple[Estimate, ...]

    @property
    def kappa(self) -> Measured:
        """Cohen's kappa of judge and human labels over the whole run, or the reason why it has no value."""
        return self._overall(KAPPA)[0].measured

    @property
    def kappa_id(self) -> str:
        """The estimate id of `kappa`."""
        return self._overall(KAPPA)[1].estimate_id

    @property
    def kappa_facts(self) -> CalibrationFacts:
        """Facts about the labels of the whole run."""
        facts = self._overall(KAPPA)[0].facts
        assert facts is not None  # Every metric that uses labels has facts about them.
        return facts

    def _overall(self, metric: str) -> tuple[Finding, Estimate]:
        pairs = zip(self.findings, self.estimates, strict=True)
        return next(pair for pair in pairs if pair[0].metric == metric and pair[0].slice == OVERALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrations:
    """The calibrated judges of a task, in the order of task.yml."""

    task: str
    judges: tuple[CalibratedJudge, ...]

    def of(self, scorer: str) -> CalibratedJudge | None:
        """The calibration of the judge with this name, or None."""
        return next((judge for judge in self.judges if judge.scorer == scorer), None)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The estimates of all judges."""
        return tuple(estimate for judge in self.judges for estimate in judge.estimates)


def calibrate(context: StageContext, task: Task, *, run_id: str | None = None) -> Calibrations:
    """Lands and returns the estimates of every judge of the task; unchanged labels and verdicts get the same ids.

    If `run_id` is None, each judge is calibrated in the latest completed run that has labels for it.

    Raises:
        UsageError: the task has no judge, the run does not exist, or none of its predictions has an output.
    """
    found = measure(context, task, run_id=run_id)
    writer = LandingWriter(context.warehouse)
    for chunk in chunks(found.estimates, CHUNK_ROWS):
        writer.append(chunk)
    return found


def measure(context: StageContext, task: Task, *, run_id: str | None = None) -> Calibrations:
    """The estimates that `calibrate` lands, without landing them.

    Raises:
        UsageError: see `calibrate`.
    """
    if not task.spec.judges:
        raise UsageError(
            f"Task '{task.name}' has no judge to calibrate",
            next_step=f"declare one under `judges` in {task.name}/task.yml; see docs/how-to/judges.md.",
        )
    questions = [rubric_question(judge, task.rubrics[judge.name]) for judge in task.spec.judges]
    return Calibrations(
        task=task.name, judges=tuple(_calibrated(context, task, question, run_id) for question in questions)
    )


def judged_run(context: StageContext, task: Task, judge: str, *, run_id: str) -> CalibrationSet:
    """The verdicts of a judge on the predictions of a run, with the human labels of that run.

    Raises:
        UsageError: the run does not exist, or none of its predictions has an output.
    """
    spec = next(one for one in task.spec.judges if one.name == judge)
    reader = _CalibrationReader(context=context, task=task, question=rubric_question(spec, task.rubrics[judge]))
    return reader.read(run_id)[1]


@dataclass(frozen=True, kw_only=True)
class _CalibrationReader:
    """Reads the run, the verdicts and the labels of one judge."""

    context: StageContext
    task: Task
    question: LabelingQuestion

    @property
    def version(self) -> str:
        return self.task.versions.scorers[self.question.scorer]

    def read(self, run_id: str | None) -> tuple[CalibratedRun, CalibrationSet]:
        """The run with its verdicts and labels; the latest labeled run if `run_id` is None."""
        run = self.run(run_id)
        rows = self.answers(run)
        chosen = self.labels(run, rows)
        return run, CalibrationSet(
            question=self.question,
            answers=[_answer(row) for row in rows],
            labels=chosen.labels,
            source=chosen.source,
            judge_mismatch=_judge_mismatch(rows, run, self.question.scorer, version=self.version),
        )

    def run(self, run_id: str | None) -> CalibratedRun:
        """The named run, or else the latest labeled run."""
        parameters = {**self._names, "run_id": run_id or "", "question_version": self.question.version}
        row = next(iter(self._rows(RUN_TO_CALIBRATE.sql, parameters)), None)
        if row is None:
            run = f"completed run {run_id}" if run_id else "completed run"
            raise UsageError(
                f"Task '{self.task.name}' has no {run} to calibrate",
                next_step=f"`assay run {self.task.name}` starts a run.",
            )
        return CalibratedRun(**row)

    def answers(self, run: CalibratedRun) -> list[Mapping[str, Any]]:
        """Every prediction of the run, with the verdict of this version of the judge."""
        parameters = {**self._names, **_window(run), "scorer_version": self.version}
        rows: list[Mapping[str, Any]] = list(self._rows(JUDGED_ANSWERS.sql, parameters))
        if not rows:
            raise UsageError(
                f"Run {run.run_id} of task '{self.task.name}' cannot be calibrated: none of its predictions has an output",
                next_step="calibrate another run with --run.",
            )
        return rows

    def labels(self, run: CalibratedRun, answers: Sequence[Mapping[str, Any]]) -> SelectedLabels:
        """The human labels of the run and their sampling design."""
        samples = [_sample(row) for row in self._rows(DRAWN_SAMPLES.sql, self._names)]
        parameters = {**self._names, **_window(run), "question_version": self.question.version, "sample_id": ""}
        rows = [_label(row) for row in self._rows(SAMPLE_LABELS.sql, parameters)]
        return choose_labels(run, self.question.version, samples=samples, rows=rows, population=_population(answers))

    @property
    def _names(self) -> dict[str, object]:
        return {"task": self.task.name, "scorer": self.question.scorer}

    def _rows(self, sql: str, parameters: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        return self.context.warehouse.stream(sql, parameters)


def _calibrated(context: StageContext, task: Task, question: LabelingQuestion, run_id: str | None) -> CalibratedJudge:
    reader = _CalibrationReader(context=context, task=task, question=question)
    run, found = reader.read(run_id)
    findings = tuple(calibration_findings(found))
    facts = _facts(task.name, run, found, version=reader.version)
    return CalibratedJudge(
        scorer=question.scorer,
        scorer_version=reader.version,
        question_version=question.version,
        run=run,
        source=found.source,
        labels=len(found.by_answer),
        other_labels=found.other_labels,
        findings=findings,
        estimates=tuple(_estimate(finding, facts, question.scorer, version=reader.version) for finding in findings),
    )


def _population(answers: Sequence[Mapping[str, Any]]) -> LabelPopulation:
    """The predictions that labels have to cover to be a census: the judged ones, or all if none was judged."""
    judged = [row for row in answers if row["status"] is not None or row["other_version"] is not None]
    return LabelPopulation(
        predictions=frozenset(row["prediction_id"] for row in judged or answers),
        description="judged predictions" if judged else "predictions with an output",
    )


def _facts(task: str, run: CalibratedRun, found: CalibrationSet, *, version: str) -> EstimateFacts:
    """The facts of the estimates; the evaluation id is a hash of all verdicts and labels."""
    judge = (found.question.scorer, version, found.question.version)
    content: list[Any] = [[_content(answer) for answer in found.answers], [asdict(label) for label in found.labels]]
    content += [asdict(found.source), found.judge_mismatch]
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
    return EstimateFacts(
        kind=EstimateKind.CALIBRATION,
        evaluation_id=content_hash("calibration", task, run.run_id, *judge, text, code_version()),
        task=task,
        **asdict(run),
    )


def _content(answer: JudgedAnswer) -> dict[str, Any]:
    """The fields that enter the hash; the tenant follows from the prediction."""
    cluster = None if answer.cluster is None else answer.cluster.cluster_id
    fields = {name: value for name, value in asdict(answer).items() if name not in {"record", "cluster"}}
    return {**fields, "record_id": answer.record.record_id, "cluster_id": cluster}


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
    """The reason if verdicts of the run come from a different version of the judge; None if they do not."""
    others = [row["other_version"] for row in rows if row["status"] is None and row["other_version"] is not None]
    fix = f"`assay run --resume {run.run_id}` scores with the current version"
    if others:
        known = ", ".join(sorted(set(others)))
        return (
            f"{len(others)} of {len(rows)} predictions were judged only by version {known} of {scorer}, "
            f"whose current version is {version}: {fix}"
        )
    if all(row["status"] is None for row in rows):
        return f"{scorer} has no verdict in run {run.run_id}: {fix}"
    return None


def _answer(row: Mapping[str, Any]) -> JudgedAnswer:
    is_scored = row["status"] == ScoreStatus.SCORED
    return JudgedAnswer(
        prediction_id=row["prediction_id"],
        record=RecordKey(row["tenant_id"], row["record_id"]),
        population=row["population"],
        slices=tuple(row["slices"]),
        cluster=ClusterKey.of(row["tenant_id"], row["cluster_id"]),
        output_length=row["output_length"],
        status=row["status"],
        value=row["value"] if is_scored else None,
        passed=row["passed"] if is_scored else None,
    )


def _sample(row: Mapping[str, Any]) -> DrawnSample:
    names = (
        "sample_id", "run_id", "inference_version", "question_version", "purpose", "design", "frame", "frame_size", "labeled",
    )  # fmt: skip
    return DrawnSample(**{name: row[name] for name in names}, drawn_on=row["drawn_at"].date())


def _label(row: Mapping[str, Any]) -> SampledLabel:
    is_scored = row["status"] == ScoreStatus.SCORED
    label = None
    if row["annotator"] is not None:
        label = HumanLabel(
            prediction_id=row["prediction_id"],
            annotator=row["annotator"],
            kind=AnnotatorKind(row["annotator_kind"]),
            label=row["label"] or CANNOT_TELL,
            value=row["value"] if is_scored else None,
            passed=row["passed"] if is_scored else None,
            is_adjudication=row["is_adjudication"],
        )
    return SampledLabel(
        prediction_id=row["prediction_id"],
        sample_id=row["sample_id"],
        stratum=row["stratum"],
        stratum_size=row["stratum_size"],
        inclusion_probability=row["inclusion_probability"],
        is_triaged=row["is_triaged"],
        label=label,
        labeled_on=row["labeled_at"].date() if row["labeled_at"] else None,
    )


def _window(run: CalibratedRun) -> dict[str, object]:
    return {"run_id": run.run_id, "data_date": run.data_date}
