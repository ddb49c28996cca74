"""Each rule of a gate gets its own evidence, and one without any gets none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from assay.evaluation.comparisons import compared, comparison_id, regression_margins
from assay.evaluation.evidence import GateInputs, RuleEvidence, evidence_for
from assay.evaluation.verdict import decide, gate_waivers
from assay.records.statuses import RuleKind, RuleState
from assay.scoring.estimates import estimate_id
from assay.tasks.gate_rule import gate_rules
from assay.tasks.gate_spec import GateSpec
from assay.tasks.spec import SlaSpec
from tests.evaluation.scenario import outcomes

SLA = SlaSpec(latency_ms=20, share=0.95)
TODAY = date(2026, 1, 1)
GATE = GateSpec.model_validate(
    {
        "rules": [
            {"name": "floor", "type": "lower_bound", "at_least": 0.8},
            {"name": "not_worse", "type": "no_regression", "margin": 0.05, "slice": "k=x", "n_min": 5},
            {"name": "cheap", "type": "cost_per_correct", "at_most_usd": 0.1},
            {"name": "fast", "type": "latency"},
            {"name": "trusted", "type": "judge_calibrated", "judge": "safe", "kappa": 0.6, "labels": 100},
            {"name": "enough", "type": "golden_cases", "at_least": 30, "covering": ["k=x"], "each": 10},
        ],
        "waivers": [{"rule": "floor", "owner": "ana", "reason": "known", "expires": "2026-01-31"}],
    }
)
RULES = gate_rules(GATE, SLA)
MARGINS = regression_margins(GATE)


def evidence(**inputs: Any) -> dict[str, RuleEvidence]:
    return evidence_for(RULES, GateInputs(evaluation_id="e", **inputs))


def test_rules_have_the_bars_of_the_file_and_the_latency_that_of_the_sla() -> None:
    assert {rule.name: (rule.kind, rule.threshold, rule.n_min) for rule in RULES} == {
        "floor": (RuleKind.LOWER_BOUND, 0.8, 1),
        "not_worse": (RuleKind.NO_REGRESSION, 0.05, 5),
        "cheap": (RuleKind.COST_PER_CORRECT, 0.1, 1),
        "fast": (RuleKind.LATENCY, 0.95, 1),
        "trusted": (RuleKind.JUDGE_CALIBRATED, 0.6, 100),
        "enough": (RuleKind.GOLDEN_CASES, 30.0, 10),
    }
    assert gate_waivers(GATE)[0].expires == date(2026, 1, 31)


def test_absolute_rules_rest_on_the_candidates_own_answers() -> None:
    found = evidence(candidate=outcomes(right=36), sla=SLA)

    assert {name: one.value for name, one in found.items()} == {
        "floor": 0.9,
        "cheap": pytest.approx(0.4 / 36),
        "fast": 1.0,
        "enough": 40.0,
    }
    floor = {"metric": "reliability", "scorer": None, "population": "golden:gate", "slice": "overall"}
    landed = estimate_id("e", **floor, method=found["floor"].method)
    assert (found["floor"].estimate_ids, found["enough"].counts) == ((landed,), {"k=x": 20})
    assert found["floor"].error == pytest.approx(0.05)


def test_input_rows_are_no_golden_cases() -> None:
    rows = outcomes(right=36)
    records = replace(rows, rows=tuple(replace(row, population="input") for row in rows.rows))

    found = evidence(candidate=records)["enough"]

    assert (found.value, found.n, dict(found.counts)) == (None, 0, {})
    outcome = next(o for o in decide(RULES, {"enough": found}, today=TODAY).outcomes if o.rule.name == "enough")
    assert (outcome.state, outcome.reason) == (
        RuleState.INCONCLUSIVE,
        "the records are of the population 'input', not golden cases",
    )


def test_a_regression_rule_rests_on_the_comparison_in_its_slice() -> None:
    candidate, champion = outcomes(right=30), outcomes(right=36)
    places = tuple(compared(candidate, champion, metrics=["reliability"], margins=MARGINS, seed=1))

    found = evidence(candidate=candidate, compared=places, sla=SLA)

    assert {(one.slice, one.comparison.n, one.comparison.losses, one.margin) for one in places} == {
        ("overall", 40, 6, None),
        ("k=x", 20, 3, 0.05),
    }
    landed = comparison_id("e", "golden:gate", metric="reliability", slice="k=x")
    assert (found["not_worse"].value, found["not_worse"].estimate_ids) == (pytest.approx(-0.15), (landed,))


def test_a_candidate_that_asks_the_same_cannot_be_worse() -> None:
    found = evidence(candidate=outcomes(right=30), is_same=True, sla=SLA)["not_worse"]

    assert (found.value, found.lower, found.upper, found.p_failing) == (0.0, 0.0, 0.0, 1.0)
    assert (found.n, found.method) == (20, "same_version")


def test_a_judge_is_trusted_by_its_calibration_and_by_nothing_else() -> None:
    kappa = RuleEvidence(value=0.8, lower=0.7, upper=0.9, n=120)

    assert "trusted" not in evidence(candidate=outcomes(right=30), sla=SLA)
    assert "trusted" not in evidence(candidate=outcomes(right=30), calibration={"other": kappa}, sla=SLA)
    assert evidence(candidate=outcomes(right=30), calibration={"safe": kappa}, sla=SLA)["trusted"] is kappa
