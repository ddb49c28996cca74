"""Fits a cascade from two landed runs: pairs their predictions, fits the threshold, and computes the cost."""

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
    """Options of a fit; `cheap` and `better` are variants or run ids. See `Goal` for `quality`, `within`, `error`.

    `source` is the source of the confidence; None means the one that the cheap route declares.
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
        """Returns the goal; by default, a quality at most 0.01 below that of the better route.

        Raises:
            UsageError: both `quality` and `within` are set.
        """
        if self.quality is not None and self.within is not None:
            raise UsageError("--quality and --within cannot be combined", next_step="omit one of them.")
        within = CASCADE_MARGIN if self.quality is None and self.within is None else self.within
        return Goal(quality=self.quality, within=within, error=self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCascade:
    """A fit and its two runs; `price` is estimated on the held-out half and None without a threshold.

    `left_out` counts the records that were not used, by reason.
    """

    task: str
    cheap: RouteRun
    better: RouteRun
    confidence_from: str
    left_out: Mapping[str, int]
    fit: Fit
    price: CascadePrice | None


def fit_cascade(warehouse: Warehouse, options: FitOptions, *, load: Callable[[str], Task]) -> FittedCascade:
    """Returns the cascade fitted from two runs; `load` returns the task with a given variant applied.

    Raises:
        UsageError: a run is missing or unsuitable, no confidence is declared, or there are too few records.
    """
    goal = options.goal()
    cheap = read_route_run(warehouse, options.cheap, name=options.task, load=load)
    better = read_route_run(warehouse, options.better, name=options.task, load=load)
    if cheap.run_id == better.run_id:
        raise UsageError(
            f"--cheap and --better both refer to run {cheap.run_id}", next_step="choose two different runs."
        )
    source = _source(options, cheap)
    records = paired(cheap, better, confidence_from=source)
    if len(records.pairs) < FEWEST_PAIRED_RECORDS:
        left_out = ", ".join(f"{count} {reason}" for reason, count in records.left_out.items()) or "none"
        raise UsageError(
            f"Too few scored records are common to runs {cheap.run_id} and {better.run_id}: {len(records.pairs)}, expected at "
            f"least {FEWEST_PAIRED_RECORDS}; omitted: {left_out}",
            next_step="label more records and run both variants again.",
        )
    fitted = fit(records.pairs, goal, seed=options.seed)
    fresh = halves(records.pairs, seed=options.seed)[1]
    return FittedCascade(
        task=options.task,
        cheap=cheap,
        better=better,
        confidence_from=source,
        left_out=records.left_out,
        fit=fitted,
        price=cascade_price(fresh, fitted.chosen.threshold) if fitted.chosen is not None else None,
    )


def _source(options: FitOptions, cheap: RouteRun) -> str:
    """Returns the source of the cheap route's confidence: `logprob` or an output field.

    Raises:
        UsageError: no source is declared, or the run has no such confidence.
    """
    rule = cheap.route.escalate.confidence
    source = options.source or (rule.source if rule is not None else None)
    if source is None:
        raise UsageError(
            f"Route '{cheap.route.name}' of variant '{cheap.task.variant}' declares no confidence",
            next_step="set `escalate.confidence` in task.yml, or pass --from with the output field that contains it.",
        )
    if source == LOGPROB and not cheap.route.needs_logprobs:
        raise UsageError(
            f"Run {cheap.run_id} did not request log probabilities",
            next_step=(
                f"add `escalate: {{confidence: {{from: logprob, below: 0.5}}}}` to route '{cheap.route.name}' "
                "and run it again."
            ),
        )
    if source != LOGPROB and source not in cheap.task.output_model.model_fields:
        fields = ", ".join(cheap.task.output_model.model_fields)
        raise UsageError(f"--from: expected {LOGPROB} or an output field ({fields}), found {source!r}")
    return source
