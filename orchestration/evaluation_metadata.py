"""Dagster metadata and asset check of an evaluation: the decision, its rules and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from assay.evaluation.evaluation import Evaluation
from assay.evaluation.render import RULE_COLUMNS, table_markdown, tables
from assay.evaluation.robustness.render import BROKEN_COLUMNS
from assay.evaluation.robustness.render import COLUMNS as ROBUSTNESS_COLUMNS
from assay.records.statuses import RuleDecision, RuleState
from assay.runs.summary import RunSummary
from orchestration.scorecard_metadata import gate_numbers

GATE = "gate"
REASONS_SHOWN = 3
STATE_OF = {RuleDecision.FAIL: RuleState.FAIL, RuleDecision.INCONCLUSIVE: RuleState.INCONCLUSIVE}
"""Maps each decision of a gate to the state of the rules that led to it."""


def evaluated(evaluation: Evaluation) -> dg.MaterializeResult[Any]:
    """Returns the result with its metadata and check; if the gate blocks, the failed check stops downstream assets."""
    sides = {"candidate": evaluation.candidate, "champion": evaluation.champion}
    runs = {f"{who}_run_id": side.run_id for who, side in sides.items() if side}
    results = evaluation.robustness.kinds if evaluation.robustness else ()
    evaluated_runs = [side for side in (*sides.values(), *(result.perturbed for result in results)) if side]
    paid = {side.run_id: side.spent for side in evaluated_runs if side.spent}
    return dg.MaterializeResult(
        metadata={
            **_decided(evaluation),
            **gate_numbers(evaluation.verdict),
            **{who: side.label for who, side in sides.items() if side},
            **runs,
            "reused_runs": len(set(runs.values()) - paid.keys()),
            "dagster/partition_row_count": evaluation.candidate.outcomes.records(),
            **_spent(list(paid.values())),
            **_tables(evaluation),
        },
        check_results=[_gate(evaluation)],
    )


def _decided(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "decision": evaluation.verdict.decision.value,
        "stage": str(evaluation.stage),  # Dagster metadata accepts only Dagster's own enums
        "gate_id": evaluation.gate_id or "",
        "evaluation_id": evaluation.evaluation_id,
        "population": evaluation.population,
    }


def _gate(evaluation: Evaluation) -> dg.AssetCheckResult:
    """Returns a check that passes if the decision is PASS; otherwise its severity is ERROR if it blocks, else WARN."""
    decision = evaluation.verdict.decision
    return dg.AssetCheckResult(
        check_name=GATE,
        passed=decision is RuleDecision.PASS,
        severity=dg.AssetCheckSeverity.ERROR if evaluation.blocks else dg.AssetCheckSeverity.WARN,
        description=_reasons(evaluation),
        metadata={**_decided(evaluation), **gate_numbers(evaluation.verdict)},
    )


def _reasons(evaluation: Evaluation) -> str:
    """Formats the decision and the first rules that led to it; there may be none without a champion."""
    decision = evaluation.verdict.decision
    decisive = [outcome for outcome in evaluation.verdict.outcomes if outcome.state is STATE_OF.get(decision)]
    reasons = [f"{outcome.rule.name}: {outcome.reason}" for outcome in decisive[:REASONS_SHOWN]]
    more = [f"and {len(decisive) - REASONS_SHOWN} more"] if len(decisive) > REASONS_SHOWN else []
    silent = ["no rule counts toward the decision"] if decision is RuleDecision.INCONCLUSIVE and not decisive else []
    return "; ".join([decision.value, *reasons, *more, *silent])


def _tables(evaluation: Evaluation) -> dict[str, Any]:
    """Formats the rules and, if there are any, the comparisons and the robustness as Markdown tables."""
    names = {RULE_COLUMNS: "rules", ROBUSTNESS_COLUMNS: "robustness", BROKEN_COLUMNS: "broken_answers"}
    shown = {}
    for _, columns, rows in tables(evaluation):
        name = names.get(tuple(columns), "comparisons")
        shown[name] = dg.MetadataValue.md(table_markdown(columns, rows))
    return shown


def _spent(runs: Sequence[RunSummary]) -> Mapping[str, Any]:
    """Returns calls, tokens and cost of the new runs, with the same keys as `metadata.answered`."""
    sent, got = sum(run.input_tokens for run in runs), sum(run.output_tokens for run in runs)
    costs = {
        "cost_usd": _sum(run.cost_usd for run in runs),
        "judge_cost_usd": _sum(run.judge_cost_usd for run in runs),
        "total_cost_usd": _sum(run.total_cost_usd for run in runs),
    }
    spent = {
        "openai.calls": sum(run.calls for run in runs),
        "openai.total_tokens": sent + got,
        "openai.prompt_tokens": sent,
        "openai.completion_tokens": got,
        "judge_calls": sum(run.judge_calls for run in runs),
    }
    return {**spent, **{name: cost for name, cost in costs.items() if cost is not None}}


def _sum(costs: Iterable[Decimal | None]) -> float | None:
    """Returns the sum in USD, or None if any cost is unknown."""
    known = list(costs)
    return None if None in known else float(sum(cost for cost in known if cost is not None))
