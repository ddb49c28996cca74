"""Each rule of a gate gets its own evidence, and one without any gets none."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from assay.errors import UsageError
from assay.evaluation.gate_evidence import (
    EvidenceIds,
    GateInputs,
    compared,
    evidence_for,
    gate_rules,
    gate_waivers,
    measured_for,
)
from assay.evaluation.gate_rules import Evidence, RuleKind
from assay.evaluation.outcomes import Outcomes, PredictionOutcome
from assay.records.keys import RecordKey
from assay.tasks.gate_spec import GateSpec
from assay.tasks.spec import SlaSpec

SLA = SlaSpec(latency_ms=20, share=0.95)
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
NO_IDS = EvidenceIds(dict.fromkeys(("floor", "cheap", "fast"), "e1"), {("reliability", "k=x"): "c1"})


def answers(*, right: int, count: int = 40, **fields: Any) -> Outcomes:
    """`count` answers, the first `right` of them correct, every second one in the slice k=x."""
    return Outcomes.of(
        PredictionOutcome(
            **{
                **{"record": RecordKey("default", f"r{i:02}"), "epoch": 0, "status": "ok", "population": "golden:gate"},
                **{"is_correct": i < right, "slices": ("k=x",) if i % 2 else (), "cost_usd": 0.01, "latency_ms": 10.0},
                **fields,
            }
        )
        for i in range(count)
    )


def evidence(grounds: GateInputs) -> dict[str, Evidence]:
    return evidence_for(RULES, grounds, measured=measured_for(RULES, grounds), ids=NO_IDS)


def test_rules_have_the_bars_of_the_file_and_the_latency_that_of_the_sla() -> None:
    assert {rule.name: (rule.kind, rule.bar, rule.n_min) for rule in RULES} == {
        "floor": (RuleKind.LOWER_BOUND, 0.8, 1),
        "not_worse": (RuleKind.NO_REGRESSION, 0.05, 5),
        "cheap": (RuleKind.COST_PER_CORRECT, 0.1, 1),
        "fast": (RuleKind.LATENCY, 0.95, 1),
        "trusted": (RuleKind.JUDGE_CALIBRATED, 0.6, 100),
        "enough": (RuleKind.GOLDEN_CASES, 30.0, 10),
    }
    assert gate_waivers(GATE)[0].expires == date(2026, 1, 31)


def test_absolute_rules_rest_on_the_candidates_own_answers() -> None:
    found = evidence(GateInputs(candidate=answers(right=36), sla=SLA))

    assert {name: one.value for name, one in found.items()} == {
        "floor": 0.9,
        "cheap": pytest.approx(0.4 / 36),
        "fast": 1.0,
        "enough": 40.0,
    }
    assert (found["floor"].estimate_ids, found["enough"].counts) == (("e1",), {"k=x": 20})
    assert found["floor"].error == pytest.approx(0.05)


def test_a_regression_rule_rests_on_the_comparison_in_its_slice() -> None:
    candidate, champion = answers(right=30), answers(right=36)
    places = tuple(compared(candidate, champion, metrics=["reliability"], rules=RULES, seed=1))

    found = evidence(GateInputs(candidate=candidate, compared=places, sla=SLA))

    assert {(one.slice, one.comparison.n, one.comparison.losses, one.margin) for one in places} == {
        ("overall", 40, 6, None),
        ("k=x", 20, 3, 0.05),
    }
    assert (found["not_worse"].value, found["not_worse"].estimate_ids) == (pytest.approx(-0.15), ("c1",))


def test_a_candidate_that_asks_the_same_cannot_be_worse() -> None:
    found = evidence(GateInputs(candidate=answers(right=30), is_same=True, sla=SLA))["not_worse"]

    assert (found.value, found.lower, found.n, found.method) == (0.0, 0.0, 20, "same_version")


def test_a_judge_is_trusted_by_its_calibration_and_by_nothing_else() -> None:
    kappa = Evidence(value=0.8, lower=0.7, upper=0.9, n=120)

    assert "trusted" not in evidence(GateInputs(candidate=answers(right=30), sla=SLA))
    assert "trusted" not in evidence(GateInputs(candidate=answers(right=30), calibration={"other": kappa}, sla=SLA))
    assert evidence(GateInputs(candidate=answers(right=30), calibration={"safe": kappa}, sla=SLA))["trusted"] is kappa


def test_rates_of_a_comparison_are_those_of_records_that_both_answered() -> None:
    candidate, champion = answers(right=40), answers(right=10, count=20)

    overall = next(compared(candidate, champion, metrics=["reliability"], rules=(), seed=1))

    assert (overall.candidate_rate, overall.champion_rate, overall.comparison.left_out) == (1.0, 0.5, 20)


def test_a_slice_that_only_one_has_is_left_out_and_nothing_in_common_is_a_mistake() -> None:
    candidate, champion = answers(right=40, slices=("k=x", "k=y")), answers(right=10, slices=("k=x",))
    assert {one.slice for one in compared(candidate, champion, metrics=["reliability"], rules=(), seed=1)} == {
        "overall",
        "k=x",
    }

    with pytest.raises(UsageError, match="Nothing to compare"):
        list(compared(answers(right=1, count=2), Outcomes(()), metrics=["reliability"], rules=(), seed=1))
