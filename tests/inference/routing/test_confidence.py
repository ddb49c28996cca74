"""How sure an answer is: from token probabilities, or as it states."""

from __future__ import annotations

import math
from typing import Any

import pytest

from assay.inference.routing import answer_confidence, stated_confidence


def choice(*tokens: tuple[str, Any]) -> dict[str, Any]:
    return {"logprobs": {"content": [{"token": text, "logprob": logprob} for text, logprob in tokens]}}


def test_the_least_sure_token_decides() -> None:
    assert answer_confidence(choice(("label", -0.01), ("bill", -0.7), ("ing", -0.002))) == pytest.approx(math.exp(-0.7))


def test_tokens_of_json_itself_say_nothing_of_the_answer() -> None:
    tokens = [('{"', -3.0), ("label", 0.0), ('":"', -2.0), ("billing", -0.1), ('"}', -5.0), ("\n", -4.0)]

    assert answer_confidence(choice(*tokens)) == pytest.approx(math.exp(-0.1))


def test_a_sign_is_part_of_the_answer() -> None:
    assert answer_confidence(choice(("-", -1.0), ("5", -0.1))) == pytest.approx(math.exp(-1.0))


def test_a_probability_rounded_above_one_counts_as_one() -> None:
    assert answer_confidence(choice(("billing", 1e-7))) == 1.0


def test_a_token_that_could_not_be_less_likely_gives_nought() -> None:
    assert answer_confidence(choice(("billing", -9999.0))) == 0.0


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"logprobs": None},
        {"logprobs": {"content": None}},
        {"logprobs": {"content": []}},
        {"logprobs": []},
        choice(("{}", -0.1)),
        choice(("billing", None)),
        choice(("billing", "-1")),
        choice(("billing", True)),
        choice(("billing", math.nan)),
        {"logprobs": {"content": ["billing"]}},
    ],
)
def test_without_usable_log_probabilities_there_is_no_confidence(found: dict[str, Any]) -> None:
    assert answer_confidence(found) is None


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), (0.25, 0.25), (1, 1.0)])
def test_a_stated_confidence_is_the_number_in_the_field(value: float, expected: float) -> None:
    assert stated_confidence({"sure": value}, "sure") == expected


@pytest.mark.parametrize("output", [{}, {"sure": None}, {"sure": True}, {"sure": "0.9"}, {"sure": 90}, {"sure": -0.1}, {"sure": math.nan}])  # fmt: skip
def test_what_is_no_share_is_no_confidence(output: dict[str, Any]) -> None:
    assert stated_confidence(output, "sure") is None
