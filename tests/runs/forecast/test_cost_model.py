"""The interval of a cost forecast covers what it says it covers, and nothing uncertain is called certain."""

from __future__ import annotations

from random import Random

import pytest

from assay.runs.forecast.cost_model import (
    LEAST_PAST,
    CostRange,
    PastCalls,
    RequestCounts,
    SampledPrompts,
    cost_bounds,
    count_requests,
    probable_cost,
)

INPUT_USD, OUTPUT_USD = 1e-7, 8e-7


def past_of(sizes: list[float], draw: Random) -> list[PastCalls]:
    """Requests of these sizes: tokens in proportion to bytes with noise, answers of a skewed length."""
    return [
        PastCalls(size, size / draw.uniform(3.6, 4.4) * INPUT_USD, draw.lognormvariate(4, 0.8) * OUTPUT_USD)
        for size in sizes
    ]


def sizes_of(count: int, draw: Random) -> list[float]:
    return [400 + draw.lognormvariate(6, 0.7) for _ in range(count)]


def cost(requests: list[PastCalls]) -> float:
    return sum(one.input_usd + one.output_usd for one in requests)


@pytest.mark.parametrize(("records", "sampled", "past"), [(100, 100, 60), (2000, 200, 300), (2000, 50, LEAST_PAST)])
def test_the_interval_holds_the_true_total_about_as_often_as_it_says(records: int, sampled: int, past: int) -> None:
    draw, held, trials = Random(11), 0, 600
    for _ in range(trials):
        sizes = sizes_of(records, draw)
        sample = [SampledPrompts(1, size) for size in draw.sample(sizes, sampled)]
        found = probable_cost(RequestCounts(records), sample, past_of(sizes_of(past, draw), draw), records=records)
        held += found.low <= cost(past_of(sizes, draw)) <= found.high
    assert 0.89 <= held / trials <= 0.97  # 0.92 to 0.95, with nearly three standard errors of 600 trials


def test_larger_inputs_than_before_cost_more_in_proportion() -> None:
    past = [PastCalls(1000, 0.001, 0.0) for _ in range(LEAST_PAST)]
    found = probable_cost(RequestCounts(10), [SampledPrompts(1, 3000.0)] * 10, past, records=10)
    assert (found.low, found.expected, found.high) == pytest.approx((0.03, 0.03, 0.03))


def test_what_costs_nothing_costs_nothing() -> None:
    found = probable_cost(RequestCounts(10), [SampledPrompts(1, 50.0)], [PastCalls(50, 0, 0)] * LEAST_PAST, records=10)
    assert found == CostRange(0.0, 0.0, 0.0)


def test_each_epoch_that_is_asked_counts() -> None:
    past = [PastCalls(100, 0.001, 0.002) for _ in range(LEAST_PAST)]
    sample = [SampledPrompts(3, 100.0), SampledPrompts(1, 500.0)]
    found = probable_cost(RequestCounts(4), sample, past, records=2)
    assert found.expected == pytest.approx(3 * 0.003 + 0.005 + 0.002)


def test_an_estimated_number_of_requests_widens_the_interval() -> None:
    draw = Random(3)
    past, sample = past_of(sizes_of(100, draw), draw), [SampledPrompts(1, size) for size in sizes_of(50, draw)]
    counted = probable_cost(RequestCounts(1000), sample, past, records=1000)
    estimated = probable_cost(RequestCounts(1000, 100.0**2), sample, past, records=1000)
    assert estimated.expected == counted.expected
    assert estimated.high - estimated.low > 1.5 * (counted.high - counted.low)


def test_the_number_to_ask_is_counted_where_all_records_were_looked_up() -> None:
    sample = [SampledPrompts(0, 0.0)] * 6 + [SampledPrompts(2, 0.0)] * 4
    assert count_requests(sample, records=10) == RequestCounts(8.0, 0.0)
    of_more = count_requests(sample, records=1000)
    assert (of_more.requests, of_more.variance > 0) == (800.0, True)
    assert count_requests([], records=10) == RequestCounts(0.0)


def test_bounds_are_exact_where_every_request_was_seen_and_wider_where_not() -> None:
    least, most = [SampledPrompts(1, 1.0), SampledPrompts(1, 2.0)], [SampledPrompts(1, 3.0), SampledPrompts(1, 4.0)]
    assert cost_bounds(RequestCounts(2), least, most, records=2) == (3.0, 7.0)
    low, high = cost_bounds(RequestCounts(20), least, most, records=20)
    assert 0.0 <= low < 15
    assert high > 70


def test_one_record_of_many_says_little_and_the_interval_shows_it() -> None:
    low, high = cost_bounds(RequestCounts(100), [SampledPrompts(1, 1.0)], [SampledPrompts(1, 1.0)], records=100)
    assert (low, high > 1000) == (0.0, True)


def test_too_few_earlier_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 30"):
        probable_cost(RequestCounts(1), [SampledPrompts(1, 1.0)], [PastCalls(1, 1, 1)] * 29, records=1)
