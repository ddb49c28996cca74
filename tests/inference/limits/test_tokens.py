"""Tokens are guessed before a call, and the guess follows what answers report."""

from __future__ import annotations

import pytest

from assay.inference.limits.tokens import FIRST_BYTES_PER_TOKEN, OUTPUT_TOKENS_UNSTATED, TokenEstimator


def learned(*, body_bytes: int, input_tokens: int | None, output_tokens: int | None, times: int) -> TokenEstimator:
    estimator = TokenEstimator()
    for _ in range(times):
        estimator.learn(body_bytes, input_tokens=input_tokens, output_tokens=output_tokens)
    return estimator


def test_the_first_guess_is_by_the_usual_length_of_a_token() -> None:
    assert TokenEstimator().estimate(7_000, max_tokens=60) == round(7_000 / FIRST_BYTES_PER_TOKEN) + 60


def test_without_a_stated_maximum_the_first_output_is_taken_as_long() -> None:
    assert TokenEstimator().estimate(0, max_tokens=None) == OUTPUT_TOKENS_UNSTATED


@pytest.mark.parametrize("bytes_per_token", [1.2, 4.6, 12.0])
def test_the_length_of_a_token_is_learnt_within_two_percent(bytes_per_token: float) -> None:
    estimator = learned(body_bytes=1_200, input_tokens=round(1_200 / bytes_per_token), output_tokens=None, times=150)

    assert estimator.bytes_per_token == pytest.approx(bytes_per_token, rel=0.02)


def test_the_usual_output_is_learnt_where_no_maximum_is_stated() -> None:
    estimator = learned(body_bytes=0, input_tokens=None, output_tokens=40, times=1)

    assert estimator.estimate(0, max_tokens=None) == 40
    assert estimator.estimate(0, max_tokens=200) == 200


def test_one_odd_answer_hardly_moves_what_many_have_taught() -> None:
    estimator = learned(body_bytes=400, input_tokens=100, output_tokens=20, times=300)
    before = estimator.estimate(400, max_tokens=None)
    estimator.learn(400, input_tokens=101, output_tokens=120)

    assert estimator.estimate(400, max_tokens=None) - before <= 3


@pytest.mark.parametrize(("input_tokens", "output_tokens"), [(None, None), (0, None)])
def test_what_was_not_reported_teaches_nothing(input_tokens: int | None, output_tokens: int | None) -> None:
    estimator = learned(body_bytes=900, input_tokens=input_tokens, output_tokens=output_tokens, times=10)

    assert estimator.estimate(900, max_tokens=None) == TokenEstimator().estimate(900, max_tokens=None)


def test_a_call_is_never_guessed_to_be_nothing() -> None:
    assert learned(body_bytes=0, input_tokens=None, output_tokens=0, times=3).estimate(0, max_tokens=None) == 1
