"""`assay cache tune` and `assay cache explain` as a user types them: what they print, and with which exit code they end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.end_to_end.stage import endpoints, name, place
from tests.end_to_end.workplace import Workplace, numbered_rows
from tests.fakes.embedding_model_endpoint import EmbeddingModelEndpoint

__all__ = ["endpoints", "name", "place"]

EMBEDDED = {"provider": "openai", "model": "text-embedding-3-small"}
SEMANTIC = {"semantic": EMBEDDED}
EXACT = {"exact": {"ttl": "7 days"}}


@pytest.fixture
def model() -> Iterator[EmbeddingModelEndpoint]:
    with EmbeddingModelEndpoint() as endpoint:
        yield endpoint


def pairs(place: Workplace, count: int, *, same: int = 1) -> str:
    """So many questions, each with itself put otherwise; returns the file's name."""
    rows = [
        {"a": f"where is order {number * 7919}", "b": f"where is order {number * 7919}, please", "same": str(same)}
        for number in range(count)
    ]
    return place.rows("pairs.csv", rows)


def done(place: Workplace, *arguments: str, code: int) -> str:
    ended = place.command("cache", *arguments)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout if code < 3 else ended.stderr


def test_tune_prints_the_lines_for_task_yml_and_they_switch_the_cache_on(place: Workplace, name: str) -> None:
    task = place.task(name, cache=SEMANTIC)
    text = done(place, "tune", task, "--pairs", pairs(place, 640), code=0)
    assert "at most 1.0% false hits, with 95% confidence" in text
    block = yaml.safe_load(text[text.index("cache:\n") :])
    assert block["cache"]["semantic"].keys() >= {"provider", "model", "threshold"}
    assert place.command("check", place.task(name, **block)).returncode == 0


def test_tune_gives_everything_in_json(place: Workplace, name: str) -> None:
    text = done(
        place, "tune", place.task(name, cache=SEMANTIC), "--pairs", pairs(place, 640), "--format", "json", code=0
    )
    found = json.loads(text)
    assert (found["pairs"], found["choice"]["status"]) == (640, "ok")
    assert found["choice"]["held_out"]["most_false"] <= 0.01
    assert 0 < found["choice"]["rule"]["threshold"] <= 1


def test_tune_ends_with_2_when_there_are_too_few_questions_and_with_1_when_no_number_would_do(
    place: Workplace, name: str
) -> None:
    task = place.task(name, cache=SEMANTIC)
    assert "distinct questions, if the rates of hits" in done(place, "tune", task, "--pairs", pairs(place, 40), code=2)
    assert "a different embedding model" in done(place, "tune", task, "--pairs", pairs(place, 40, same=0), code=1)


def test_tune_says_in_one_message_what_is_wrong_with_what_it_was_given(place: Workplace, name: str) -> None:
    task = place.task(name, cache=SEMANTIC)
    place.write("bad.csv", "a,b,same\nx,y,perhaps\n")
    assert "row 1: expected `same` to be 1 or 0 (or true/false, yes/no), found 'perhaps'" in done(
        place, "tune", task, "--pairs", "bad.csv", code=3
    )
    assert "missing.csv" in done(place, "tune", task, "--pairs", "missing.csv", code=3)
    off = done(place, "tune", place.task(name), "--pairs", pairs(place, 5), code=3)
    assert "has no `cache.semantic`" in off


def test_tune_ends_with_5_when_there_are_no_embeddings(
    place: Workplace, model: EmbeddingModelEndpoint, name: str
) -> None:
    model.has_embeddings = False
    said = done(place, "tune", place.task(name, cache=SEMANTIC), "--pairs", pairs(place, 5), code=5)
    assert "HTTP 503 from openai" in said


def test_explain_says_hit_after_a_run_and_names_what_changed_after_an_edit(place: Workplace, name: str) -> None:
    task = place.task(name, cache=EXACT)
    place.run(task, "--input", place.rows("in.csv", numbered_rows(2)))
    assert "has not expired" in done(place, "explain", task, "r00001", code=0)
    place.task(name, cache=EXACT, prompt="Sort: {{ text }}")
    [route] = json.loads(done(place, "explain", task, "r00001", "--format", "json", code=0))["routes"]
    assert (route["verdict"], route["changed"]) == ("miss", ["message 1 (user)"])


def test_explain_refuses_a_record_and_a_task_that_it_does_not_know(place: Workplace, name: str) -> None:
    task = place.task(name, cache=EXACT)
    assert "Record 'nobody'" in done(place, "explain", task, "nobody", code=3)
    done(place, "explain", "no_such_task", "r00001", code=3)
