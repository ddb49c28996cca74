from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from assay.checks import CheckResult, ScoredItem, build_scorer


def judge(
    type: str, parameters: dict[str, object], output: Any, *, expected: Any = None, status: str = "ok"
) -> CheckResult:
    scorer = build_scorer(type, parameters, task_dir=Path("unused"))
    return scorer(ScoredItem(output=output, expected=expected, input={}, status=status))


@pytest.mark.parametrize(
    ("type", "parameters", "output", "is_passed"),
    [
        ("allowed_value", {"field": "a", "values": ["x", "y"]}, {"a": "y"}, True),
        ("allowed_value", {"field": "a", "values": ["x", "y"]}, {"a": "z"}, False),
        ("allowed_value", {"field": "a", "values": [1]}, {"a": True}, False),
        ("valid_json", {"field": "a"}, {"a": '{"b": [1]}'}, True),
        ("valid_json", {"field": "a"}, {"a": "{'b': 1}"}, False),
        ("valid_json", {"field": "a"}, {"a": "NaN"}, False),
        ("regex", {"field": "a", "pattern": r"^\d+$"}, {"a": "42"}, True),
        ("regex", {"field": "a", "pattern": r"^\d+$"}, {"a": "x"}, False),
        ("regex", {"field": "a", "pattern": "sorry", "must_match": False}, {"a": "so sorry"}, False),
        ("regex", {"field": "a", "pattern": "sorry", "must_match": False}, {"a": "fine"}, True),
        ("numeric_range", {"field": "a", "min": 0, "max": 1}, {"a": 1}, True),
        ("numeric_range", {"field": "a", "min": 0, "max": 1}, {"a": 1.01}, False),
        ("numeric_range", {"field": "a", "min": 0}, {"a": 10**400}, True),
        ("length", {"field": "a", "max": 3}, {"a": "äöü"}, True),
        ("length", {"field": "a", "min": 3, "unit": "words"}, {"a": "two words"}, False),
        ("contains", {"field": "a", "values": ["b", "c"]}, {"a": "abc"}, True),
        ("contains", {"field": "a", "values": ["b", "C"]}, {"a": "abc"}, False),
        ("contains", {"field": "a", "values": ["STRASSE"], "ignore_case": True}, {"a": "Straße"}, True),
        ("not_contains", {"field": "a", "values": ["x", "y"]}, {"a": "abc"}, True),
        ("not_contains", {"field": "a", "values": ["x", "c"]}, {"a": "abc"}, False),
    ],
)
def test_a_check_answers_yes_or_no_with_a_value(
    type: str, parameters: dict[str, object], output: Any, is_passed: bool
) -> None:
    judged = judge(type, parameters, output)
    assert (judged.status, judged.passed, judged.value) == ("scored", is_passed, float(is_passed))


@pytest.mark.parametrize(
    ("expected", "found", "is_passed"),
    [
        ("a", "a", True),
        ("a", "A", False),
        (1, 1.0, True),
        (1, True, False),
        ([1, {"b": None}], [1, {"b": None}], True),
        ([1], [True], False),
        (None, None, True),
    ],
)
def test_exact_match_compares_as_json_does(expected: object, found: object, is_passed: bool) -> None:
    assert judge("exact_match", {"field": "f"}, {"f": found}, expected={"f": expected}).passed is is_passed


def test_exact_match_overlooks_case_and_space_only_when_asked() -> None:
    parameters: dict[str, object] = {"field": "f", "ignore_case": True, "strip": True}
    assert judge("exact_match", parameters, {"f": " Billing\n"}, expected={"f": "billing"}).passed is True


def test_exact_match_names_what_was_expected_and_found() -> None:
    judged = judge("exact_match", {"field": "f"}, {"f": "refund"}, expected={"f": "billing"})
    assert judged.explanation == "f: expected 'billing', found 'refund'"


def test_explanations_stay_short() -> None:
    judged = judge("exact_match", {"field": "f"}, {"f": "x" * 10_000}, expected={"f": "y" * 10_000})
    assert len(judged.explanation or "") < 250


