"""Metadata of materializations: counts, tokens, cost and the scorecard, but never record content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assay.adoption.adopt import AdoptedRun
from assay.errors import InputRejected
from assay.report.block import Scorecard
from assay.report.render import run_markdown
from assay.runs.admission import Admission
from assay.runs.batches.ledger import BatchStatus
from assay.runs.forecast.forecast import Forecast
from assay.runs.forecast.render import forecast_lines
from assay.runs.summary import RunSummary
from orchestration.scorecard_metadata import scorecard_numbers

GATE, COMPLETENESS = "inputs_gate", "completeness"


def admitted(admission: Admission, forecast: Forecast) -> dg.MaterializeResult[str]:
    """Returns the counts of admitted records and the cost forecast; the value is the run id, for downstream assets."""
    counts: dict[str, Any] = {
        "run_id": admission.run.run_id,
        "rows": admission.records,
        "rejected_rows": admission.rejected,
    }
    note = {"note": admission.warning} if admission.warning else {}
    check = dg.AssetCheckResult(check_name=GATE, passed=True, metadata={**counts, **note})
    return dg.MaterializeResult(
        value=admission.run.run_id, metadata={**counts, **_forecast(forecast)}, check_results=[check]
    )


def _forecast(forecast: Forecast) -> dict[str, Any]:
    """Returns the forecast as text and, if known, its bounds in USD."""
    ends = {"low": forecast.low_usd, "expected": forecast.expected_usd, "high": forecast.high_usd}
    amounts = {f"forecast/{end}_usd": float(usd) for end, usd in ends.items() if usd is not None}
    return {"forecast": "\n".join(forecast_lines(forecast)), "forecast/requests": forecast.requests, **amounts}


def refused(stop: InputRejected) -> dg.MaterializeResult[str]:
    """Returns a failed check for a rejected input, so that no downstream asset runs."""
    return dg.MaterializeResult(
        value=stop.run_id, metadata={"run_id": stop.run_id, "rows": 0}, check_results=[_refusal(stop)]
    )


def not_adopted(stop: InputRejected) -> dg.MaterializeResult[None]:
    """Returns a failed check for a rejected input, of an asset without a value."""
    return dg.MaterializeResult(metadata={"run_id": stop.run_id, "rows": 0}, check_results=[_refusal(stop)])


def _refusal(stop: InputRejected) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=GATE, passed=False, metadata={"reason": str(stop), "run_id": stop.run_id})


def adopted(runs: Sequence[AdoptedRun]) -> dg.MaterializeResult[None]:
    """Returns the counts and the reliability of each adopted variant, prefixed by its name."""
    counts: dict[str, Any] = {"dagster/partition_row_count": sum(run.summary.predictions for run in runs)}
    for run in runs:
        found: dict[str, Any] = {
            "run_id": run.summary.run_id,
            "predictions": run.summary.predictions,
            "valid": run.answered,
            "no_answer": run.without_answer,
            "rejected_rows": run.summary.rejected,
        }
        if run.reliability is not None and run.reliability["value"] is not None:
            found["reliability"] = run.reliability["value"]
        counts |= {f"{run.variant}/{name}": value for name, value in found.items()}
    check = dg.AssetCheckResult(check_name=GATE, passed=True)
    return dg.MaterializeResult(metadata=counts, check_results=[check])


def answered(summary: RunSummary) -> Mapping[str, Any]:
    """Returns counts, tokens and cost of the calls, with the metadata keys of dagster-openai if it defines them."""
    metadata: dict[str, Any] = {
        "run_id": summary.run_id,
        "dagster/partition_row_count": summary.predictions,
        "openai.calls": summary.calls,
        "openai.total_tokens": summary.input_tokens + summary.output_tokens,
        "openai.prompt_tokens": summary.input_tokens,
        "openai.completion_tokens": summary.output_tokens,
        "reused": summary.reused,
        "unpriced_calls": summary.unpriced_calls,
        **{f"status/{name}": count for name, count in summary.statuses.items()},
    }
    if summary.judge_calls:
        metadata["judge_calls"] = summary.judge_calls
    costs = {
        "cost_usd": summary.cost_usd,
        "judge_cost_usd": summary.judge_cost_usd if summary.judge_calls else None,
        "total_cost_usd": summary.total_cost_usd,
    }
    return metadata | {name: float(cost) for name, cost in costs.items() if cost is not None}


def completeness(summary: RunSummary, predictions: dg.AssetKey) -> dg.AssetCheckResult:
    """Returns the check of whether every record has a prediction for each epoch."""
    return dg.AssetCheckResult(
        asset_key=predictions,
        check_name=COMPLETENESS,
        passed=summary.predictions == summary.expected_predictions,
        metadata={"predictions": summary.predictions, "expected": summary.expected_predictions},
    )


def batch_counts(stand: BatchStatus) -> dict[str, int]:
    """Returns the counts of the run's batches."""
    return {"open_batches": stand.open, "batches": stand.batches, "open_requests": stand.open_requests}


def waiting(counts: Mapping[str, int], predictions: dg.AssetKey) -> dg.AssetCheckResult:
    """Returns a check with severity WARN while batches are open; it is no error, because the sensor resumes the run."""
    return dg.AssetCheckResult(
        asset_key=predictions,
        check_name=COMPLETENESS,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description="Batches are open; the sensor resumes the run once providers have finished them.",
        metadata=counts,
    )


def scored(summary: RunSummary, estimates: list[dict[str, Any]], card: Scorecard | None) -> Mapping[str, Any]:
    """Returns the counts of the run, its scorecard as Markdown and, if the run is completed, its numbers."""
    numbers = {} if card is None else scorecard_numbers(card)
    return {**answered(summary), **numbers, "scorecard": dg.MetadataValue.md(run_markdown(summary, estimates))}
