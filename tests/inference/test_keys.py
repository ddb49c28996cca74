from __future__ import annotations

import pytest

from assay.inference.keys import content_hash, new_id, prediction_id, request_key, score_id

PARTS = {"inference_version": "v", "record_id": "r", "input_hash": "h", "epoch": 0, "tenant_id": "t"}


def test_equal_questions_have_equal_keys() -> None:
    assert request_key(**PARTS) == request_key(**dict(reversed(PARTS.items())))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_moves_the_key(part: str) -> None:
    changed = {**PARTS, part: 1 if part == "epoch" else "other"}

    assert request_key(**changed) != request_key(**PARTS)  # type: ignore[arg-type]


def test_the_same_question_after_another_history_is_another_question() -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    other = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]
    keys = [request_key(**PARTS, history=history) for history in ((), said, other)]  # type: ignore[arg-type]
    assert len(set(keys)) == 3
    assert keys[0] == request_key(**PARTS)  # type: ignore[arg-type]


def test_parts_cannot_flow_into_each_other() -> None:
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert content_hash("1") != content_hash(1)


def test_the_same_request_in_another_run_is_another_prediction() -> None:
    assert prediction_id("run-1", "k") != prediction_id("run-2", "k")
    assert prediction_id("run-1", "k") == prediction_id("run-1", "k")


def test_judging_again_with_the_same_scorer_replaces_the_score() -> None:
    assert score_id("p", "s", "1") == score_id("p", "s", "1")
    assert score_id("p", "s", "1") != score_id("p", "s", "2")


def test_ids_of_what_happened_are_never_the_same() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
