"""The counts, costs and latencies of one run as one row, from its landing rows."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from assay.records.statuses import PartialReason, RunPurpose
from assay.report.cost_interval import cost_interval
from assay.report.queries.calls import CALL_COSTS, LATENCY, SLA_COUNTS_OF_ORIGINS
from assay.report.queries.costs import CLUSTER_COSTS
from assay.report.queries.rates import RATE_COUNTS
from assay.report.queries.runs import PREDICTION_COUNTS, ROW_COUNTS, TASK_VERSION
from assay.report.source import RunSource
from assay.tasks.gate_spec import OVERALL

STATEMENTS = (RATE_COUNTS, PREDICTION_COUNTS, ROW_COUNTS, TASK_VERSION, CALL_COSTS, LATENCY, CLUSTER_COSTS)
"""Statements that `run_metrics` always needs."""
IDENTITY = ("run_id", "data_date", "variant", "stage", "purpose", "inference_version", "run_status")
COUNTED = ("n_eligible", "n_unjudged", "n_correct", "n_unscored")
SUMMED = (*("calls", "n_unpriced_calls", "n_billing_unknown_calls"), *("judge_cost_usd", "reference_cost_usd"))
FIRST = (
    *("n_first_unpriced", "n_first_billing_unknown_calls", "n_first_unreferenced"),
    *("first_cost_usd", "first_cost_upper_usd", "first_reference_cost_usd"),
)
"""Sums of `CLUSTER_COSTS` over the clusters."""
LEDGER = ("rows_read", "rows_rejected", "records")
PERCENTILES = ("n_wire_answers", "p50_ms", "p90_ms", "p99_ms")
NUMERIC = Decimal("1e-9")
"""The last decimal place of BigQuery's NUMERIC."""


class CostStatus(StrEnum):
    """Values of `rpt_cost_per_correct.cost_status`."""

    OK = "ok"
    BILLING_UNKNOWN = "billing_unknown"
    UNPRICED = "unpriced"
    UNSCORED = "unscored"
    NONE_CORRECT = "none_correct"


def run_metrics(source: RunSource) -> dict[str, Any]:
    """Returns one row with the columns of rpt_runs, rpt_cost_per_correct, rpt_completeness and rpt_latency."""
    run, landed = source.run, source.aggregate(PREDICTION_COUNTS)
    overall = [row for row in source.rows(RATE_COUNTS) if row["slice"] == OVERALL]
    counts = {name: sum(row[name] for row in overall) for name in COUNTED}
    reason = _partial_reason(run, landed)
    paid = _with_adopted(source.aggregate(CALL_COSTS), landed)
    return {
        **_chosen(run, IDENTITY),
        "is_whole": reason is None,
        "partial_reason": reason,
        "n_skipped": landed["n_skipped"],
        **counts,
        "n_reused": landed["n_reused"],
        "n_cached": landed["n_cached"],
        "n_adopted": landed["n_adopted"],
        **_costs(paid),
        **_cost_per_correct(source.rows(CLUSTER_COSTS), counts),
        "cost_per_correct_interval": cost_interval(source),
        **_chosen(run, LEDGER),
        "is_complete": _is_complete(run, {**landed, **source.aggregate(ROW_COUNTS)}),
        **_chosen(source.aggregate(LATENCY), PERCENTILES),
        **_within_sla(source, landed),
    }


