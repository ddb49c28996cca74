"""Renders the gate section of a scorecard: the task's latest decision with its rules, and the gate split's uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.formatting import NOTHING
from assay.formatting.gate_rules import RuleTerms, bounds_in_unit, requirement, state_text, value_in_unit
from assay.records.statuses import RuleKind, RuleState
from assay.statistics.conventions import BOUNDS_TITLE

TITLE = "Gate"
COLUMNS = ("rule", "requirement", "found", BOUNDS_TITLE, "n", "state", "reason")
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
    return [_rule_row(rule, RuleKind(rule["rule_type"])) for rule in rules]


def _rule_row(rule: MartRow, kind: RuleKind) -> tuple[str, ...]:
    terms = RuleTerms(kind=kind, metric=rule["metric"], slice=rule["slice"], threshold=rule["bar"])
    return (
        str(rule["rule_name"]),
        requirement(terms),
        value_in_unit(kind, rule["value"]),
        bounds_in_unit(kind, rule["lower"], rule["upper"]),
        f"{rule['n']:,}",
        state_text(RuleState(rule["state"])),
        str(rule["reason"] or NOTHING),
    )
