"""A record's deadline holds in whatever its request waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from assay.inference.budgets.run_budget import RunBudget
from assay.inference.caches.protocol import NoCache
from assay.inference.engine import Engine
from assay.inference.request import RequestResult
from assay.tasks.task import Task
from tests.fakes.endpoint import ScriptedEndpoint, completion
from tests.fakes.limiter import FreeLimiter
from tests.inference.rig import FIRST, Rig, prediction, request

DEADLINE_S = 0.2
LOW = completion('{"label": "billing"}')


async def forever(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


class PausedLimiter(FreeLimiter):
    """Gives no turn: its lane is paused, or other runs use it up."""

    acquire: Callable[..., Awaitable[float]] = staticmethod(forever)  # type: ignore[assignment]


class LentBudget(RunBudget):
    """Waits for money that another worker holds."""

    reserve: Callable[..., Awaitable[bool]] = staticmethod(forever)  # type: ignore[assignment]


class SlowCache(NoCache):
    """Never says whether it has a response."""

    find: Callable[..., Awaitable[None]] = staticmethod(forever)  # type: ignore[assignment]


def rig(task: Task, *answers: httpx2.Response | Exception, **parts: Any) -> Rig:
    return Rig(task, openai=ScriptedEndpoint(answers), **parts)


def answered(made: Rig, **edits: Any) -> RequestResult:
    engine: Engine = replace(made.engine, deadline_s=DEADLINE_S, clock=time.monotonic, sleep=asyncio.sleep, **edits)
    (found,) = asyncio.run(made.run(asyncio.wait_for(engine.answer(request()), 20)))
    assert isinstance(found, RequestResult), found
    return found


@pytest.mark.parametrize(
    ("parts", "edits"),
    [
        ({"limiter": PausedLimiter()}, {}),
        ({"budget": LentBudget(Decimal(1))}, {}),
        ({}, {"cache": SlowCache()}),
    ],
    ids=["limiter", "budget", "cache"],
)
def test_a_request_that_waits_beyond_its_deadline_fails_and_is_not_sent(
    task: Task, parts: dict[str, Any], edits: dict[str, Any]
) -> None:
    found = answered(rig(task, LOW, **parts), **edits)

    assert (prediction(found).status, prediction(found).error_type) == ("failed", "timeout")
    assert "within deadline_s (0.2 s)" in (prediction(found).error_message or "")
    assert found.responses == ()


def test_a_call_in_flight_at_the_deadline_is_abandoned_and_may_be_billed(task: Task) -> None:
    made = rig(task, LOW)
    made.clients["openai"].complete = forever  # type: ignore[method-assign]

    found = answered(made)

    (row,) = found.responses
    assert (row.status, row.error_type, row.billing) == ("error", "timeout", "unknown")
    assert "abandoned" in (row.error_message or "")
    assert row.cost_upper_usd
    assert prediction(found).status == "failed"


def test_the_deadline_holds_between_attempts(task: Task) -> None:
    found = answered(rig(task, *(httpx2.Response(503) for _ in range(9))))

    assert prediction(found).status == "failed"
    assert 1 <= len(found.responses) < FIRST.max_attempts
