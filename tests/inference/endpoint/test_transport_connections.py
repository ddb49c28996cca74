"""Connections are kept between calls, and none brings a request twice or the answer to another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from assay.inference.endpoint.client import ModelClient
from tests.fakes.wire import Asked, End, Played, WireEndpoint, answer
from tests.inference.endpoint.test_transport import BODY, TIMEOUT_S, TRANSPORTS, Outcome, both, completion, said

LATE_S = 2.0


def test_connections_are_used_again() -> None:
    for outcomes, endpoint in both(answer(completion()), calls=4):
        assert outcomes == [said()] * 4
        assert endpoint.connections == 1


@pytest.mark.parametrize("hurt", [Played((), End.CLOSED), Played((), End.RESET), Played((b"HTTP/1.1",), End.CLOSED)])
def test_a_request_on_a_kept_connection_that_ends_is_not_sent_again_by_the_transport(hurt: Played) -> None:
    for outcomes, endpoint in both(answer(completion()), hurt, answer(completion("on")), calls=3):
        assert [getattr(outcome, "text", None) for outcome in outcomes] == ["hi", None, "on"]
        assert [asked.connection for asked in endpoint.asked] == [1, 1, 2]


def test_a_connection_that_the_endpoint_closed_while_idle_costs_no_call() -> None:
    closing = Played(answer(completion()).pieces, End.CLOSED)
    for outcomes, endpoint in both(closing, answer(completion("on")), calls=2):
        assert outcomes == [said(), said("on")]
        assert [asked.connection for asked in endpoint.asked] == [1, 2]


@pytest.mark.parametrize("gap_s", [0.0, 0.01])
def test_what_an_endpoint_says_unasked_is_never_the_answer_to_the_next_call(gap_s: float) -> None:
    unasked = Played((*answer(completion()).pieces, gap_s, *answer(completion("of another")).pieces))
    _, (outcomes, endpoint) = both(unasked, answer(completion("on")), calls=2)

    assert outcomes == [said(), said("on")]
    assert len(endpoint.asked) == 2


def test_a_late_answer_is_never_the_answer_to_the_next_call() -> None:
    late = Played((LATE_S + 0.05, *answer(completion("late")).pieces))
    on = Played((0.1, *answer(completion("on")).pieces))
    for outcomes, endpoint in both(late, on, calls=2, timeout_s=LATE_S):
        assert [getattr(outcome, "text", None) for outcome in outcomes] == [None, "on"]
        assert endpoint.connections == 2


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
def test_a_cancelled_call_leaves_nothing_for_the_next_one(make: Callable[[str], ModelClient]) -> None:
    async def called() -> Outcome:
        async with WireEndpoint(Played((), End.SILENT), answer(completion("on"))).listening() as endpoint:
            client = make(endpoint.url)
            hung = asyncio.create_task(client.complete(BODY, model="m", timeout_s=5))
            while not endpoint.asked:
                await asyncio.sleep(0.005)
            hung.cancel()
            await asyncio.gather(hung, return_exceptions=True)
            outcome = await client.complete(BODY, model="m", timeout_s=TIMEOUT_S)
            await client.close()
            return outcome

    assert asyncio.run(called()) == said("on")


@pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)
def test_calls_at_the_same_time_get_each_its_own_answer(make: Callable[[str], ModelClient]) -> None:
    answers = [Played((0.002 * (number % 3), *answer(completion(str(number))).pieces)) for number in range(40)]
    bodies = [f'{{"call": {number}}}'.encode() for number in range(40)]

    async def called() -> tuple[list[Outcome], list[Asked]]:
        async with WireEndpoint(*answers).listening() as endpoint:
            client = make(endpoint.url)
            outcomes = await asyncio.gather(*(client.complete(body, model="m", timeout_s=5) for body in bodies))
            await client.close()
            return outcomes, endpoint.asked

    outcomes, asked = asyncio.run(called())
    given = {came.body: str(number) for number, came in enumerate(asked)}
    assert [getattr(outcome, "text", None) for outcome in outcomes] == [given[body] for body in bodies]
