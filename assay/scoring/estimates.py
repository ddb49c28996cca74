"""Estimates of a run, computed from its tally, and the landing row of any estimate."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import orjson

from assay.inference.keys import content_hash
from assay.inference.request import RunFacts
from assay.records.evaluation import Estimate
from assay.records.statuses import ANSWERED, EstimateKind, PredictionStatus
from assay.scoring.means import MEAN, means
from assay.scoring.tally import FALLBACK, PASS_RATE, RELIABILITY_RATE, Cell, PopulationSlice, Rate, Tally, decided
from assay.scoring.tally import ScoreVerdict as Verdict
from assay.statistics.conventions import DEFAULT_TENANT, LEVEL
from assay.statistics.measured import Measured
from assay.statistics.multiple.slices import METHOD, SLICE_DIFFERENCE, SliceDifference, slice_differences
from assay.statistics.rates import grouped_rate, spanning, unscored_reason
from assay.statistics.repeats import Repeats, nested_variance
from assay.statistics.sampling import Groups
from assay.tasks.gate_spec import OVERALL, RELIABILITY
from assay.tasks.task import Task
from assay.version import code_version

PASS_AT, PASS_HAT = "pass_at_", "pass_hat_"
"""Prefixes of the metrics for several epochs; k is appended."""
VARIANCE = "variance"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateFacts:
    """The columns that all estimates of one evaluation share; for a single run, the evaluation id is the run id."""

    kind: EstimateKind
    evaluation_id: str
    run_id: str
    task: str
    data_date: date
    inference_version: str
    golden_set_version: str
    policy_version: str
    tenant_id: str = DEFAULT_TENANT


def estimate_row(
    measured: Measured,
    facts: EstimateFacts,
    *,
    metric: str,
    population: str,
    slice: str,
    scorer: str | None = None,
    scorer_version: str | None = None,
    label: str | None = None,
    calibration: Mapping[str, Any] | None = None,
    label_counts: Mapping[str, int] | None = None,
    details: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Estimate:
    """Returns the `estimates` row of a measurement; an estimate of the same metric and method replaces it.

    The parameters are the columns that `measured` and `facts` do not contain. `scorer` is None for a metric of the
    whole prediction, `label` for one that is not of a class. `details` contains further results of the method.
    """
    columns: dict[str, Any] = {
        "metric": metric, "scorer": scorer, "label": label, "population": population, "slice": slice,
        "method": measured.method,
    }  # fmt: skip
    return Estimate(
        **columns,
        estimate_id=estimate_id(facts.evaluation_id, **columns),
        evaluation_id=facts.evaluation_id,
        run_id=facts.run_id,
        task=facts.task,
        data_date=facts.data_date,
        occurred_at=datetime.now(UTC),
        tenant_id=facts.tenant_id,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        level=measured.level,
        n=measured.n,
        clusters=measured.clusters,
        effective_n=measured.effective_n,
        label_counts=_json(label_counts),
        inference_version=facts.inference_version,
        golden_set_version=facts.golden_set_version,
        policy_version=facts.policy_version,
        status=measured.status.value,
        reason=measured.reason,
        seed=seed,
        code_version=code_version(),
        scorer_version=scorer_version,
        standard_error=measured.standard_error,
        worst=measured.worst,
        best=measured.best,
        calibration=_json(calibration),
        details=_json(details),
        kind=facts.kind,
    )


def estimate_id(
    evaluation_id: str,
    *,
    metric: str,
    scorer: str | None,
    population: str,
    slice: str,
    method: str,
    label: str | None = None,
) -> str:
    """Returns the id of an estimate; it is the same whenever the same metric is computed again with the same method."""
    of_class = () if label is None else (label,)
    return content_hash(evaluation_id, metric, scorer or "", population, slice, method, *of_class)


def is_correct(task: Task, status: PredictionStatus, scores: Mapping[str, Verdict]) -> bool | None:
    """Returns whether every scorer of `correct:` passed the prediction; None if none failed it and one is undecided.

    A failed, refused or invalid prediction is not correct; a fallback can be if the task declares that it counts.
    """
    if not task.spec.correct:
        return None
    if not counts_as_answered(task, status):
        return False
    verdicts = [decided(scores.get(name)) for name in task.spec.correct]
    return False if False in verdicts else None if None in verdicts else True


def counts_as_answered(task: Task, status: PredictionStatus) -> bool:
    """True for a prediction with an output, and for a fallback if the task declares that it counts."""
    return status in ANSWERED or (status == FALLBACK and task.spec.fallback_counts)


def is_counted(task: Task, scores: Collection[str]) -> bool:
    """False outside the sample of a judge in `correct:`, which then has no score; `scores` are the scorers that have."""
    sampled = {judge.name for judge in task.spec.judges if judge.sample is not None}
    return sampled.isdisjoint(set(task.spec.correct) - set(scores))


def tally_of(task: Task) -> Tally:
    """Returns an empty tally for a run of the task."""
    votes = {**{check.name: 1 for check in task.spec.checks}, **{j.name: j.votes for j in task.spec.judges}}
    return Tally(votes, task.result_kinds)


def run_facts(task: Task, facts: RunFacts) -> EstimateFacts:
    """Returns the columns that all estimates of a run share."""
    return EstimateFacts(
        kind=EstimateKind.RUN,
        evaluation_id=facts.run_id,
        run_id=facts.run_id,
        task=facts.task,
        data_date=facts.data_date,
        inference_version=facts.inference_version,
        golden_set_version=task.versions.golden_set,
        policy_version=task.versions.policy,
    )


def estimates(tally: Tally, task: Task, facts: RunFacts, *, epochs: int) -> Iterator[Estimate]:
    """Yields one row per rate, population and slice that has predictions; for several epochs, also one row per k."""
    shared = run_facts(task, facts)
    for place, rate in product(tally.places, tally.rates):
        cell = tally.cell(rate, place)
        if cell is not None:
            yield _rate_row(cell, shared, task, rate=rate, place=place, epochs=epochs)
            if rate == RELIABILITY_RATE and epochs > 1:
                yield from _repeat_rows(cell, shared, place=place, epochs=epochs)
    yield from _slice_rows(tally, shared)
    for place, scorer, found, details in means(tally, task):
        yield estimate_row(
            found,
            shared,
            metric=MEAN,
            population=place.population,
            slice=place.slice,
            scorer=scorer,
            scorer_version=task.versions.scorers[scorer],
            details=details,
        )


def _slice_rows(tally: Tally, facts: EstimateFacts) -> Iterator[Estimate]:
    """Each slice against the rest of its population, by reliability; low and high hold for all tested slices together."""
    for population in {place.population: None for place in tally.places}:
        cell = tally.cell(RELIABILITY_RATE, PopulationSlice(population, OVERALL))
        slices = tally.members(RELIABILITY_RATE, population)
        if cell is None or not slices or cell.unscored == len(cell.values):
            continue
        groups = Groups.numbered(cell.groups, records=cell.records)
        for found in slice_differences(cell.values, groups, records=cell.records, slices=slices):
            yield estimate_row(
                _of_slice(found),
                facts,
                metric=SLICE_DIFFERENCE,
                population=population,
                slice=found.slice,
                details=_slice_details(found),
            )


def _of_slice(found: SliceDifference) -> Measured:
    return Measured(
        value=found.difference,
        low=found.test.low if found.test else None,
        high=found.test.high if found.test else None,
        level=LEVEL,
        method=METHOD,
        n=found.n,
        clusters=found.clusters,
        status=found.status,
        reason=found.reason,
    )


def _slice_details(found: SliceDifference) -> dict[str, Any]:
    return {
        "rate": found.rate,
        "rest_rate": found.rest_rate,
        "n_rest": found.n_rest,
        "records": found.records,
        "rest_records": found.rest_records,
        "p_value": found.p_value,
        "adjusted_p": found.test.p if found.test else None,
        "tested_slices": found.family,
    }


def _rate_row(
    cell: Cell, facts: EstimateFacts, task: Task, *, rate: Rate, place: PopulationSlice, epochs: int
) -> Estimate:
    return estimate_row(
        grouped_rate(cell.values, Groups.numbered(cell.groups, records=cell.records)),
        facts,
        metric=rate.metric,
        population=place.population,
        slice=place.slice,
        scorer=rate.scorer,
        scorer_version=task.versions.scorers[rate.scorer] if rate.scorer else None,
        details=_details(rate.metric, cell, epochs=epochs),
    )


def _repeat_rows(cell: Cell, facts: EstimateFacts, *, place: PopulationSlice, epochs: int) -> Iterator[Estimate]:
    cases = _cases(cell)
    for k in range(1, epochs + 1):
        at, hat = ([case.pass_at(k) for case in cases], [case.pass_hat(k) for case in cases])
        for metric, found in ((f"{PASS_AT}{k}", at), (f"{PASS_HAT}{k}", hat)):
            measured = _of_cases(found, cell)
            yield estimate_row(measured, facts, metric=metric, population=place.population, slice=place.slice)


def _cases(cell: Cell) -> list[Repeats]:
    """Returns the epochs as scored; if some are unscored, the worst and the best case, as for any rate."""
    import numpy as np

    unknown = (0.0, 1.0) if cell.unscored else (np.nan,)
    return [
        Repeats.numbered(np.nan_to_num(cell.values, nan=case), records=cell.records, groups=cell.groups)
        for case in unknown
    ]


def _of_cases(found: Sequence[Measured], cell: Cell) -> Measured:
    worst, best = found[0], found[-1]
    if len(found) == 1 or worst.value is None:
        return worst
    is_scored = cell.unscored < len(cell.values)
    reason = unscored_reason(cell.unscored, len(cell.values))
    return replace(spanning(worst, best, unscored=0 if is_scored else worst.n), reason=reason)


def _details(metric: str, cell: Cell, *, epochs: int) -> dict[str, Any] | None:
    """Returns the variance components of the metric; None if neither records nor predictions are scored repeatedly."""
    import numpy as np

    if cell.votes is not None:
        n_votes = cell.votes.shape[1]
        records, answers = np.repeat(cell.records, n_votes), np.repeat(np.arange(len(cell.records)), n_votes)
        split = nested_variance(cell.votes.ravel(), records=records, answers=answers)
    elif epochs > 1 and metric in (RELIABILITY, PASS_RATE):
        split = nested_variance(cell.values, records=cell.records)
    else:
        return None
    return None if split is None else {VARIANCE: {**asdict(split), "total": split.total}}


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
