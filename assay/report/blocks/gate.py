"""The gate: the task's latest decision with its rules, and the uses of the gate split."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Any

from assay.charts.intervals import IntervalMark, MarkMeaning, difference_chart, rate_chart
from assay.formatting import NOTHING
from assay.formatting.gate_rules import RuleTerms, bounds_in_unit, requirement, state_text, value_in_unit
from assay.records.statuses import RuleKind, RuleState
from assay.report.block import Fact, Scorecard, ScorecardBlock, Section
from assay.report.blocks.run import RunBlock
from assay.report.queries.gates import LATEST_GATES
from assay.report.source import Rows, RunSource
from assay.statistics.conventions import BOUNDS_TITLE
from assay.warehouse.statement import GATE_SPLIT_USES

if TYPE_CHECKING:
    import altair as alt

TITLE = "Gate"
COLUMNS = ("rule", "requirement", "found", BOUNDS_TITLE, "n", "state", "reason")
DIFFERENCES, RATES = "differences and their margins", "rates and their thresholds"
MARGIN_RULES = frozenset({RuleKind.NO_REGRESSION, RuleKind.ROBUSTNESS})
"""Rules on a difference of rates, whose limit is minus the margin."""
RATE_RULES = frozenset({RuleKind.LOWER_BOUND, RuleKind.LATENCY, RuleKind.FLAKY_SHARE})
"""Rules on a share."""
RULE_COLUMNS = ("metric", "slice", "bar", "value", "lower", "upper", "n", "state", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateBlock:
    """The task's latest decision, with columns of `rpt_gates`, its rules, and how often the gate cases were used."""

    gate: dict[str, Any] | None = None
    gate_rules: Rows = ()
    gate_split: dict[str, Any] | None = None


def read(source: RunSource) -> GateBlock:
    """Returns the latest decision of the task, which may be about another run."""
    decisions = source.rows(LATEST_GATES)
    split = next((dict(row) for row in source.rows(GATE_SPLIT_USES) if row["n_runs"]), None)
    if not decisions:
        return GateBlock(gate_split=split)
    latest, before = decisions[0], decisions[1] if len(decisions) > 1 else {}
    rules = json.loads(latest["rules"] or "null") or []
    return GateBlock(
        gate={
            **{name: value for name, value in latest.items() if name != "rules"},
            "previous_decision": before.get("decision"),
            "previous_decided_at": before.get("decided_at"),
        },
        gate_rules=tuple(_rule(rule, number, latest["decided_at"].date()) for number, rule in enumerate(rules, 1)),
        gate_split=split,
    )


def facts(card: Scorecard) -> Iterator[Fact]:
    """Yields the latest decision, the decision before it, and the uses of the gate split, each if there is one."""
    block = card.of(GateBlock)
    gate, split = block.gate, block.gate_split
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
    if gate is not None and _is_other(gate, card):
        version = gate["candidate_inference_version"]
        yield "gate is about", f"variant {gate['candidate_variant']}, inference version {version}; not of this run"


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields a row per rule of the decision, in the order of `task.yml`."""
    block = card.of(GateBlock)
    gate = block.gate
    other = gate is not None and _is_other(gate, card)
    title = f"{TITLE}, of variant {gate['candidate_variant']}, not of this run" if gate and other else TITLE
    differences = [_mark(rule) for rule in block.gate_rules if rule["rule_type"] in MARGIN_RULES and _is_drawn(rule)]
    rates = [_mark(rule) for rule in block.gate_rules if rule["rule_type"] in RATE_RULES and _is_drawn(rule)]
    yield Section(title, COLUMNS, gate_rule_rows(block.gate_rules))
    if differences:
        yield _drawn(f"{title}: {DIFFERENCES}", difference_chart, differences)
    if rates:
        yield _drawn(f"{title}: {RATES}", rate_chart, rates)


def gate_rule_rows(rules: Rows) -> list[tuple[str, ...]]:
    """Returns a row per rule."""
    return [_rule_row(rule, RuleKind(rule["rule_type"])) for rule in rules]


def _drawn(title: str, chart: Callable[..., alt.TopLevelMixin], marks: Sequence[IntervalMark]) -> Section:
    return Section(title, (), [], chart=lambda: chart(marks, title=title, level=BOUNDS_TITLE))


def _is_drawn(rule: Mapping[str, Any]) -> bool:
    return all(rule[name] is not None and isfinite(rule[name]) for name in ("value", "lower", "upper"))


def _mark(rule: Mapping[str, Any]) -> IntervalMark:
    limit = -rule["bar"] if rule["rule_type"] in MARGIN_RULES else rule["bar"]
    meaning = {RuleState.PASS: MarkMeaning.GOOD, RuleState.FAIL: MarkMeaning.BAD}
    return IntervalMark(
        label=str(rule["rule_name"]),
        value=rule["value"],
        low=rule["lower"],
        high=rule["upper"],
        n=rule["n"],
        meaning=meaning.get(RuleState(rule["state"]), MarkMeaning.UNDECIDED),
        limit=limit,
    )


def _is_other(gate: Mapping[str, Any], card: Scorecard) -> bool:
    """True if the gate decided about another version than that of the run."""
    return bool(gate["candidate_inference_version"] != card.of(RunBlock).run["inference_version"])


def _rule(rule: Mapping[str, Any], number: int, decided_on: date) -> dict[str, Any]:
    """Returns a landed rule with the columns of `rpt_gate_rules`."""
    waiver = rule.get("waiver") or {}
    expires = date.fromisoformat(waiver["expires"]) if waiver.get("expires") else None
    return {
        "rule_number": number,
        "rule_name": rule.get("name"),
        "rule_type": rule.get("type"),
        **{name: rule.get(name) for name in RULE_COLUMNS},
        "waiver_owner": waiver.get("owner"),
        "waiver_expires_on": expires,
        "is_waiver_expired": None if expires is None else expires < decided_on,
    }


def _rule_row(rule: Mapping[str, Any], kind: RuleKind) -> tuple[str, ...]:
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


BLOCK = ScorecardBlock(
    kind=GateBlock, read=read, statements=(LATEST_GATES, GATE_SPLIT_USES), facts=facts, sections=sections
)
