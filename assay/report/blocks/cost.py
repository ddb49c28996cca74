"""Cost and latency of a run; if it only reused responses, those of the last run that made calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.formatting import NOTHING, milliseconds, percent, usd
from assay.report.block import Fact, Scorecard, ScorecardBlock
from assay.report.blocks.run import RunBlock
from assay.report.cost_interval import interval_text
from assay.report.queries.calls import CALL_COSTS
from assay.report.queries.runs import LAST_CALLING_RUN
from assay.report.run_metrics import STATEMENTS, CostStatus, run_metrics
from assay.report.source import RunSource


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBlock:
    """`asked` is the last run that made calls, if the reported run made none; the reference model is that of calls."""

    asked: dict[str, Any] | None = None
    reference_model: str | None = None
    reference_price_source: str | None = None


def read(source: RunSource) -> CostBlock:
    """Returns the run whose calls are shown, if it is another, and the model to compare their cost with."""
    other = None if source.aggregate(CALL_COSTS)["calls"] else _calling_run(source)
    paid = (other or source).aggregate(CALL_COSTS)
    return CostBlock(
        asked=None if other is None else run_metrics(other),
        reference_model=paid["reference_model"],
        reference_price_source=paid["reference_price_source"],
    )


def facts(card: Scorecard) -> Iterator[Fact]:
    """Yields cost and latency, and the run that they are from if it is another."""
    block, own = card.of(CostBlock), card.of(RunBlock).run
    run = block.asked or own
    yield "cost per correct prediction", _cost_per_correct(own)
    if block.asked is not None:
        yield (
            "no calls",
            f"costs and latency below are from run {run['run_id']} · {run['data_date']}, the last run that made calls",
        )
    yield from _cost_facts(run)
    yield from _reference_facts(block, own)
    yield from _latency_facts(run)


def _calling_run(source: RunSource) -> RunSource | None:
    row = source.row(LAST_CALLING_RUN)
    if row is None:
        return None
    found = source.of(row)
    found.start(STATEMENTS)
    return found


def _cost_facts(run: Mapping[str, Any]) -> Iterator[Fact]:
    unpriced = f", {run['n_unpriced_calls']} calls unpriced" if run["n_unpriced_calls"] else ""
    if run.get("n_adopted"):
        yield "inference cost", f"{usd(run['cost_usd'])}, as the source states for {run['n_adopted']:,} predictions"
    else:
        yield "inference cost", f"{usd(run['cost_usd'])} for {run['calls']:,} calls{unpriced}"
    if run["judge_cost_usd"] != 0:
        yield "judge cost", usd(run["judge_cost_usd"])
    yield "total cost", usd(run["total_cost_usd"])


def _reference_facts(block: CostBlock, run: Mapping[str, Any]) -> Iterator[Fact]:
    if block.reference_model and run["reference_cost_per_correct_usd"] is not None:
        price = usd(run["reference_cost_per_correct_usd"])
        yield (
            "cost at a hosted model",
            f"{price} per correct prediction for the same tokens at {block.reference_model} ({block.reference_price_source})",
        )


def _cost_per_correct(run: Mapping[str, Any]) -> str:
    """Returns the cost with its interval, and with unscored predictions the cost if all of them were correct."""
    if run["cost_status"] in (CostStatus.UNPRICED, CostStatus.NONE_CORRECT):
        return f"{NOTHING} ({run['cost_status']})"
    if run["cost_per_correct_usd"] is None:
        cost = f"{NOTHING} ({run['cost_status']})"
    else:
        cost = f"{usd(run['cost_per_correct_usd'])}, {interval_text(run['cost_per_correct_interval'])}"
    if run["n_unscored"] and run["cost_per_correct_low_usd"] is not None:
        low = usd(run["cost_per_correct_low_usd"])
        cost = f"{cost}; {low} if all {run['n_unscored']:,} unscored predictions were correct"
    earlier = run["n_reused"] + run["n_cached"]
    return f"{cost}, with {earlier:,} reused predictions at the cost of their request" if earlier else cost


def _latency_facts(run: Mapping[str, Any]) -> Iterator[Fact]:
    if run["n_wire_answers"]:
        points = (f"P{point} {milliseconds(run[f'p{point}_ms'])}" for point in (50, 90, 99))
        yield "latency", f"{' · '.join(points)} of {run['n_wire_answers']:,} answered predictions"
    if run["share_within_sla"] is not None:
        met = "met" if run["meets_sla"] else "MISSED"
        within, target = percent(run["share_within_sla"]), percent(run["sla_share"])
        of = f"{within} of {run['n_requested']:,} within {run['sla_latency_ms']:,} ms"
        yield "SLA", f"{of}, target {target}: {met}"


BLOCK = ScorecardBlock(kind=CostBlock, read=read, statements=(CALL_COSTS,), facts=facts)
