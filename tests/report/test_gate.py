"""The scorecard shows the latest decision with its rules, and how often the gate split was used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from assay.report.blocks.gate import gate_rule_rows
from assay.report.render import facts, html, markdown, sections
from tests.report.cards import scorecard
from tests.report.test_render import HOSTILE, Elements, card

GATE: dict[str, Any] = {
    "decision": "FAIL", "is_blocking": True, "stage": "beta", "population": "golden:gate", "candidate_variant": "short",
    "champion_variant": "@main", "decided_at": datetime(2026, 3, 2, 9, 30, tzinfo=UTC), "decided_by": "ci",
    "previous_decision": None, "previous_decided_at": None, "candidate_inference_version": "abc",
}  # fmt: skip
RULE: dict[str, Any] = {
    "rule_name": "not_worse", "rule_type": "no_regression", "metric": "reliability", "slice": "channel=phone", "bar": 0.05,
    "value": -0.1, "lower": -0.15, "upper": -0.06, "n": 124, "state": "fail", "reason": "upper bound misses",
}  # fmt: skip
SPLIT = {"n_gate_cases": 124, "n_runs": 7, "n_inference_versions": 3}


def gate_facts(gate: dict[str, Any] | None, split: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The single values about gates on a scorecard with them."""
    whole = scorecard(**{**card().as_dict(), "gate": gate, "gate_split": split})
    return [fact for fact in facts(whole) if "gate" in fact[0]]


def test_the_decision_stands_with_what_it_was_about_and_the_uses_of_the_gate_split() -> None:
    assert gate_facts(GATE, SPLIT) == [
        ("latest gate", "FAIL, blocks at beta · short against @main · golden:gate · 2026-03-02 09:30 UTC by ci"),
        ("gate split", "124 cases, used by 7 runs of 3 inference versions since it last changed"),
    ]
    earlier = {**GATE, "previous_decision": "PASS", "previous_decided_at": datetime(2026, 3, 1, tzinfo=UTC)}
    assert ("previous gate", "PASS, 2026-03-01 00:00 UTC") in gate_facts(earlier, None)


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ({}, ("reliability in channel=phone at most 5 points below the champion", "-10.0 points", "-15.0 points to -6.0 points", "124", "FAIL")),
        ({"rule_type": "cost_per_correct", "metric": "cost_per_correct_usd", "bar": 0.01, "value": 0.002, "upper": None, "slice": "overall", "state": "pass"},
         ("cost per correct prediction at most $0.010000", "$0.002000", "–", "124", "pass")),
        ({"rule_type": "judge_calibrated", "metric": "safe", "bar": 0.6, "value": None, "lower": None, "slice": "overall", "n": 0, "state": "inconclusive"},
         ("κ of judge safe at least 0.6", "–", "–", "0", "inconclusive")),
        ({"rule_type": "golden_cases", "metric": "golden_cases", "bar": 100.0, "value": 124.0, "lower": None, "slice": "overall", "state": "pass"},
         ("at least 100 cases", "124", "–", "124", "pass")),
    ],
)  # fmt: skip
def test_a_rule_is_shown_in_its_own_unit(rule: dict[str, Any], shown: tuple[str, ...]) -> None:
    assert gate_rule_rows([{**RULE, **rule}])[0][1:6] == shown


def test_a_scorecard_without_a_decision_says_nothing_of_gates() -> None:
    assert "ate" not in "".join(name for name, _ in gate_facts(None, None))
    assert "## Gate" not in markdown(card())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_reason_adds_nothing_to_the_page(text: str) -> None:
    pages = [
        Elements(html(scorecard(**{**card().as_dict(), "gate": GATE, "gate_rules": ({**RULE, "reason": reason},)})))
        for reason in ("plain", text)
    ]

    assert (pages[0].tags, pages[0].attributes) == (pages[1].tags, pages[1].attributes)
    assert "not_worse" in pages[1].text


def test_a_gate_about_another_version_than_the_run_says_so() -> None:
    own = scorecard(**{**card().as_dict(), "gate": GATE, "gate_rules": (RULE,)})
    other = scorecard(**{**own.as_dict(), "gate": {**GATE, "candidate_inference_version": "other"}})
    assert [section.title for section in sections(own)][-1] == "Gate"
    assert [section.title for section in sections(other)][-1] == "Gate, of variant short, not of this run"
    assert "gate is about" not in dict(facts(own))
    assert dict(facts(other))["gate is about"] == "variant short, inference version other; not of this run"
