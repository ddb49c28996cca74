"""A call leaves when all buckets and a pause allow it, and what it did not use comes back."""

from __future__ import annotations

import pytest

from assay.inference.limits.pacing import Bucket
from assay.inference.limits.quota import Quota


def quota(*, requests: float = 10.0, tokens: float = 100.0, day: float = 1_000.0) -> Quota:
    made = Quota()
    made.requests = Bucket(1.0, capacity=10.0, level=requests, now=0.0)
    made.tokens = Bucket(10.0, capacity=100.0, level=tokens, now=0.0)
    made.day = Bucket(0.01, capacity=1_000.0, level=day, now=0.0)
    return made


def levels(found: Quota) -> list[float]:
    return [bucket.level for bucket in (found.requests, found.tokens, found.day) if bucket is not None]


@pytest.mark.parametrize(
    ("empty", "wait_s"), [({}, 0.0), ({"requests": 0.0}, 1.0), ({"tokens": 0.0}, 5.0), ({"day": 0.0}, 100.0)]
)
def test_the_scarcest_of_all_limits_decides(empty: dict[str, float], wait_s: float) -> None:
    assert quota(**empty).wait_s(50, 0.0) == pytest.approx(wait_s)


def test_a_pause_holds_back_what_quota_would_let_go() -> None:
    paused = quota()
    paused.paused_until = 7.0

    assert paused.wait_s(1, 0.0) == 7.0
    assert paused.wait_s(1, 7.5) <= 0.0


def test_without_any_limit_nothing_waits() -> None:
    assert Quota().wait_s(10**9, 0.0) <= 0.0


def test_a_call_takes_of_every_limit() -> None:
    taken = quota()
    taken.take(40, 0.0)

    assert levels(taken) == [9.0, 60.0, 999.0]


@pytest.mark.parametrize(("unused", "left"), [(15, 75.0), (-15, 45.0), (0, 60.0)])
def test_tokens_are_settled_both_ways(unused: int, left: float) -> None:
    settled = quota()
    settled.take(40, 0.0)
    settled.settle(unused)

    assert levels(settled) == [9.0, left, 999.0]


def test_a_call_that_never_reached_the_provider_is_put_back_whole() -> None:
    back = quota()
    back.take(40, 0.0)
    back.put_back(40)

    assert levels(back) == [10.0, 100.0, 1_000.0]


def test_what_the_provider_has_now_is_what_it_said_less_what_left_since_and_more_what_flowed_in() -> None:
    busy = quota()
    flight = busy.take(5, 0.0)
    for _ in range(3):
        busy.take(7, 1.0)

    assert busy.at_provider(flight, remaining=50, rate=2.0, now=4.0) == 50 + 2.0 * 4.0 - 3
    assert busy.tokens_at_provider(flight, remaining=500, rate=20.0, now=4.0) == 500 + 20.0 * 4.0 - 21
