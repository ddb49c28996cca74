"""Renders the gate section of a scorecard: the task's latest decision with its rules, and the gate split's uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from assay.formatting import NOTHING, percent, usd
from assay.records.statuses import RuleDecision, RuleKind, RuleState
from assay.statistics.conventions import BOUNDS_TITLE
from assay.tasks.gate_spec import OVERALL

TITLE = "Gate"
COLUMNS = ("rule", "requirement", "found", BOUNDS_TITLE, "n", "state", "reason")
STATES = {RuleState.FAIL: RuleDecision.FAIL}
REQUIREMENTS = {
    RuleKind.LOWER_BOUND: "at least {}",
    RuleKind.NO_REGRESSION: "at most {} below the champion",
    RuleKind.COST_PER_CORRECT: "cost per correct prediction at most {}",
    RuleKind.LATENCY: "{} of predictions within the SLA",
    RuleKind.JUDGE_CALIBRATED: "κ of at least {}",
    RuleKind.GOLDEN_CASES: "at least {} cases",
}
OF_RATES = frozenset({RuleKind.LOWER_BOUND, RuleKind.NO_REGRESSION})
NUMBERS = frozenset({RuleKind.JUDGE_CALIBRATED, RuleKind.GOLDEN_CASES})
MartRow = Mapping[str, Any]


def gate_facts(gate: MartRow | None, split: MartRow | None) -> Iterator[tuple[str, str]]:
    """Yields the latest decision, the decision before it, and the uses of the gate split, each if there is one."""
    if gate is not None:
        does = "blocks" if gate["is_blocking"] else "does not block"
        against = gate["champion_variant"] or "no champion"
        yield (
            "latest gate",
            f"{gate['decision']}, {does} at {gate['stage']} · {gate['candidate_variant']} against {against} · "
            f"{gate['population']} · {gate['decided_at']:%Y-%m-%d %H:%M} UTC by {gate['decided_by']}",
        )
        if gate["previous_decision"] is not None:
            yield "previous gate", f"{gate['previous_decision']}, {gate['previous_decided_at']:%Y-%m-%d %H:%M} UTC"
    if split is not None:
        yield (
            "gate split",
            f"{split['n_gate_cases']:,} cases, used by {split['n_runs']:,} runs of {split['n_inference_versions']:,} "
            "inference versions since it last changed",
        )


def gate_rule_rows(rules: Sequence[MartRow]) -> list[tuple[str, ...]]:
    """Returns a row per rule of the decision, in the order of `task.yml`."""
    return [
        (
            str(rule["rule_name"]),
            _requirement(rule),
            _in_unit(rule, rule["value"]),
            _bounds(rule),
            f"{rule['n']:,}",
            str(STATES.get(rule["state"], rule["state"])),
            str(rule["reason"] or NOTHING),
        )
        for rule in rules
    ]


def _requirement(rule: MartRow) -> str:
    metric = f"{rule['metric']} " if rule["rule_type"] in OF_RATES else ""
    place = "" if rule["slice"] == OVERALL else f" in {rule['slice']}"
    return metric + REQUIREMENTS.get(rule["rule_type"], "{}").format(_in_unit(rule, rule["bar"])) + place


def _bounds(rule: MartRow) -> str:
    if rule["lower"] is None or rule["upper"] is None:
        return NOTHING
    return f"{_in_unit(rule, rule['lower'])} to {_in_unit(rule, rule['upper'])}"


def _in_unit(rule: MartRow, value: float | None) -> str:
    """Returns the value, formatted in the unit of the rule."""
    if value is None or not isfinite(value):
        return NOTHING
    if rule["rule_type"] == RuleKind.COST_PER_CORRECT:
        return usd(value)
    return f"{value:.3g}" if rule["rule_type"] in NUMBERS else percent(value)
