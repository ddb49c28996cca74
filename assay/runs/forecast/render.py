"""Formats a forecast: its cost, its basis, and the cap that will stop the run."""

from __future__ import annotations

from decimal import Decimal

from assay.inference.prices import ADD_PRICE
from assay.runs.forecast.forecast import BOUND, LANDED, NOTHING, UNPRICED, Forecast

FINE = Decimal("0.01")
OF_WHAT = {
    "run": "the run's budget",
    "task": "the task's budget for this month",
    "project": "the project's budget for this month",
}


def forecast_lines(forecast: Forecast) -> list[str]:
    """Formats the lines shown before the first call: cost and basis, then the cap that stops the run, if any."""
    first, *rest = _cost(forecast)
    lines = [f"forecast: {first}", *(f"  {line}" for line in rest)]
    if forecast.judges:
        lines.append(f"  the cost of {forecast.judges} judge{'s' * (forecast.judges > 1)} is not included")
    if forecast.stops_at is not None and forecast.reaches is not None:
        cap = next(cap for cap in forecast.caps if cap.what == forecast.stops_at)
        least, most = forecast.reaches
        lines += [
            f"the run will stop at {OF_WHAT[cap.what]}: ${money(cap.left_usd)} of ${money(cap.cap_usd)} is left,",
            f"  enough for about {least:,} to {most:,} of its {forecast.requests:,} requests; the rest land as skipped_budget",
        ]
    return lines


def money(usd: Decimal) -> str:
    """Formats an amount to the cent, or to two significant digits if that would be zero."""
    if usd >= FINE or usd == 0:
        return f"{usd:,.2f}"
    return f"{usd:.{1 - usd.adjusted()}f}"


def _cost(forecast: Forecast) -> list[str]:
    about = "" if forecast.is_counted else "about "
    requests = f"{about}{forecast.requests:,} requests"
    reused = f"; {about}{forecast.reused:,} more are reused and cost nothing" if forecast.reused else ""
    if forecast.basis == NOTHING:
        return [f"$0.00, because no request is left{reused}"]
    if forecast.basis == UNPRICED or forecast.low_usd is None or forecast.high_usd is None:
        return [f"unknown for {requests}, because a model of the task has no price ({ADD_PRICE}){reused}"]
    between = f"${money(forecast.low_usd)} to ${money(forecast.high_usd)}"
    if forecast.basis == LANDED and forecast.expected_usd is not None:
        return [
            f"${money(forecast.expected_usd)} for {requests} (95%: {between}){reused}",
            f"based on {forecast.sampled:,} sampled inputs and {forecast.past_requests:,} earlier requests",
        ]
    assert forecast.basis == BOUND
    most = forecast.most_output_tokens or 0
    return [
        f"{between} for {requests}, one call each{reused}",
        f"without earlier responses for these prompts and models: 0 to {most:,} output tokens per response",
    ]
