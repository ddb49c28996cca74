"""What the tests of judging share: a task with judges, and an endpoint that answers and judges."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.end_to_end.workplace import PRICED_MODEL, Workplace
from tests.fakes.model_endpoint import Asked, React, Reaction, well

JUDGE_MODEL = "gpt-4.1-mini"
JUROR = {"name": "strict", "provider": "openai", "model": JUDGE_MODEL, "timeout_s": 20, "max_attempts": 1}
SAFE: dict[str, Any] = {"name": "safe", "rubric": "safety", "routes": [JUROR]}
SCORES = """
select
    score_id, prediction_id, record_id, epoch, scorer, scorer_kind, scorer_version, judge_epoch, annotator, value, label,
    passed, status, explanation, call_id
from scores
where run_id = @run and scorer_kind = 'judge'
order by record_id, scorer, judge_epoch, annotator, occurred_at
"""
CALLS = "select distinct call_id, purpose, request_model, status, cost_usd from responses where run_id = @run"

Verdict = Callable[[Asked], Reaction]


def jurors(*names: str, **more: Any) -> list[dict[str, Any]]:
    """Models of these names, as a jury."""
    return [{**JUROR, "name": name, "model": f"gpt-4.1-{name}", **more} for name in names]


def says(verdict: object, explanation: str = "Because.") -> Verdict:
    """This verdict, or level, to everything."""

    def react(asked: Asked) -> Reaction:
        name = "level" if isinstance(verdict, int) else "verdict"
        return Reaction(text=json.dumps({"explanation": explanation, name: verdict}))

    return react


def judged_by(verdict: Verdict, *, answering: React = well) -> React:
    """Answers as `answering`, judges as `verdict`."""
    return lambda asked: verdict(asked) if is_judge(asked) else answering(asked)


def by_model(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Each juror in its own way, by the end of its model's name."""
    return lambda asked: verdicts[str(asked.body["model"]).rpartition("-")[2]](asked)


def is_judge(asked: Asked) -> bool:
    """True for a question to a judge."""
    return bool({"verdict", "level"} & asked.schema["properties"].keys())


def judging(place: Workplace, name: str, *judges: Mapping[str, Any], **edits: Any) -> str:
    """A task with these judges, all of which decide."""
    given = {"judges": [dict(judge) for judge in judges], "correct": [judge["name"] for judge in judges], **edits}
    return place.task(name, **given)


def scores(place: Workplace, run_id: str) -> list[dict[str, Any]]:
    """The rows of judges, latest of each id."""
    rows = {row["score_id"]: row for row in place.query(SCORES, run=run_id)}
    return list(rows.values())


def calls(place: Workplace, run_id: str, purpose: str) -> list[dict[str, Any]]:
    """Calls of the run for a purpose."""
    return [row for row in place.query(CALLS, run=run_id) if row["purpose"] == purpose]


__all__ = ["PRICED_MODEL"]
