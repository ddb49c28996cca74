"""A bucket never lets more through than its rate and its capacity allow, whatever is asked of it."""

from __future__ import annotations

import math
from random import Random

import pytest

from assay.inference.limits.pacing import Bucket, RateMeter, burst


@pytest.mark.parametrize("seed", range(40))
def test_no_window_spends_more_than_rate_and_capacity_and_one_overdraft(seed: int) -> None:
    rng = Random(seed)
    rate, capacity = rng.choice([0.1, 1.0, 37.0, 400.0]), rng.choice([1.0, 3.0, 250.0])
    bucket, at, spent = Bucket(rate, capacity=capacity, level=capacity, now=0.0), 0.0, list[tuple[float, float]]()
    for _ in range(150):
        at += rng.choice([0.0, 0.001, 1 / rate, 20 / rate]) * rng.random()
        cost = rng.choice([1.0, rng.random() * capacity, capacity * 3])
        if bucket.wait_s(cost, at) == 0.0:
            bucket.level -= cost
            spent.append((at, cost))

    for first, (began, _) in enumerate(spent):
        total = 0.0
        for moment, cost in spent[first:]:
            total += cost
            overdraft = max(0.0, cost - capacity)
            assert total <= rate * (moment - began) + capacity + overdraft + 1e-6


@pytest.mark.parametrize("cost", [1.0, 7.5, 10.0, 40.0])
def test_after_the_wait_that_it_names_the_cost_can_be_taken_and_not_before(cost: float) -> None:
    bucket = Bucket(2.0, capacity=10.0, level=0.0, now=0.0)
    wait = bucket.wait_s(cost, 0.0)

    assert wait == min(cost, 10.0) / 2.0
    assert bucket.wait_s(cost, wait * 0.99) > 0.0
    assert bucket.wait_s(cost, wait) == 0.0


def test_an_overdraft_is_filled_before_anything_else_leaves() -> None:
    bucket = Bucket(1.0, capacity=10.0, level=10.0, now=0.0)
    assert bucket.wait_s(100.0, 0.0) == 0.0
    bucket.level -= 100.0

    assert bucket.wait_s(1.0, 0.0) == pytest.approx(91.0)


def test_time_fills_no_further_than_the_capacity_and_what_is_put_back_stays() -> None:
    bucket = Bucket(1.0, capacity=5.0, level=5.0, now=0.0)
    bucket.wait_s(0.0, 1_000.0)
    assert bucket.level == 5.0
    bucket.level += 3.0
    bucket.wait_s(0.0, 2_000.0)

    assert bucket.level == 8.0


def test_a_bucket_without_a_rate_waits_for_ever() -> None:
    assert Bucket(0.0, capacity=math.inf, level=0.0, now=0.0).wait_s(1.0, 10.0) == math.inf


def test_a_new_rate_holds_from_now_on_and_not_backwards() -> None:
    bucket = Bucket(1.0, capacity=100.0, level=0.0, now=0.0)
    bucket.refill_at(10.0, capacity=100.0, now=4.0)

    assert bucket.level == 4.0
    assert bucket.wait_s(24.0, 4.0) == 2.0


def test_a_smaller_capacity_spills_what_is_above_it() -> None:
    bucket = Bucket(1.0, capacity=100.0, level=100.0, now=0.0)
    bucket.refill_at(1.0, capacity=10.0, now=0.0)

    assert bucket.level == 10.0


def test_a_bound_takes_away_and_never_gives() -> None:
    bucket = Bucket(1.0, capacity=10.0, level=5.0, now=0.0)
    for bound, level in ((7.0, 5.0), (2.0, 2.0), (-3.0, -3.0)):
        bucket.bound(bound)
        assert bucket.level == level


@pytest.mark.parametrize(("rate", "most"), [(0.01, 1.0), (4.0, 1.0), (100.0, 25.0)])
def test_a_quarter_of_a_second_may_leave_at_once_and_always_one(rate: float, most: float) -> None:
    assert burst(rate) == most


def test_the_meter_gives_the_last_whole_seconds_rate() -> None:
    meter = RateMeter(0.0)
    for number in range(201):
        meter.count(number / 100)  # 100 a second for two seconds

    assert meter.per_second(2.01) == pytest.approx(100.0, rel=0.02)


def test_the_meter_forgets_a_rate_that_is_long_over() -> None:
    meter = RateMeter(0.0)
    for number in range(201):
        meter.count(number / 100)

    assert meter.per_second(60.0) < 1.0
