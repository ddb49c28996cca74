"""Judges of adopted predictions: called like for any run, and skipped on request; predictions need no provider."""

from __future__ import annotations

import json
from collections.abc import Mapping

import yaml

from tests.adoption.scenario import adopted, label_task, labelled_rows, lines
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import ModelEndpoint
from tests.runs.bench import Bench

RUBRIC = {"name": "good", "rubric": "relevance", "passes": 4, "sees": {"input": ["text"], "output": ["label"]}}
ROUTE = {"name": "judge", "provider": "openai", "model": "gpt-4.1-nano", "timeout_s": 20}


def judged_task(place: Workplace, name: str) -> Mapping[str, object]:
    """A task with one judge, and rows with answers of which some are NULL."""
    judge = {**RUBRIC, "routes": [ROUTE], "parameters": {"temperature": 0, "max_tokens": 200}}
    label_task(place, name, judges=[judge], correct=["good"])
    return {"input": lines(place, "in.jsonl", labelled_rows(6, answer=lambda n: "a" if n else None))}


def test_judges_rate_adopted_answers(bench: Bench, place: Workplace, name: str, model: ModelEndpoint) -> None:
    options = judged_task(place, name)
    run = adopted(bench, name, "answer", **options)["answer"]
    assert (run.summary.judge_calls, model.count, run.summary.calls) == (5, 5, 0)
    scores = place.query("select * from scores where run_id = @id and scorer = 'good'", id=run.summary.run_id)
    assert len(scores) == 6


def test_judges_are_skipped_on_request(bench: Bench, place: Workplace, name: str, model: ModelEndpoint) -> None:
    run = adopted(bench, name, "answer", **judged_task(place, name), judges=False)["answer"]
    assert (run.summary.judge_calls, model.count) == (0, 0)
    assert run.summary.status == "completed"


def test_without_judges_neither_an_endpoint_nor_a_key_is_needed(place: Workplace, name: str) -> None:
    label_task(place, name)
    nowhere = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "NO_SUCH_KEY", "concurrency": 1}
    place.write("providers.yml", yaml.safe_dump({"openai": nowhere}))
    place.rows("in.csv", labelled_rows(3, answer=lambda _: "a"))
    done = place.command("adopt", name, "--input", "in.csv", "--answer", "answer", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["answered"] == 3