def _chosen(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _partial_reason(run: dict[str, Any], landed: dict[str, Any]) -> PartialReason | None:
    """Returns why a completed run is not whole, as `rpt_runs.partial_reason`."""
    if run["purpose"] == RunPurpose.PERTURB:
        return PartialReason.PERTURBED
    if run["is_limited"]:
        return PartialReason.LIMITED
    return PartialReason.OUT_OF_BUDGET if landed["n_skipped"] else None


def _is_complete(run: dict[str, Any], landed: dict[str, Any]) -> bool:
    """True if the counts that the run reports are those that landed; a missing count is not complete."""
    known = [run[name] for name in (*LEDGER, "expected_predictions")]
    if None in known:
        return False
    rows_read, rejected, records, expected = known
    requests = records * run["epochs"]
    return bool(
        rows_read == rejected + records
        and (landed["landed_rejected"], landed["landed_records"]) == (rejected, records)
        and expected == landed["landed_predictions"] == landed["landed_requests"] == requests
    )


def _with_adopted(paid: dict[str, Any], landed: dict[str, Any]) -> dict[str, Any]:
    """Returns the costs of the calls or, of adopted predictions, what their source states; Assay did not pay those."""
    is_priced = not paid["n_unpriced_calls"] and not landed["n_adopted_unpriced"]
    if not landed["n_adopted"]:
        return {**paid, "is_priced": is_priced}
    stated = landed["adopted_cost_usd"] or 0
    return {**paid, "is_priced": is_priced, "cost_usd": stated, "cost_upper_usd": stated}


def _costs(paid: dict[str, Any]) -> dict[str, Any]:
    """Returns the columns of `rpt_cost_per_correct` about the calls that the run itself made."""
    cost = Decimal(paid["cost_usd"]) if paid["is_priced"] else None
    return {
        **_chosen(paid, SUMMED),
        "cost_usd": cost,
        "total_cost_usd": None if cost is None or paid["judge_cost_usd"] is None else cost + paid["judge_cost_usd"],
    }


def _cost_per_correct(clusters: Iterable[dict[str, Any]], counts: dict[str, int]) -> dict[str, Any]:
    """Returns the columns of `rpt_cost_per_correct` about the first outcomes, in whatever run they were paid for."""
    rows = list(clusters)
    sums = {name: sum(row[name] or 0 for row in rows) for name in FIRST}
    correct, at_best = counts["n_correct"], counts["n_correct"] + counts["n_unscored"]
    has_reference = not sums["n_first_unreferenced"] and any(
        row["first_reference_cost_usd"] is not None for row in rows
    )
    is_priced = bool(rows) and not sums["n_first_unpriced"]
    cost, upper = (sums[name] if is_priced else None for name in ("first_cost_usd", "first_cost_upper_usd"))
    return {
        "first_cost_usd": cost,
        "n_first_unpriced": sums["n_first_unpriced"],
        "cost_per_correct_usd": _per(cost, correct),
        "cost_per_correct_low_usd": _per(cost, at_best),
        "cost_per_correct_upper_usd": _per(upper, correct),
        "cost_status": _cost_status(sums, counts),
        "reference_cost_per_correct_usd": _per(sums["first_reference_cost_usd"] if has_reference else None, correct),
    }


def _cost_status(sums: dict[str, Any], counts: dict[str, int]) -> CostStatus:
    """Returns why the cost per correct prediction is unknown or uncertain; unscored predictions may be correct."""
    if sums["n_first_unpriced"]:
        return CostStatus.UNPRICED
    if not counts["n_correct"]:
        return CostStatus.UNSCORED if counts["n_unscored"] else CostStatus.NONE_CORRECT
    if sums["n_first_billing_unknown_calls"]:
        return CostStatus.BILLING_UNKNOWN
    return CostStatus.UNSCORED if counts["n_unscored"] else CostStatus.OK


def _per(cost: Any, correct: int) -> Decimal | None:
    """Returns cost / correct as BigQuery divides NUMERIC, or None if it is unknown or nothing is correct."""
    if cost is None or not correct:
        return None
    return (Decimal(cost) / correct).quantize(NUMERIC, ROUND_HALF_UP)


def _within_sla(source: RunSource, landed: dict[str, Any]) -> dict[str, Any]:
    """Returns the share of requested predictions within the SLA; one without a latency is not within it.

    The share is unknown if no prediction has a latency.
    """
    version, requested = source.row(TASK_VERSION) or {}, landed["n_requested"]
    latency_ms, target = version.get("sla_latency_ms"), version.get("sla_share")
    share = None
    if latency_ms is not None and landed["n_timed"]:
        earlier = landed["n_requested_earlier"] and source.aggregate(SLA_COUNTS_OF_ORIGINS)["n_within_sla"]
        share = (landed["n_within_sla"] + earlier) / requested
    return {
        "n_requested": requested or None,
        "sla_latency_ms": latency_ms if requested else None,
        "sla_share": target if requested else None,
        "share_within_sla": share,
        "meets_sla": None if share is None or target is None else share >= target,
    }
