"""Two answers compared in both orders: what a judge prefers for its place is no preference."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from assay.errors import UsageError
from assay.inference.budgets.run_budget import RunBudget
from assay.inference.caches.protocol import NoCache
from assay.inference.request import RequestResult
from assay.records import Content, Response
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import UNOBSERVED
from assay.runs.requests.engine_factory import call_rows
from assay.scoring.judges.engine_factory import JudgeEngineFactory, clients_of, limiter_of
from assay.scoring.judges.pairwise import PairJudge, PairPlace, PredictionPair, Preference, inconsistent_share
from assay.scoring.judges.prompts import JudgedMaterial
from tests.end_to_end.workplace import numbered_rows
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction, failing
from tests.runs.bench import Bench
from tests.scoring.judges.scenario import SAFE, judging

GOOD, BAD = {"label": "question", "note": "It is 900 m high."}, {"label": "question", "note": "No idea, look it up."}
PLACE = PairPlace(
    record_id="r00000", position=0, epoch=0, request_key="k", input_hash="h", tenant_id="default", subject_key=None
)


def better(asked: Asked, shown: str) -> Reaction:
    assert asked.schema["properties"]["better"]["enum"] == ["first", "second", "tie"]
    return Reaction(text=json.dumps({"explanation": "Because.", "better": shown}))


def prefers_good(asked: Asked) -> Reaction:
    is_first = asked.prompt.index(GOOD["note"]) < asked.prompt.index(BAD["note"])
    return better(asked, "first" if is_first else "second")


@dataclass
class Preferred:
    """A preference, and the rows of the calls that were kept."""

    preference: Preference
    responses: list[Response]
    contents: list[Content]


def preferred(
    bench: Bench,
    name: str,
    *,
    a: dict[str, Any] = GOOD,
    b: dict[str, Any] = BAD,
    kept: list[RequestResult] | None = None,
) -> Preferred:
    """What the task's judge prefers, asked in a run that is admitted; `kept` receives the rows of the calls."""
    kept = [] if kept is None else kept

    async def keep(answered: RequestResult) -> None:
        kept.append(answered)

    run = bench.admit(judging(bench.place, name, SAFE), input=bench.place.rows("in.csv", numbered_rows(1)))
    project, [spec] = bench.project, run.task.spec.judges

    async def ask() -> Preference:
        parts = JudgeEngineFactory(
            context=project,
            run=run,
            rows=call_rows(project, run, RecordMasker(run, project)),
            clients=clients_of(project, [spec]),
            limiter=limiter_of(project, run),
            budget=RunBudget(None),
            cache=NoCache(),
            observed=UNOBSERVED,
        )
        try:
            judge = PairJudge.of(parts, spec, run.task.rubrics[spec.name], juror=spec.routes[0])
            judged = JudgedMaterial(status="ok", fields={"text": "How high?"}, output=None, expected=None)
            return await judge.prefer(PLACE, PredictionPair(judged=judged, a=a, b=b), keep=keep)
        finally:
            await parts.close()

    preference = asyncio.run(ask())
    return Preferred(
        preference, [row for one in kept for row in one.responses], [row for one in kept for row in one.contents]
    )


def test_an_order_that_stops_the_run_loses_no_call_of_the_other(bench: Bench, model: ModelEndpoint, name: str) -> None:
    model.react = lambda asked: failing(401)(asked) if asked.number == 1 else Reaction(text="{}", delay_s=0.3)
    kept: list[RequestResult] = []

    with pytest.raises(UsageError, match="HTTP 401"):
        preferred(bench, name, kept=kept)

    assert len({row.call_id for one in kept for row in one.responses}) == model.count >= 2


@pytest.mark.parametrize(("a", "b", "side"), [(GOOD, BAD, "a"), (BAD, GOOD, "b")])
def test_the_same_answer_preferred_in_both_orders_is_better(
    bench: Bench, model: ModelEndpoint, name: str, a: dict[str, Any], b: dict[str, Any], side: str
) -> None:
    model.react = prefers_good

    found = preferred(bench, name, a=a, b=b)

    assert (found.preference.better, found.preference.is_consistent) == (side, True)
    assert [row.purpose for row in found.responses] == ["judge", "judge"]
    assert model.count == 2
    assert len(found.contents) == 2


@pytest.mark.parametrize("shown", ["first", "second"])
def test_a_preference_for_a_place_is_a_tie_and_told_as_inconsistent(
    bench: Bench, model: ModelEndpoint, name: str, shown: str
) -> None:
    model.react = lambda asked: better(asked, shown)

    found = preferred(bench, name).preference

    assert (found.status, found.better, found.is_consistent) == ("scored", "tie", False)
    assert inconsistent_share([found]) == 1.0


@pytest.mark.parametrize("one", ["first", "tie"])
def test_a_tie_in_an_order_is_a_tie_and_no_inconsistency(
    bench: Bench, model: ModelEndpoint, name: str, one: str
) -> None:
    model.react = lambda asked: better(asked, one if asked.number == 1 else "tie")

    found = preferred(bench, name).preference

    assert (found.better, found.is_consistent) == ("tie", True)


@pytest.mark.parametrize(
    ("react", "status"),
    [
        (lambda _: Reaction(text="The first one."), "unscored"),
        (failing(503), "failed"),
        (lambda _: Reaction(finish_reason="content_filter"), "refused"),
    ],
)
def test_without_both_verdicts_there_is_no_preference(
    bench: Bench, model: ModelEndpoint, name: str, react: Callable[[Asked], Reaction], status: str
) -> None:
    model.react = react

    found = preferred(bench, name).preference

    assert (found.status, found.better, found.is_consistent) == (status, None, None)
    assert inconsistent_share([found]) is None
