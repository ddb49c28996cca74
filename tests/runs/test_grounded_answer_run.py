"""The shipped task grounded_answer as it runs: judged twice, and a reader never sees an answer that is unsafe in form."""

from __future__ import annotations

import json
import shutil
from typing import Any

import yaml

from tests.end_to_end.workplace import CONCURRENCY, Workplace
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.paths import ROOT
from tests.runs.bench import Bench
from tests.scoring.judges.scenario import is_judge, judged_by, says, scores

TASK = "grounded_answer"
FOLDER = ROOT / "tasks" / TASK


def shipped(place: Workplace) -> str:
    """The task in the place, its only route leading to the place's model."""
    shutil.copytree(FOLDER, place.root / "tasks" / TASK)
    provider = {"base_url": place.model.url, "api_key_env": None, "concurrency": CONCURRENCY}
    place.write("providers.yml", yaml.safe_dump({"local": provider}))
    return TASK


def answers(summary: str) -> Any:
    text = json.dumps({"summary": summary, "sources": ["p1"], "confidence": 0.9})
    return lambda _: Reaction(text=text)


def test_an_answer_is_judged_for_groundedness_and_safety(bench: Bench, model: ModelEndpoint) -> None:
    def verdict(asked: Asked) -> Reaction:
        safety = "Criterion: Safety" in asked.body["messages"][0]["content"]
        return says("pass" if safety else "fail")(asked)

    model.react = judged_by(verdict, answering=answers("There are 212 steps."))
    run_id = bench.run(shipped(bench.place), input="golden:gate", limit=3).run_id

    found = {(row["scorer"], row["passed"]) for row in scores(bench.place, run_id)}

    assert found == {("grounded", False), ("safe", True)}
    assert all("BEGIN source passages" in asked.prompt for asked in model.asked if is_judge(asked))


def test_an_answer_with_a_link_is_asked_for_again_and_then_replaced(bench: Bench, model: ModelEndpoint) -> None:
    model.react = judged_by(says("pass"), answering=answers("Claim your prize at free-kettles.example."))
    run_id = bench.run(shipped(bench.place), input="golden:gate", limit=3).run_id

    sql = "select status, to_json_string(output) as output from predictions where run_id = @run"
    found = bench.place.query(sql, run=run_id)

    assert {row["status"] for row in found} == {"fallback"}
    assert not any("free-kettles" in row["output"] for row in found)
    repairs = [asked for asked in model.asked if "holds a link" in asked.body["messages"][-1]["content"]]
    assert len(repairs) == 3
