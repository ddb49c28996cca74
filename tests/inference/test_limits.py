"""Calls in flight, and waits between attempts."""

from __future__ import annotations

from random import Random

import pytest

from assay.inference.endpoint.backoff import Backoff
from assay.inference.limits.in_process import InProcessLimiter
from assay.inference.providers import LaneLimits
from assay.tasks.task import Task
from tests.fakes.endpoint import ScriptedEndpoint, completion
from tests.inference.rig import Rig


@pytest.mark.parametrize("limit", [1, 3])
def test_never_more_calls_are_in_flight_than_the_lane_allows(task: Task, limit: int) -> None:
    endpoint = ScriptedEndpoint([completion('{"label": "other"}')], taking=0.005)
    limiter = InProcessLimiter(lambda _: LaneLimits(concurrency=limit))

    Rig(task, openai=endpoint, limiter=limiter).answers(*[{"message": "Why?"}] * 12)

    assert (len(endpoint.calls), endpoint.most_in_flight) == (12, limit)


def test_waits_stay_under_a_ceiling_that_doubles() -> None:
    backoff = Backoff(first_s=0.5, ceiling_s=20, rng=Random(7))

    for attempt, ceiling in enumerate([1, 2, 4, 8, 16, 20, 20], start=1):
        assert all(0 <= backoff.wait_s(attempt, None) <= ceiling for _ in range(200))


def test_the_providers_wish_is_a_floor_up_to_the_longest_wait() -> None:
    backoff = Backoff(longest_s=120, rng=Random(7))

    assert backoff.wait_s(1, 30) == 30
    assert backoff.wait_s(1, 86_400) == 120
