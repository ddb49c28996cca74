"""The reliability of a run with its interval: overall, and by slice with the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from assay.formatting import NOTHING, percent
from assay.records.statuses import Population
from assay.report.block import Fact, IntervalBar, Scorecard, ScorecardBlock, Section
from assay.report.estimates import RateKey, covers, is_usable, landed_estimates, share
from assay.report.intervals import explained, has_bounds, interval
from assay.report.queries.rates import RATE_COUNTS, RUN_RATES
from assay.report.source import Rows, RunSource
from assay.statistics.conventions import FEWEST_OUTCOMES, FEWEST_RATED_SHOWN, INTERVAL_TITLE, TAIL_ERROR
from assay.statistics.measured import Status, wilson_bounds
from assay.statistics.rates import UNSCORED_METHOD, unscored_reason
from assay.tasks.gate_spec import OVERALL, RELIABILITY

TITLE = "Reliability at the first try, on this set"
SLICES = "Reliability by slice, the lowest bound first"
COLUMNS = ("population", "slice", "n", "correct", "reliability", INTERVAL_TITLE)
SHOWN_TO_THE_MODEL = Population.GOLDEN_DEV
UNSCORED = Status.UNSCORED
NOT_COVERED = "no estimate of the run covers exactly these predictions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBlock:
    """One row per population and slice with the columns of `rpt_run_reliability`; overall rows come first."""

    reliability: Rows = ()

    @property
    def overall(self) -> list[dict[str, Any]]:
        """The rows of whole populations."""
        return [row for row in self.reliability if row["slice"] == OVERALL]

    @property
    def shown_slices(self) -> list[dict[str, Any]]:
        """Slices with enough predictions, except in the dev split, whose cases may be in prompts; the worst first."""
        return sorted(filter(_is_shown, self.reliability), key=_from_worst)


def read(source: RunSource) -> ReliabilityBlock:
    """Returns the counts of the run with the intervals of its estimates."""
    landed = landed_estimates(source)
    rows = source.rows(RATE_COUNTS)
    return ReliabilityBlock(reliability=tuple(_rated(row, landed) for row in rows))


def facts(card: Scorecard) -> Iterator[Fact]:
    """Yields what the model got right at the first try, and what was delivered after failures were requested again."""
    block = card.of(ReliabilityBlock)
    overall = [row for row in block.overall if row["n_eligible"]]
    for row in overall:
        place = f" · {row['population']}" if len(overall) > 1 else ""
        n, again = row["n_eligible"], row["n_second_chances"]
        after = f", {again:,} requested again after a failure" if again else ", nothing requested again"
        yield f"first-try rate{place}", f"{_percent(row['reliability'])}: {row['n_correct']:,} of {n:,} correct"
        yield (
            f"delivered rate{place}",
            f"{_percent(row['delivered_rate'])}: {row['n_delivered_correct']:,} of {n:,}{after}",
        )
    if hidden := len(block.reliability) - len(block.overall) - len(block.shown_slices):
        yield (
            "not shown below",
            f"{hidden} slices in the dev split or with fewer than {FEWEST_RATED_SHOWN} predictions: see --format json",
        )


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields the overall rates, and those of slices; if nothing is scored, the worst and the best case."""
    block = card.of(ReliabilityBlock)
    yield _section(TITLE, block.overall)
    yield _section(SLICES, block.shown_slices)


def _section(title: str, rows: Iterable[Mapping[str, Any]]) -> Section:
    found = list(rows)
    return Section(title, COLUMNS, [_row(row) for row in found], tuple(_bar(row) for row in found))


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    rate = row["reliability"]
    stated = percent(rate) if _is_stated(rate) else f"{percent(row['worst_case'])} to {percent(row['best_case'])}"
    return (
        row["population"],
        row["slice"],
        f"{row['n_eligible']:,}",
        f"{row['n_correct']:,}",
        stated,
        explained(row),
    )


