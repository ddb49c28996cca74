"""A judge is shown both variants' answers in both orders; what it prefers is compared like any other outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assay.errors import UsageError
from assay.records.statuses import RuleState
from tests.evaluation.scenario import RIGHT, cases, evaluated, evaluated_task, obeying
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import Bench
from tests.scoring.judges.scenario import JUDGE_MODEL, SAFE

NOT_LESS_LIKED = {"name": "liked", "type": "no_regression", "metric": "preferred_by_safe", "margin": 0.1}


def judged_task(bench: Bench, name: str, count: int, **edits: Any) -> str:
    return evaluated_task(
        bench.place, name, cases(count), judges=[SAFE], rules=[NOT_LESS_LIKED], **edits
    )  # fmt: skip


def is_pair(asked: Asked) -> bool:
    return "better" in asked.schema["properties"]


def prefers_right(asked: Asked) -> Reaction:
    """Of two different answers the judge likes the right one, wherever it stands."""
    if asked.body["model"] != JUDGE_MODEL:
        return obeying(asked)
    if not is_pair(asked):
        return Reaction(text=json.dumps({"explanation": "Fine.", "verdict": "pass"}))
    first, second = (asked.prompt.index(word) for word in (RIGHT, "complaint"))
    return Reaction(text=json.dumps({"explanation": "Right.", "better": "first" if first < second else "second"}))


def prefers_first(asked: Asked) -> Reaction:
    """A judge that goes by position alone."""
    if asked.body["model"] == JUDGE_MODEL and is_pair(asked):
        return Reaction(text=json.dumps({"explanation": "First.", "better": "first"}))
    return prefers_right(asked)


def test_the_preferred_variant_wins_the_pairs_that_differ(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = prefers_right
    task = judged_task(bench, name, 60, right=30, variants={"better": 60})

    found = evaluated(bench, task, candidate="better", champion="default", prefer="safe")

    liked = next(one for one in found.compared if one.metric == "preferred_by_safe")
    assert (liked.comparison.n, liked.comparison.gains, liked.comparison.losses) == (60, 30, 0)
    assert sum(is_pair(asked) for asked in model.asked) == 2 * 30
    assert found.verdict.outcomes[0].state is RuleState.PASS
    assert "preferred a different prediction after swapping the order in 0% of pairs" in found.notes[0]


def test_a_judge_that_goes_by_position_prefers_none(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = prefers_first
    task = judged_task(bench, name, 20, right=10, variants={"better": 20})

    found = evaluated(bench, task, candidate="better", champion="default", prefer="safe")

    liked = next(one for one in found.compared if one.metric == "preferred_by_safe")
    assert (liked.comparison.gains, liked.comparison.losses) == (0, 0)
    assert "in 100% of pairs" in found.notes[0]


def test_an_answer_is_preferred_to_none_without_asking_the_judge(bench: Bench, name: str, model: ModelEndpoint) -> None:
    def partly(asked: Asked) -> Reaction:
        number = int(asked.prompt[-5:]) if asked.body["model"] != JUDGE_MODEL else 0
        silent = range(3) if "until 100" in asked.prompt else range(3, 8)
        return Reaction(text="hm") if number in silent and asked.body["model"] != JUDGE_MODEL else prefers_right(asked)

    model.react = partly
    task = judged_task(bench, name, 10, right=99, variants={"better": 100})

    found = evaluated(bench, task, candidate="better", champion="default", prefer="safe")

    liked = next(one for one in found.compared if one.metric == "preferred_by_safe")
    assert (liked.comparison.n, liked.comparison.gains, liked.comparison.losses) == (10, 5, 3)
    assert not any(is_pair(asked) for asked in model.asked)


def test_the_judge_is_asked_about_answers_of_an_earlier_evaluation(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    model.react = prefers_right
    task = judged_task(bench, name, 10, right=5, variants={"better": 10})
    evaluated(bench, task, candidate="better", champion="default")
    model.asked.clear()

    found = evaluated(bench, task, candidate="better", champion="default", prefer="safe")

    liked = next(one for one in found.compared if one.metric == "preferred_by_safe")
    assert (liked.comparison.gains, liked.comparison.losses) == (5, 0)
    assert [is_pair(asked) for asked in model.asked] == [True] * 2 * 5


def test_calls_of_the_comparison_are_the_judges(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = prefers_right
    task = judged_task(bench, name, 10, right=5, variants={"better": 10})

    found = evaluated(bench, task, candidate="better", champion="default", prefer="safe")

    sql = "select purpose, count(*) as n from responses where run_id = @run group by purpose order by purpose"
    rows = bench.place.query(sql, run=found.candidate.run_id)
    assert {row["purpose"]: row["n"] for row in rows} == {"answer": 10, "judge": 10 + 2 * 5}


def test_a_judge_that_says_nothing_readable_leaves_the_rule_open(bench: Bench, name: str, model: ModelEndpoint) -> None:
    def mumbles(asked: Asked) -> Reaction:
        return Reaction(text="hm") if asked.body["model"] == JUDGE_MODEL and is_pair(asked) else prefers_right(asked)

    model.react = mumbles
    task = judged_task(bench, name, 20, right=10, variants={"better": 20})

    found = evaluated(bench, task, candidate="better", champion="default", prefer="safe")

    liked = next(one for one in found.compared if one.metric == "preferred_by_safe")
    assert (liked.comparison.n, liked.comparison.unscored) == (20, 10)
    assert found.verdict.outcomes[0].state is RuleState.INCONCLUSIVE


def test_without_being_asked_the_judge_is_no_evidence(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = prefers_right
    task = judged_task(bench, name, 10, right=5, variants={"better": 10})

    found = evaluated(bench, task, candidate="better", champion="default")

    assert found.verdict.outcomes[0].state is RuleState.INCONCLUSIVE
    assert not any(is_pair(asked) for asked in model.asked)


def test_an_unknown_judge_is_refused_before_anything_is_asked(bench: Bench, name: str, model: ModelEndpoint) -> None:
    task = judged_task(bench, name, 10, variants={"better": 10})

    with pytest.raises(UsageError, match=r"--prefer kind: task .* has no such judge; its judges: safe"):
        evaluated(bench, task, candidate="better", champion="default", prefer="kind")
    assert model.asked == []


def test_a_rule_on_a_judge_without_labels_is_open_and_says_why(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = prefers_right
    rule = {"name": "trusted", "type": "judge_calibrated", "judge": "safe", "kappa": 0.6, "labels": 50}
    task = judged_task(bench, name, 10, gate={"rules": [rule]})

    outcome = evaluated(bench, task).verdict.outcomes[0]

    assert outcome.state is RuleState.INCONCLUSIVE
    assert outcome.evidence is not None and outcome.evidence.estimate_ids
    assert "fewer than 50" in outcome.reason
