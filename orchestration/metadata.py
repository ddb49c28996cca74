"""Metadata of materializations: counts, tokens, cost and the scorecard, but never record content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assay.errors import InputRejected
from assay.report.render import run_markdown
from assay.runs.admission import Admission
from assay.runs.batches.ledger import BatchStatus
from assay.runs.forecast.forecast import Forecast
from assay.runs.forecast.render import forecast_lines
from assay.runs.summary import RunSummary

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
    check = dg.AssetCheckResult(check_name=GATE, passed=False, metadata={"reason": str(stop), "run_id": stop.run_id})
    return dg.MaterializeResult(value=stop.run_id, metadata={"run_id": stop.run_id, "rows": 0}, check_results=[check])


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
    if summary.cost_usd is not None:
        metadata["cost_usd"] = float(summary.cost_usd)
    if summary.judge_calls:
        metadata["judge_calls"] = summary.judge_calls
        if summary.judge_cost_usd is not None:
            metadata["judge_cost_usd"] = float(summary.judge_cost_usd)
    return metadata


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


def scored(summary: RunSummary, estimates: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Returns the counts of the run, and its scorecard as Markdown."""
    return {**answered(summary), "scorecard": dg.MetadataValue.md(run_markdown(summary, estimates))}
