"""The scorecard's block on the gate: the latest decision of the task with its rules, and how often the gate split was used.

Words and layout belong here; figures come in ready.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from assay.formatting import NOTHING, percent, usd
from assay.records.statuses import RuleDecision, RuleKind, RuleState
from assay.statistics.conventions import BOUNDS_TITLE
from assay.tasks.gate_spec import OVERALL

TITLE = "Gate"
COLUMNS = ("rule", "asks for", "found", BOUNDS_TITLE, "n", "state", "because")
STATES = {RuleState.FAIL: RuleDecision.FAIL}
BARS = {
    RuleKind.LOWER_BOUND: "at least {}",
    RuleKind.NO_REGRESSION: "at most {} below the champion",
    RuleKind.COST_PER_CORRECT: "a correct answer for at most {}",
    RuleKind.LATENCY: "{} of answers within the SLA",
    RuleKind.JUDGE_CALIBRATED: "κ of at least {}",
    RuleKind.GOLDEN_CASES: "at least {} cases",
}
OF_RATES = frozenset({RuleKind.LOWER_BOUND, RuleKind.NO_REGRESSION})
NUMBERS = frozenset({RuleKind.JUDGE_CALIBRATED, RuleKind.GOLDEN_CASES})
Figures = Mapping[str, Any]


def gate_facts(gate: Figures | None, split: Figures | None) -> Iterator[tuple[str, str]]:
    """The decision with what it was about, and the uses of the gate split; nothing where nothing was decided or asked."""
    if gate is not None:
        does = "blocks" if gate["is_blocking"] else "does not block"
        against = gate["champion_variant"] or "no champion"
        yield (
            "latest gate",
            f"{gate['decision']}, {does} at {gate['stage']} · {gate['candidate_variant']} against {against} · "
            f"{gate['population']} · {gate['decided_at']:%Y-%m-%d %H:%M} UTC by {gate['decided_by']}",
        )
        if gate["previous_decision"] is not None:
            yield "gate before it", f"{gate['previous_decision']}, {gate['previous_decided_at']:%Y-%m-%d %H:%M} UTC"
    if split is not None:
        yield (
            "gate split",
            f"{split['n_gate_cases']:,} cases, asked by {split['n_runs']:,} runs of {split['n_inference_versions']:,} "
            "inference versions since it last changed",
        )


def gate_rule_rows(rules: Sequence[Figures]) -> list[tuple[str, ...]]:
    """A row for each rule of the decision, in the order of the task's file."""
    return [
        (
            str(rule["rule_name"]),
            _asks(rule),
            _figure(rule, rule["value"]),
            _bounds(rule),
            f"{rule['n']:,}",
            str(STATES.get(rule["state"], rule["state"])),
            str(rule["reason"] or NOTHING),
        )
        for rule in rules
    ]


def _asks(rule: Figures) -> str:
    metric = f"{rule['metric']} " if rule["rule_type"] in OF_RATES else ""
    place = "" if rule["slice"] == OVERALL else f" in {rule['slice']}"
    return metric + BARS.get(rule["rule_type"], "{}").format(_figure(rule, rule["bar"])) + place


def _bounds(rule: Figures) -> str:
    if rule["lower"] is None or rule["upper"] is None:
        return NOTHING
    return f"{_figure(rule, rule['lower'])} to {_figure(rule, rule['upper'])}"


def _figure(rule: Figures, value: float | None) -> str:
    """In the unit of the rule."""
    if value is None or not isfinite(value):
        return NOTHING
    if rule["rule_type"] == RuleKind.COST_PER_CORRECT:
        return usd(value)
    return f"{value:.3g}" if rule["rule_type"] in NUMBERS else percent(value)
