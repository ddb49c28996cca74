"""Which routes a record takes, and which answers are not kept."""

from __future__ import annotations

from typing import Any

import pytest

from assay.inference.routing import RuleRouter, rule_router
from assay.tasks.spec import RouteSpec
from tests.fakes.task_folder import TaskFolder


def route(name: str, **more: Any) -> RouteSpec:
    return RouteSpec.model_validate({"name": name, "provider": "cheap", "model": "m", **more})


def taken(router: RuleRouter, **fields: str) -> list[str]:
    return [found.name for found in router.routes(fields)]


def one_rule(**condition: Any) -> RuleRouter:
    return RuleRouter([route("ruled", when={"text": condition}), route("rest")], checks={})


def test_without_rules_every_record_takes_the_routes_as_they_are_listed() -> None:
    router = RuleRouter([route("first"), route("second")], checks={})

    assert taken(router, text="anything") == ["first", "second"]


@pytest.mark.parametrize(
    ("condition", "holding", "failing"),
    [
        ({"equals": "de"}, "de", "DE"),
        ({"one_of": ["de", "fr"]}, "fr", "en"),
        ({"contains": "refund"}, "a refund please", "a Refund please"),
        ({"matches": r"(?i)\brefunds?\b"}, "REFUNDS now", "refunded"),
        ({"longer_than": 3}, "four", "abc"),
        ({"shorter_than": 3}, "äö", "abc"),
        ({"longer_than": 1, "shorter_than": 4}, "ab", "abcd"),
        ({"equals": ""}, "", "x"),
    ],
)
def test_a_route_is_taken_where_its_condition_holds(condition: dict[str, Any], holding: str, failing: str) -> None:
    router = one_rule(**condition)

    assert taken(router, text=holding) == ["ruled", "rest"]
    assert taken(router, text=failing) == ["rest"]


def test_all_conditions_of_a_block_must_hold() -> None:
    router = RuleRouter(
        [route("ruled", when={"text": {"longer_than": 3}, "channel": {"equals": "chat"}}), route("rest")], checks={}
    )

    assert taken(router, text="long enough", channel="chat") == ["ruled", "rest"]
    assert taken(router, text="long enough", channel="mail") == ["rest"]
    assert taken(router, text="no", channel="chat") == ["rest"]


def test_a_field_that_a_record_lacks_is_an_empty_text() -> None:
    assert taken(one_rule(shorter_than=1)) == ["ruled", "rest"]


def test_a_pattern_that_a_backtracking_engine_would_never_end_ends() -> None:
    assert taken(one_rule(matches="(a+)+$"), text="a" * 50_000 + "!") == ["rest"]


def test_an_answer_without_rules_is_kept() -> None:
    assert RuleRouter([], checks={}).escalates(route("a"), output={}, confidence=None) is None


@pytest.mark.parametrize(
    ("confidence", "reason"), [(0.79, "low_confidence"), (0.8, None), (1.0, None), (None, "no_confidence")]
)
def test_an_answer_below_its_log_probability_threshold_escalates(confidence: float | None, reason: str | None) -> None:
    unsure = route("a", escalate={"confidence": {"from": "logprob", "below": 0.8}})

    assert RuleRouter([unsure], checks={}).escalates(unsure, output={}, confidence=confidence) == reason


@pytest.mark.parametrize(
    ("output", "reason"),
    [({"sure": 0.5}, "low_confidence"), ({"sure": 0.9}, None), ({"sure": "high"}, "no_confidence"), ({}, "no_confidence")],
)  # fmt: skip
def test_an_answer_that_states_its_confidence_is_held_to_it(output: dict[str, Any], reason: str | None) -> None:
    unsure = route("a", escalate={"confidence": {"from": "sure", "below": 0.8}})

    assert RuleRouter([unsure], checks={}).escalates(unsure, output=output, confidence=1.0) == reason


def test_a_check_that_does_not_pass_escalates_and_one_that_cannot_judge_too(folder: TaskFolder) -> None:
    folder.edit("    model: gpt-5-nano", "    model: gpt-5-nano\n    escalate:\n      checks: [mine]")
    router = rule_router(folder.load())
    [first] = router.routes({})

    assert router.escalates(first, output={"label": "billing"}, confidence=None) is None
    assert router.escalates(first, output={"label": "a longer label"}, confidence=None) == "check:mine"
    assert router.escalates(first, output={}, confidence=None) == "unscored:mine"


def test_a_check_sees_the_fields_of_the_record(folder: TaskFolder) -> None:
    folder.write(
        "checks.py", 'def is_short(subject):\n    return subject.output["label"] in subject.input["message"]\n'
    )
    folder.edit("    model: gpt-5-nano", "    model: gpt-5-nano\n    escalate:\n      checks: [mine]")
    router = rule_router(folder.load())
    [first] = router.routes({})

    assert router.escalates(first, output={"label": "x"}, confidence=None, fields={"message": "axb"}) is None
    assert router.escalates(first, output={"label": "x"}, confidence=None, fields={"message": "abc"}) == "check:mine"