@pytest.mark.parametrize("expected", [None, {}, {"other": 1}])
def test_exact_match_without_an_expected_value_is_unscored(expected: object) -> None:
    judged = judge("exact_match", {"field": "f"}, {"f": 1}, expected=expected)
    assert (judged.status, judged.value, judged.passed) == ("unscored", None, None)
    assert judged.explanation == "the case's expected answer has no 'f'"


@pytest.mark.parametrize(("path", "is_passed"), [("a.b", True), ("items.1.sku", True), ("x.y", True)])
def test_a_field_may_be_a_dotted_path(path: str, is_passed: bool) -> None:
    output = {"a": {"b": "v"}, "items": [{}, {"sku": "v"}], "x.y": "v", "x": {"y": "w"}}
    assert judge("allowed_value", {"field": path, "values": ["v"]}, output).passed is is_passed


@pytest.mark.parametrize(
    ("type", "parameters"),
    [
        ("exact_match", {"field": "a"}),
        ("allowed_value", {"field": "a", "values": ["x"]}),
        ("valid_schema", {}),
        ("valid_json", {"field": "a"}),
        ("regex", {"field": "a", "pattern": "x"}),
        ("numeric_range", {"field": "a", "min": 0}),
        ("length", {"field": "a", "max": 3}),
        ("contains", {"field": "a", "values": ["x"]}),
        ("not_contains", {"field": "a", "values": ["x"]}),
    ],
)
def test_without_an_output_nothing_is_scored(type: str, parameters: dict[str, object]) -> None:
    assert judge(type, parameters, None, expected={"a": "x"}, status="refused") == CheckResult(
        "unscored", None, None, None, "no output: refused"
    )


@pytest.mark.parametrize(
    ("type", "parameters", "output", "reason"),
    [
        ("regex", {"field": "a", "pattern": "x"}, {"a": 5}, "a: expected text, found 5"),
        ("regex", {"field": "a", "pattern": "x"}, {}, "output has no 'a'"),
        ("length", {"field": "a.0", "max": 5}, {"a": []}, "output has no 'a.0'"),
        ("numeric_range", {"field": "a", "min": 0}, {"a": "5"}, "a: expected a number, found '5'"),
        ("numeric_range", {"field": "a", "min": 0}, {"a": True}, "a: expected a number, found True"),
        ("numeric_range", {"field": "a", "min": 0}, {"a": float("nan")}, "a: expected a number, found nan"),
        ("valid_json", {"field": "a"}, {"a": {"b": 1}}, "a: expected text, found {'b': 1}"),
        ("valid_json", {"field": "a"}, {"a": "[" * 100_000}, "a: nested too deeply to be parsed"),
    ],
)
def test_what_cannot_be_scored_is_unscored_and_never_0(
    type: str, parameters: dict[str, object], output: Any, reason: str
) -> None:
    assert judge(type, parameters, output) == CheckResult("unscored", None, None, None, reason)


@pytest.mark.parametrize(
    ("status", "output", "is_passed"),
    [("ok", {}, True), ("repaired", {"a": 1}, True), ("invalid_output", None, False), ("fallback", {"a": 1}, False)],
)
def test_valid_schema_judges_what_the_model_answered(status: str, output: Any, is_passed: bool) -> None:
    assert judge("valid_schema", {}, output, status=status).passed is is_passed


@pytest.mark.parametrize("status", ["failed", "refused", "skipped_budget"])
def test_valid_schema_has_nothing_to_judge_without_a_model_answer(status: str) -> None:
    assert judge("valid_schema", {}, None, status=status).status == "unscored"


def test_exact_match_agrees_with_equality_of_canonical_json_on_random_documents() -> None:
    rng = random.Random(3)

    def document(depth: int) -> object:
        if depth == 0 or rng.random() < 0.4:
            return rng.choice([None, True, False, 0, 1, "", "a", "1"])
        if rng.random() < 0.5:
            return [document(depth - 1) for _ in range(rng.randint(0, 2))]
        return {name: document(depth - 1) for name in rng.sample("xyz", rng.randint(0, 2))}

    for _ in range(2_000):
        left, right = document(2), document(2)
        same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
        assert judge("exact_match", {"field": "f"}, {"f": left}, expected={"f": right}).passed is same
