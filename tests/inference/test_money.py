"""What calls cost, what they may have cost, and how a run keeps within its budget."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from assay.inference.budgets.run_budget import RunBudget
from assay.inference.dialects.openai_chat import token_usage
from assay.inference.limits.in_process import InProcessLimiter
from assay.inference.prices import PriceBook
from assay.inference.providers import LaneLimits
from assay.inference.usage import TokenUsage
from assay.tasks.task import Task
from tests.fakes.endpoint import Answer, ScriptedEndpoint, completion, error
from tests.inference.rig import FIRST, SECOND, Rig, cost, only, prediction, request
from tests.paths import SHARED

PAYLOADS = SHARED / "data" / "prices" / "genai_usage_payloads_with_prices.jsonl"
DAY = date(2026, 11, 1)
GOOD = '{"label": "billing"}'
FREE, DEAR = Decimal(0), Decimal("0.01")


def rig(task: Task, *answers: Answer, **more: Any) -> Rig:
    return Rig(task, openai=ScriptedEndpoint(answers), **more)


def classes(usage: TokenUsage | None) -> tuple[int, ...] | None:
    if usage is None:
        return None
    return (usage.uncached_input, usage.cached_input, usage.cache_write, usage.answer, usage.reasoning)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 20}, (100, 0, 0, 20, 0)),
        ({"input_tokens": 100, "output_tokens": 20}, (100, 0, 0, 20, 0)),
        (
            {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64}},
            (36, 64, 0, 20, 0),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 15}},
            (9, 0, 0, 5, 15),
        ),
        (
            {"prompt_tokens": 4020, "completion_tokens": 4, "prompt_tokens_details": {"cache_write_tokens": 4012}},
            (8, 0, 4012, 4, 0),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 99}}, (0, 10, 0, 1, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": [64]}, (10, 0, 0, 1, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": None}, (10, 0, 0, 1, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "7"}}, (10, 0, 0, 1, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": "10", "completion_tokens": 1}, None),
        ({"prompt_tokens": 10.0, "completion_tokens": 1}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ({"prompt_tokens": -10, "completion_tokens": 1}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 1}, None),
        ({"prompt_tokens": 10}, None),
        ({}, None),
        (None, None),
    ],
)  # fmt: skip
def test_token_classes_never_overlap_and_are_never_guessed(raw: Any, expected: tuple[int, ...] | None) -> None:
    assert classes(token_usage(raw)) == expected


def test_a_call_is_priced_by_the_list_and_says_by_which(task: Task) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}
    row = only(rig(task, completion(GOOD, usage=usage)).answer().responses)

    # gpt-5-nano: $0.05 for a million input tokens and $0.40 for a million output tokens.
    assert row.cost_usd == Decimal("0.45")
    assert (row.billing, row.cost_upper_usd) == ("known", None)
    assert "genai-prices" in (row.price_source or "")


def test_cached_tokens_are_priced_once_and_lower(task: Task) -> None:
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 1_000_000}}
    row = only(rig(task, completion(GOOD, usage=usage)).answer().responses)

    assert row.cost_usd == Decimal("0.005")
    assert (row.input_tokens, row.uncached_input_tokens, row.cached_input_tokens) == (1_000_000, 0, 1_000_000)


def test_reasoning_tokens_are_part_of_the_output_and_not_added_to_it(task: Task) -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 500, "completion_tokens_details": {"reasoning_tokens": 400}}
    row = only(rig(task, completion(GOOD, usage=usage)).answer().responses)

    assert (row.output_tokens, row.answer_tokens, row.reasoning_tokens) == (500, 100, 400)
    assert row.cost_usd == Decimal("0.0002")


def test_the_local_model_costs_nothing_because_its_price_row_says_so(task: Task) -> None:
    endpoint = ScriptedEndpoint([completion(GOOD)])
    row = only(Rig(task, openai=endpoint, local=endpoint, routes=(SECOND,)).answer().responses)

    assert (row.cost_usd, row.billing) == (FREE, "known")
    assert (row.price_source or "").startswith("prices.yml (runs on your own machine")


def test_the_local_model_is_compared_with_a_hosted_one(task: Task) -> None:
    endpoint = ScriptedEndpoint([completion(GOOD)])
    row = only(Rig(task, openai=endpoint, local=endpoint, routes=(SECOND,)).answer().responses)

    assert row.reference_model == "openai:gpt-5-nano"
    assert row.reference_cost_usd == Decimal("0.000013")


@pytest.mark.parametrize("route", [{"model": "no-such-model"}, {"provider": "local", "model": "gpt-5-nano"}])
def test_a_model_without_a_price_costs_null_and_never_0(task: Task, route: dict[str, str]) -> None:
    endpoint = ScriptedEndpoint([completion(GOOD)])
    row = only(Rig(task, openai=endpoint, local=endpoint, routes=(FIRST.model_copy(update=route),)).answer().responses)

    assert (row.cost_usd, row.price_source, row.billing) == (None, None, "known")


@pytest.mark.parametrize(
    "usage", [None, {}, [], "many", {"prompt_tokens": -5, "completion_tokens": 2}, {"total": 10**40}]
)
def test_an_answer_without_sound_usage_has_unknown_billing_and_an_upper_estimate(task: Task, usage: object) -> None:
    row = only(rig(task, completion(GOOD, usage=usage)).answer().responses)

    assert (row.status, row.billing, row.cost_usd, row.input_tokens) == ("ok", "unknown", None, None)
    assert (row.cost_upper_usd or 0) > 0


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("closed"),
        httpx2.ReadError("reset"),
        error(504),
        httpx2.Response(200, html="<h1>Welcome</h1>"),
        httpx2.Response(200, json={"choices": []}),
    ],
)
def test_a_call_that_may_have_been_charged_has_unknown_billing_and_an_upper_estimate(
    task: Task, answer: Answer
) -> None:
    for row in rig(task, answer).answer().responses:
        assert (row.billing, row.cost_usd) == ("unknown", None)
        assert (row.cost_upper_usd or 0) > 0


@pytest.mark.parametrize("answer", [error(400), error(500), error(429)])
def test_an_error_of_the_endpoint_is_known_to_cost_nothing(task: Task, answer: Answer) -> None:
    for row in rig(task, answer).answer().responses:
        assert (row.billing, row.cost_usd, row.cost_upper_usd) == ("known", FREE, None)


def test_a_call_that_drips_meets_its_time_limit(task: Task) -> None:
    endpoint = ScriptedEndpoint([completion(GOOD)], taking=30)
    route = FIRST.model_copy(update={"timeout_s": 0.05, "max_attempts": 1})

    row = only(Rig(task, openai=endpoint, routes=(route,)).answer().responses)

    assert (row.error_type, row.error_message, row.billing) == ("timeout", "no response within 0.05 s", "unknown")


def test_a_call_under_way_when_the_run_is_cancelled_is_accounted_for(task: Task) -> None:
    endpoint = ScriptedEndpoint([error(500), completion(GOOD)], taking=0)
    slow = ScriptedEndpoint([completion(GOOD)], taking=30)
    made = Rig(task, openai=endpoint, local=slow, routes=(FIRST.model_copy(update={"max_attempts": 1}), SECOND))
    answered = asyncio.run(made.run(cancelled(made, slow)))[0]

    assert answered.prediction is None
    assert [(row.error_type, row.billing) for row in answered.responses] == [
        ("server", "known"),
        ("connect", "unknown"),
    ]
    assert [content.call_id for content in answered.contents] == [row.call_id for row in answered.responses]


def test_a_cancelled_call_is_spent_as_far_as_it_may_have_cost(task: Task) -> None:
    slow = ScriptedEndpoint([completion(GOOD)], taking=30)
    made = Rig(task, openai=slow)

    (answered,) = asyncio.run(made.run(cancelled(made, slow)))

    assert made.budget.spent_usd == only(answered.responses).cost_upper_usd
    assert made.budget.spent_usd > 0


def test_a_request_cancelled_before_its_first_call_is_cancelled_like_any_other(task: Task) -> None:
    slow = ScriptedEndpoint([completion(GOOD)], taking=30)
    made = Rig(task, openai=slow, limiter=InProcessLimiter(lambda _: LaneLimits(concurrency=1)))

    async def second_of_two() -> None:
        first = asyncio.create_task(made.engine.answer(request()))
        await slow.reached.wait()
        second = asyncio.create_task(made.engine.answer(request()))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        await asyncio.gather(first)
        await second

    (found,) = asyncio.run(made.run(second_of_two()))

    assert isinstance(found, asyncio.CancelledError)
    assert len(slow.calls) == 1


async def cancelled(made: Rig, reached: ScriptedEndpoint) -> Any:
    task = asyncio.create_task(made.engine.answer(request()))
    await reached.reached.wait()
    task.cancel()
    return await task


def test_beyond_the_cap_requests_are_skipped_and_nothing_is_sent(task: Task) -> None:
    made = rig(task, completion(GOOD), budget=RunBudget(FREE), fallback={"label": "other"})

    row = prediction(made.answer())

    assert (row.status, row.calls, row.output) == ("skipped_budget", 0, None)
    assert made.endpoints["openai"].calls == []


def test_requests_at_once_cannot_overspend(task: Task) -> None:
    single = cost(rig(task, completion(GOOD, usage=None)).answer())
    made = rig(task, completion(GOOD, usage=None), budget=RunBudget(single * 3))

    found = [prediction(answered).status for answered in made.answers(*[{"message": "Why?"}] * 10)]

    assert sorted(found) == ["ok"] * 3 + ["skipped_budget"] * 7
    assert made.budget.spent_usd <= single * 3


def test_a_record_that_failed_before_the_cap_stays_a_failure(task: Task) -> None:
    single = cost(rig(task, completion(GOOD, usage=None)).answer())
    made = rig(task, completion("no", usage=None), budget=RunBudget(single))

    row = prediction(made.answer())

    assert (row.status, row.error_type, row.calls) == ("invalid_output", "invalid_output", 1)


def test_the_estimate_grows_with_bytes_so_that_no_script_is_cheaper(task: Task) -> None:
    latin, han = ScriptedEndpoint([httpx2.ReadError("x")]), ScriptedEndpoint([httpx2.ReadError("x")])

    assert cost(Rig(task, openai=han).answer("退" * 3000)) > cost(Rig(task, openai=latin).answer("r" * 3000))


@pytest.mark.skipif(not PAYLOADS.is_file(), reason="the public data sets are not beside the checkout (../shared/data)")
def test_published_usage_payloads_cost_what_their_publisher_says() -> None:
    """Published prices are those of an earlier price list, so only models whose list price stands are compared."""
    book, compared = PriceBook(), 0
    for line in PAYLOADS.read_text("utf-8").splitlines():
        payload = json.loads(line)
        for model, usage, published in _chat_prices(payload):
            found = token_usage(usage)
            assert found is not None
            priced = book.price(found, provider="openai", model=model, on=DAY).usd
            if model.startswith(("gpt-4o-2024", "gpt-4o-mini", "gpt-5-mini", "gpt-5-nano", "gpt-4.1", "o3-mini")):
                assert priced == pytest.approx(published, abs=Decimal("0.000000001")), payload
                compared += 1
    assert compared > 10


def _chat_prices(payload: dict[str, Any]) -> list[tuple[str, dict[str, Any], Decimal]]:
    usage = payload["body"].get("usage") or {}
    if any(details.get("audio_tokens") for details in usage.values() if isinstance(details, dict)):
        return []  # audio has a price of its own, and no task sends any
    return [
        (payload["model"], usage, Decimal(one["input_price"]) + Decimal(one["output_price"]))
        for extracted in payload["extracted"]
        for one in extracted["extractors"]
        if (one["provider_id"], one["api_flavor"]) == ("openai", "chat")
        and {"input_price", "output_price"} <= one.keys()
    ]