def _percent(rate: float | None) -> str:
    return percent(rate) if _is_stated(rate) else NOTHING


def _is_stated(rate: float | None) -> bool:
    return rate is not None and isfinite(rate)


def _is_shown(row: Mapping[str, Any]) -> bool:
    return bool(
        row["slice"] != OVERALL and row["n_eligible"] >= FEWEST_RATED_SHOWN and row["population"] != SHOWN_TO_THE_MODEL
    )


def _from_worst(row: Mapping[str, Any]) -> tuple[float, str, str]:
    """Sorts by the lower bound, or by the worst case of a slice without bounds."""
    bound = row["low"] if has_bounds(row) else row["worst_case"]
    return (bound if _is_stated(bound) else 1.0), row["population"], row["slice"]


def _rated(row: Mapping[str, Any], landed: Mapping[RateKey, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the counts with their rates and interval, as `int_runs_rated` and `rpt_run_reliability`."""
    n, unscored = row["n_eligible"], row["n_unscored"]
    worst, best = share(row["n_correct"], n), share(row["n_correct"] + unscored, n)
    estimate = landed.get(RateKey(RELIABILITY, row["population"], row["slice"]))
    is_estimated = is_usable(estimate) and covers(estimate, n, worst=worst, best=best)
    bounds = _of_estimate(estimate) if estimate is not None and is_estimated else _of_counts(row, worst, best)
    quality = share(row["n_answered_correct"], row["n_answered"]) if row["n_answered_scored"] else None
    delivered = share(row["n_delivered_correct"], n) if row["n_delivered_unscored"] < n else None
    return {
        **row,
        "worst_case": worst,
        "best_case": best,
        "reliability": worst if unscored < n else None,
        **bounds,
        "is_estimated": is_estimated,
        "quality_when_answered": quality,
        "delivered_rate": delivered,
    }


def _of_estimate(estimate: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: estimate[name] for name in ("low", "high", "method", "effective_n")}
    return {**kept, "interval_status": estimate["status"], "interval_reason": estimate["reason"]}


def _of_counts(row: Mapping[str, Any], worst: float | None, best: float | None) -> dict[str, Any]:
    """Returns Wilson's bounds of independent predictions with enough outcomes of both kinds; no bounds otherwise."""
    n, correct, unscored = row["n_eligible"], row["n_correct"], row["n_unscored"]
    is_independent = row["epochs"] == 1 and row["n_clusters"] == n
    is_valid = is_independent and min(correct, n - correct - unscored) >= FEWEST_OUTCOMES
    if worst is None or best is None or not is_valid:
        reason = NOT_COVERED if n else "no prediction"
        unknown = dict.fromkeys(("low", "high", "method", "effective_n"))
        return {**unknown, "interval_status": Status.NONE, "interval_reason": reason}
    return {
        "low": wilson_bounds(worst, n, error=TAIL_ERROR)[0],
        "high": wilson_bounds(best, n, error=TAIL_ERROR)[1],
        "method": UNSCORED_METHOD if unscored else "wilson",
        "effective_n": None if unscored else float(n),
        "interval_status": UNSCORED if unscored else Status.OK,
        "interval_reason": unscored_reason(unscored, n) if unscored else None,
    }


def _bar(row: Mapping[str, Any]) -> IntervalBar | None:
    low, high = (row["low"], row["high"]) if has_bounds(row) else (row["worst_case"], row["best_case"])
    if low is None or high is None or not isfinite(low) or not isfinite(high):
        return None
    rate = row["reliability"]
    return IntervalBar(
        low=f"{100 * low:.2f}",
        high=f"{100 * high:.2f}",
        rate=f"{100 * rate:.2f}" if _is_stated(rate) else None,
        is_dashed=not has_bounds(row) or row["interval_status"] == UNSCORED,
        label=interval(row),
    )


BLOCK = ScorecardBlock(
    kind=ReliabilityBlock, read=read, statements=(RATE_COUNTS, RUN_RATES), facts=facts, sections=sections
)
