"""Fits a cascade from what two runs landed: the command's question and its answer.

Only the order of things belongs here: read, pair, fit, price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assay.errors import UsageError
from assay.statistics.conventions import CASCADE_MARGIN, ERROR, FEWEST_PAIRED_RECORDS
from assay.tasks.spec import LOGPROB
from assay.tasks.task import Task
from assay.tuning.cascade.paired_runs import RouteRun, paired, read_route_run
from assay.tuning.cascade.price import CascadePrice, cascade_price
from assay.tuning.cascade.threshold import Fit, Goal, fit, halves
from assay.warehouse.client import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """What is to be fitted: `cheap` and `better` are variants or ids of runs; see `Goal` for the rest.

    `source` is the confidence to go by, None for that of the cheap route.
    """

    task: str
    cheap: str
    better: str
    source: str | None = None
    quality: float | None = None
    within: float | None = None
    error: float = ERROR
    seed: int = 0

    def goal(self) -> Goal:
        """The goal; without one the cascade may be 0.01 below the better route.

        Raises:
            UsageError: both kinds of goal are given.
        """
        if self.quality is not None and self.within is not None:
            raise UsageError("assay route fit: expected --quality or --within, found both", next_step="leave one out.")
        within = CASCADE_MARGIN if self.quality is None and self.within is None else self.within
        return Goal(quality=self.quality, within=within, error=self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCascade:
    """A fit with the runs that it came from; `price` is that on the fresh half, None where nothing was chosen."""

    task: str
    cheap: RouteRun
    better: RouteRun
    confidence_from: str
    left_out: Mapping[str, int]
    fit: Fit
    price: CascadePrice | None


def fit_cascade(warehouse: Warehouse, asked: FitOptions, *, load: Callable[[str], Task]) -> FittedCascade:
    """The cascade of the two runs; `load` gives the task with a variant applied.

    Raises:
        UsageError: a run is missing or cannot be used, nothing says how sure an answer is, or the records are too few.
    """
    goal = asked.goal()
    cheap = read_route_run(warehouse, asked.cheap, name=asked.task, load=load)
    better = read_route_run(warehouse, asked.better, name=asked.task, load=load)
    if cheap.run_id == better.run_id:
        raise UsageError(f"assay route fit: --cheap and --better are both run {cheap.run_id}; expected two runs.")
    source = _source(asked, cheap)
    records = paired(cheap, better, confidence_from=source)
    if len(records.pairs) < FEWEST_PAIRED_RECORDS:
        left_out = ", ".join(f"{count} {reason}" for reason, count in records.left_out.items()) or "none left out"
        raise UsageError(
            f"Runs {cheap.run_id} and {better.run_id}: expected at least {FEWEST_PAIRED_RECORDS} records that both answered and that "
            f"can be judged, found {len(records.pairs)} ({left_out})",
            next_step="label more and run both again.",
        )
    fitted = fit(records.pairs, goal, seed=asked.seed)
    fresh = halves(records.pairs, seed=asked.seed)[1]
    return FittedCascade(
        task=asked.task,
        cheap=cheap,
        better=better,
        confidence_from=source,
        left_out=records.left_out,
        fit=fitted,
        price=cascade_price(fresh, fitted.chosen.threshold) if fitted.chosen is not None else None,
    )


def _source(asked: FitOptions, cheap: RouteRun) -> str:
    """What the cheap route's confidence is read from.

    Raises:
        UsageError: nothing says so, or it was not asked for in that run.
    """
    rule = cheap.route.escalate.confidence
    source = asked.source or (rule.source if rule is not None else None)
    if source is None:
        raise UsageError(
            f"Route '{cheap.route.name}' of variant '{cheap.task.variant}': expected `escalate.confidence` in task.yml, or "
            "--from with the field of the answer that states it; found neither."
        )
    if source == LOGPROB and not cheap.route.needs_logprobs:
        raise UsageError(
            f"Run {cheap.run_id} did not ask for log probabilities",
            next_step=(
                f"give route '{cheap.route.name}' "
                "`escalate: {confidence: {from: logprob, below: 0.5}}` and run it again."
            ),
        )
    if source != LOGPROB and source not in cheap.task.output_model.model_fields:
        fields = ", ".join(cheap.task.output_model.model_fields)
        raise UsageError(f"--from {source!r}: expected {LOGPROB} or a field of the answer ({fields}).")
    return source
