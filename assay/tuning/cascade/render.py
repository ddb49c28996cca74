"""Renders a fitted cascade as a table, as JSON values, and as a block for `task.yml`."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import yaml

from assay.inference.prices import ADD_PRICE
from assay.statistics.exact_tests import difference_bounds, rate_bounds
from assay.tuning.cascade.fit_routes import FittedCascade
from assay.tuning.cascade.paired_runs import RouteRun
from assay.tuning.cascade.price import CascadePrice, PriceEstimate
from assay.tuning.cascade.threshold import GRID, KEEP_ALL, CascadeCounts, Fit, Goal


def as_values(fitted: FittedCascade) -> dict[str, Any]:
    """Returns values for JSON; bounds are one-sided, each at the error rate `error`."""
    fit, chosen = fitted.fit, fitted.fit.chosen
    return {
        "task": fitted.task,
        "cheap": _run(fitted.cheap),
        "better": _run(fitted.better),
        "confidence_from": fitted.confidence_from,
        "goal": asdict(fit.goal),
        "threshold": None if chosen is None else chosen.threshold,
        "thresholds_tried": len(GRID),
        "reason": fit.reason,
        "verdict": fit.verdict,
        "calibration": {"n": fit.calibrated_on} | (_outcome(chosen, fit.goal) if chosen else {}),
        "held_out": {"n": fit.held_out_n} | (_outcome(fit.held_out, fit.goal) if fit.held_out else {}),
        "price": None if fitted.price is None else asdict(fitted.price),
        "more_labels": fit.more_labels,
        "left_out": dict(fitted.left_out),
        "task_yml": task_yml(fitted) if chosen is not None else None,
    }


def rows(fitted: FittedCascade) -> list[tuple[str, str]]:
    """Returns the table rows: name and value of each result."""
    fit = fitted.fit
    facts = [
        ("goal", _goal(fit.goal)),
        ("cheap route", f"{fitted.cheap.route.name} ({fitted.cheap.route.model}), run {fitted.cheap.run_id}"),
        ("better route", f"{fitted.better.route.name} ({fitted.better.route.model}), run {fitted.better.run_id}"),
        ("confidence", f"from {fitted.confidence_from}"),
        ("records", f"{fit.calibrated_on:,} for fitting, {fit.held_out_n:,} held out"),
        *((f"omitted: {reason}", f"{count:,}") for reason, count in fitted.left_out.items()),
    ]
    if fit.chosen is None or fit.held_out is None:
        return [*facts, ("threshold", "none qualifies"), ("reason", str(fit.reason)), _labels(fit)]
    return [
        *facts,
        ("threshold", _threshold(fit.chosen)),
        ("fitted on", _quality(fit.chosen, fit.goal)),
        ("checked on held-out records", f"{fit.verdict}: {_quality(fit.held_out, fit.goal)}"),
        *_money(fitted.price),
        _labels(fit),
    ]


def task_yml(fitted: FittedCascade) -> str:
    """Returns the `routes` block for `task.yml`."""
    cheap = fitted.cheap.route.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    better = fitted.better.route.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if cheap["name"] == better["name"]:
        cheap["name"], better["name"] = fitted.cheap.task.variant, fitted.better.task.variant
    escalate = {key: value for key, value in cheap.get("escalate", {}).items() if key != "confidence"}
    if fitted.fit.chosen is not None and fitted.fit.chosen.threshold > KEEP_ALL:
        escalate["confidence"] = {"from": fitted.confidence_from, "below": fitted.fit.chosen.threshold}
    cheap.pop("escalate", None)
    routes = [cheap | ({"escalate": escalate} if escalate else {}), better]
    return yaml.safe_dump({"routes": routes}, sort_keys=False, allow_unicode=True)


def _run(run: RouteRun) -> dict[str, str]:
    return {
        "run_id": run.run_id,
        "variant": run.task.variant,
        "route": run.route.name,
        "provider": run.route.provider,
        "model": run.route.model,
    }


def _outcome(counts: CascadeCounts, goal: Goal) -> dict[str, Any]:
    quality, difference = counts.reached
    return {
        "quality": quality,
        "quality_bounds": rate_bounds(counts.correct, counts.n, error=goal.error),
        "better_quality": counts.better_correct / counts.n,
        "difference": difference,
        "difference_bounds": difference_bounds(counts.gains, counts.losses, counts.n, error=goal.error),
        "gains": counts.gains,
        "losses": counts.losses,
        "escalated": counts.escalated,
    }


def _goal(goal: Goal) -> str:
    target = (
        f"quality of at least {goal.quality:g}"
        if goal.quality is not None
        else f"quality at most {goal.within:g} below that of the better route"
    )
    return f"{target}; probability of missing it at most {goal.error:g}"


def _threshold(counts: CascadeCounts) -> str:
    if counts.threshold == KEEP_ALL:
        return "none needed: every valid response of the cheap route can be kept"
    return f"escalate below {counts.threshold!r}"


def _quality(counts: CascadeCounts, goal: Goal) -> str:
    quality, difference = counts.reached
    low, high = rate_bounds(counts.correct, counts.n, error=goal.error)
    worst, best = difference_bounds(counts.gains, counts.losses, counts.n, error=goal.error)
    return (
        f"quality {quality:.4f} ({low:.4f} to {high:.4f}), better route {counts.better_correct / counts.n:.4f}, "
        f"difference {difference:+.4f} ({worst:+.4f} to {best:+.4f})"
    )


def _money(price: CascadePrice | None) -> list[tuple[str, str]]:
    if price is None:
        return []
    facts = [("escalated", _share(price.escalated))]
    if price.cascade_usd is None:
        return [*facts, ("cost", f"unknown: a model of these runs has no price; {ADD_PRICE}")]
    cascade = price.cascade_usd
    facts += [
        ("cost per record", f"{_usd(cascade.value)} ({_usd(cascade.low)} to {_usd(cascade.high)})"),
        ("cost of one route alone", f"cheap {_usd(price.cheap_usd)}, better {_usd(price.better_usd)}"),
    ]
    return [*facts, ("saved relative to the better route", _share(price.saved))] if price.saved else facts


def _labels(fit: Fit) -> tuple[str, str]:
    if fit.stopped_at is None:
        return "more labels", "not needed: every lower threshold qualifies"
    what = "for a first threshold" if fit.chosen is None else f"to lower the threshold to {fit.stopped_at.threshold:g}"
    if fit.more_labels is None:
        return "more labels", f"{what}: would not help at the observed rates"
    return "more labels", f"{what}: about {fit.more_labels:,} additional records with an expected value"


def _share(estimate: PriceEstimate) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"${Decimal(repr(value)):.3g}"
