"""Numbers of scorecards and gates as Dagster metadata: Dagster draws each number over the materializations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from assay.evaluation.verdict import GateVerdict
from assay.report.block import Scorecard
from assay.report.blocks.reliability import ReliabilityBlock
from assay.report.blocks.run import RunBlock
from assay.report.blocks.scorers import ScorersBlock

Number = dg.FloatMetadataValue | dg.IntMetadataValue
OF_RUN = {
    "cost_per_correct_usd": "cost_per_correct_usd",
    "total_cost_usd": "total_cost_usd",
    "latency/p50_ms": "p50_ms",
    "latency/p90_ms": "p90_ms",
    "latency/p99_ms": "p99_ms",
    "latency/n": "n_wire_answers",
    "sla/share": "share_within_sla",
    "sla/n": "n_requested",
}
"""Key of the metadata to column of the run's metrics."""
FIRST_TRY = {"rate": "reliability", "low": "low", "high": "high", "n": "n_eligible", "n_unscored": "n_unscored"}
DELIVERED = {"rate": "delivered_rate", "n": "n_eligible"}
CHECKED = {"rate": "pass_rate", "low": "low", "high": "high", "n": "n_judgements"}
EVIDENCE = ("value", "lower", "upper", "n")


def scorecard_numbers(card: Scorecard) -> dict[str, Number]:
    """Returns rates with their bounds and n, cost and latency, without those that are unknown.

    With several populations, the keys of rates name theirs: `first_try/golden:gate/rate`.
    """
    rates, scorers = card.of(ReliabilityBlock).overall, card.of(ScorersBlock).scorers
    several = len(rates) > 1
    found = dict(_numbers(card.of(RunBlock).run, "", OF_RUN))
    for row in rates:
        place = f"{row['population']}/" if several else ""
        found |= _numbers(row, f"first_try/{place}", FIRST_TRY)
        found |= _numbers(row, f"delivered/{place}", DELIVERED)
    for row in scorers:
        place = f"{row['population']}/" if several else ""
        found |= _numbers(row, f"check/{row['scorer']}/{place}", CHECKED)
    return found


def gate_numbers(verdict: GateVerdict) -> dict[str, Number]:
    """Returns the value, the bounds, n and the threshold of each rule, without those that are unknown."""
    found: dict[str, Number] = {}
    for outcome in verdict.outcomes:
        start = f"rule/{outcome.rule.name}/"
        found |= _numbers({"threshold": outcome.rule.threshold}, start, {"threshold": "threshold"})
        if outcome.evidence is not None:
            evidence = {name: getattr(outcome.evidence, name) for name in EVIDENCE}
            found |= _numbers(evidence, start, {name: name for name in EVIDENCE})
    return found


def _numbers(row: Mapping[str, Any], start: str, names: Mapping[str, str]) -> Iterator[tuple[str, Number]]:
    for name, column in names.items():
        value = row[column]
        if isinstance(value, int):
            yield f"{start}{name}", dg.MetadataValue.int(value)
        elif value is not None:
            yield f"{start}{name}", dg.MetadataValue.float(float(value))
