"""The pass rate of each check and judge, of the model's own output and of what was delivered, and the means of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.formatting import NOTHING, percent
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.estimates import RateKey, covers, landed_estimates, share
from assay.report.intervals import explained, has_bounds
from assay.report.queries.rates import RUN_RATES, SCORE_COUNTS
from assay.report.source import Rows, RunSource
from assay.scoring.means import MEAN
from assay.statistics.conventions import INTERVAL_TITLE
from assay.statistics.measured import Status
from assay.tasks.gate_spec import OVERALL

TITLE = "Checks"
COLUMNS = (
    "population",
    "check",
    "n",
    "no output",
    "unscored",
    "failed",
    "passed",
    "pass rate",
    INTERVAL_TITLE,
    "delivered",
)
MEANS_TITLE = "Means of checks that measure"
MEAN_COLUMNS = ("population", "check", "n", "mean", "sd", f"{INTERVAL_TITLE} of the mean", "unscored")
NOT_COVERED = "no estimate covers exactly these predictions"
OWN, DELIVERED = "pass_rate", "delivered_pass_rate"
BOUNDS = ("low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorersBlock:
    """One row per population and scorer, with the columns of `rpt_run_scores`; `means` are those of measuring scorers."""

    scorers: Rows = ()
    means: Rows = ()


def read(source: RunSource) -> ScorersBlock:
    """Returns the counts of the scores of the run with the intervals and means of its estimates."""
    landed, counts = landed_estimates(source), source.rows(SCORE_COUNTS)
    return ScorersBlock(scorers=tuple(_rated(row, landed) for row in counts), means=tuple(_means(counts, landed)))


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields the counts and the rate of each scorer, and the rate with fallback values if there are some; then the means."""
    block = card.of(ScorersBlock)
    yield Section(TITLE, COLUMNS, [_row(row) for row in block.scorers])
    yield Section(MEANS_TITLE, MEAN_COLUMNS, [_mean_row(row) for row in block.means])


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = ("n_judgements", "n_no_output", "n_unscored", "n_failed", "n_passed")
    return (
        row["population"],
        row["scorer"],
        *(f"{row[name]:,}" for name in counts),
        percent(row["pass_rate"]),
        explained(row),
        percent(row["delivered_pass_rate"]) if row["n_fallback"] else NOTHING,
    )


def _mean_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    given = [f"{row['low']:.4g} – {row['high']:.4g}"] if has_bounds(row) else []
    reason = [f"({row['reason']})" if given else row["reason"]] if row["reason"] else []
    mean, sd = (NOTHING if row[name] is None else f"{row[name]:.4g}" for name in ("mean", "sd"))
    interval = " ".join([*given, *reason]) or NOTHING
    return row["population"], row["scorer"], f"{row['n']:,}", mean, sd, interval, f"{row['n_unscored']:,}"


def _means(counts: Rows, landed: Mapping[RateKey, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields the mean of each scorer that measures, in its own unit; `n` counts the outputs that have a number.

    A judge whose levels have no order has no mean. An estimate of other outputs than those counted is not shown.
    """
    for row in counts:
        estimate = _of_version(landed, row, MEAN)
        if estimate is None:
            continue
        details = json.loads(estimate["details"] or "null") or {}
        outputs = row["n_judgements"] - row["n_no_output"]
        is_covered = (estimate["n"], details.get("n")) == (outputs, row["n_scored"])
        yield {
            **{name: row[name] for name in ("population", "scorer", "scorer_kind", "scorer_version")},
            "n": row["n_scored"],
            "n_unscored": outputs - row["n_scored"],
            "mean": estimate["value"] if is_covered else None,
            "sd": details.get("sd") if is_covered else None,
            **{name: estimate[name] if is_covered else None for name in (*BOUNDS, "method")},
            "status": estimate["status"] if is_covered else Status.NONE,
            "reason": estimate["reason"] if is_covered else NOT_COVERED,
        }


def _rated(row: Mapping[str, Any], landed: Mapping[RateKey, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the counts with their rates; a scorer that gives a number without pass or fail has none."""
    n, has_rate = row["n_judgements"], not row["is_measure"]
    worst = share(row["n_passed"], n) if has_rate else None
    best = share(row["n_passed"] + row["n_undecided"], n) if has_rate else None
    given = share(row["n_delivered_passed"], n) if has_rate else None
    estimate = _of_version(landed, row, OWN)
    own = estimate if estimate is not None and covers(estimate, n, worst=worst, best=best) else None
    return {
        **row,
        "pass_rate": worst if row["n_undecided"] < n else None,
        **{name: own and own[name] for name in (*BOUNDS, "method")},
        "interval_status": own["status"] if own else Status.NONE,
        "interval_reason": own and own["reason"],
        "delivered_pass_rate": given if row["n_delivered_undecided"] < n else None,
        **_delivered_bounds(row, own, _of_version(landed, row, DELIVERED), given),
    }


def _delivered_bounds(
    row: Mapping[str, Any], own: Mapping[str, Any] | None, estimate: Mapping[str, Any] | None, given: float | None
) -> dict[str, Any]:
    """Returns the bounds of the delivered rate; without fallback values they are those of the model's own output."""
    if row["n_fallback"] and not covers(estimate, row["n_judgements"], worst=given):
        estimate = None
    chosen = estimate if row["n_fallback"] else own
    return {f"delivered_{name}": chosen[name] if own and chosen else None for name in BOUNDS}


def _of_version(
    landed: Mapping[RateKey, Mapping[str, Any]], row: Mapping[str, Any], metric: str
) -> Mapping[str, Any] | None:
    found = landed.get(RateKey(metric, row["population"], OVERALL, row["scorer"]))
    return found if found is not None and found["scorer_version"] == row["scorer_version"] else None


BLOCK = ScorecardBlock(kind=ScorersBlock, read=read, statements=(SCORE_COUNTS, RUN_RATES), sections=sections)
