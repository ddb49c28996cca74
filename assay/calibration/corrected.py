"""Evidence of rules on corrected rates: a judge's pass rate, corrected by human labels of the same run.

A prediction without an output is known not to pass. The labels must be of the run itself: those of another version say
nothing about how often the judge errs on this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from assay.calibration.calibrate import judged_run
from assay.calibration.label_set import CalibrationSet, Domain, JudgedAnswer
from assay.calibration.metrics import sample_with_failures
from assay.project import StageContext
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import PredictionStatus
from assay.scoring.tally import has_output
from assay.statistics.conventions import LEVEL
from assay.statistics.labels.corrected_differences import corrected_difference
from assay.statistics.labels.corrected_rates import ppi_rate
from assay.statistics.labels.labeled_sample import JudgedSample
from assay.statistics.measured import Measured, Status, unmeasured
from assay.tasks.gate_spec import OVERALL
from assay.tasks.task import Task


class JudgedOutcome(Protocol):
    """A prediction of a run, with or without an output."""

    @property
    def record(self) -> RecordKey:
        """The record."""
        ...

    @property
    def epoch(self) -> int:
        """The zero-based number of the repeat."""
        ...

    @property
    def status(self) -> PredictionStatus:
        """The status of the first outcome."""
        ...

    @property
    def population(self) -> str:
        """The population of the record."""
        ...

    @property
    def cluster(self) -> ClusterKey | None:
        """The cluster of the record."""
        ...


@dataclass(frozen=True, slots=True)
class CorrectedSample:
    """Judged and labeled predictions, and those without an output, with the record of each."""

    sample: JudgedSample
    records: Sequence[RecordKey]

    def of(self, records: Sequence[RecordKey]) -> JudgedSample:
        """The rows of these records, in their order."""
        import numpy as np

        places = {record: place for place, record in enumerate(self.records)}
        rows, sample = np.array([places[record] for record in records]), self.sample
        return replace(
            sample,
            judge=sample.judge[rows],
            labels=sample.labels[rows],
            inclusion=None if sample.inclusion is None else sample.inclusion[rows],
            clusters=None if sample.clusters is None else [sample.clusters[row] for row in rows],
        )


def judged_outputs(
    context: StageContext, task: Task, judge: str, *, run_id: str, rows: Sequence[JudgedOutcome]
) -> CalibrationSet | None:
    """The verdicts of a judge on a run, with its human labels; None if none of the run's predictions has an output."""
    if not any(has_output(row.status) for row in rows):
        return None
    return judged_run(context, task, judge, run_id=run_id)


def corrected_sample(found: CalibrationSet | None, rows: Sequence[JudgedOutcome]) -> CorrectedSample | Measured:
    """The sample of these predictions of a judged run, or an estimate without a value, with the reason why there is none.

    `rows` are the predictions of one population and slice that the judge was to score.
    """
    kept = {row.record for row in rows if has_output(row.status)}
    if found is None or not kept:
        return unmeasured("none of the predictions has an output", level=LEVEL, n=len(rows))
    failures = [_failure(row) for row in rows if not has_output(row.status)]
    answers = [answer for answer in found.answers if answer.record in kept and answer.status is not None]
    domain = Domain(of=found, population=rows[0].population, slice=OVERALL, answers=answers)
    sample = sample_with_failures(domain, failures)
    if isinstance(sample, str):
        return unmeasured(sample, level=LEVEL, n=len(rows))
    return CorrectedSample(sample, [answer.record for answer in (*answers, *failures)])


def corrected_rate(found: CorrectedSample | Measured) -> Measured:
    """The PPI++ rate; INCONCLUSIVE if it rests on too few labels."""
    return found if isinstance(found, Measured) else _enough(ppi_rate(found.sample).measured)


def corrected_rate_difference(candidate: CorrectedSample | Measured, champion: CorrectedSample | Measured) -> Measured:
    """The difference of the rates on the records of both; INCONCLUSIVE if it rests on too few labels."""
    for name, side in (("candidate", candidate), ("champion", champion)):
        if isinstance(side, Measured):
            return replace(side, reason=f"{name}: {side.reason}")
        if len(set(side.records)) < len(side.records):
            return unmeasured("corrected rates are compared with one epoch only", level=LEVEL, n=len(side.records))
    assert isinstance(candidate, CorrectedSample) and isinstance(champion, CorrectedSample)
    shared = sorted(set(candidate.records) & set(champion.records))
    return _enough(corrected_difference(candidate.of(shared), champion.of(shared)).measured)


def _enough(found: Measured) -> Measured:
    return replace(found, status=Status.INCONCLUSIVE) if found.status is Status.TOO_FEW else found


def _failure(row: JudgedOutcome) -> JudgedAnswer:
    return JudgedAnswer(
        prediction_id=f"without output: {row.record} {row.epoch}",
        record=row.record,
        population=row.population,
        cluster=row.cluster,
    )
