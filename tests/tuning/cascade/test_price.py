"""What a cascade costs: exact sums, and intervals that hold the figure."""

from __future__ import annotations

import math
from random import Random

import pytest
from scipy.stats import ttest_1samp

from assay.tuning.cascade.price import cascade_price
from assay.tuning.cascade.threshold import RoutePair


def pair(number: int, confidence: float, cheap: float | None = 1.0, better: float | None = 10.0) -> RoutePair:
    return RoutePair(
        record_id=str(number),
        confidence=confidence,
        cheap_correct=True,
        better_correct=True,
        cheap_usd=cheap,
        better_usd=better,
    )


def test_the_cheap_call_is_always_paid_and_the_better_one_where_it_escalates() -> None:
    price = cascade_price([pair(1, 0.9), pair(2, 0.9), pair(3, 0.9), pair(4, 0.1)], 0.5)

    assert price.cascade_usd is not None and price.saved is not None
    assert price.cascade_usd.value == pytest.approx((1 + 1 + 1 + 11) / 4)
    assert (price.cheap_usd, price.better_usd) == (1.0, 10.0)
    assert price.escalated.value == 0.25
    assert price.saved.value == pytest.approx(1 - 14 / 40)


def test_the_interval_of_the_price_is_students() -> None:
    chance = Random(3)
    pairs = [pair(number, chance.random(), chance.random(), 5 + chance.random()) for number in range(80)]
    paid = [(one.cheap_usd or 0) + (one.better_usd or 0) * (one.confidence < 0.5) for one in pairs]
    expected = ttest_1samp(paid, 0.0).confidence_interval(0.95)

    price = cascade_price(pairs, 0.5).cascade_usd

    assert price is not None
    assert (price.low, price.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_the_interval_of_the_saving_holds_the_true_one_about_as_often_as_stated() -> None:
    chance, draws, held = Random(4), 300, 0
    for _ in range(draws):
        pairs = [pair(n, chance.random(), 1 + chance.random(), 10 * (1 + chance.random())) for n in range(200)]
        saved = cascade_price(pairs, 0.3).saved
        assert saved is not None
        held += saved.low <= 1 - (1.5 + 0.3 * 15) / 15 <= saved.high

    assert held / draws >= 0.91


@pytest.mark.parametrize(("cheap", "better"), [(None, 10.0), (1.0, None)])
def test_where_a_call_has_no_price_there_is_a_share_but_no_money(cheap: float | None, better: float | None) -> None:
    price = cascade_price([pair(1, 0.9), pair(2, 0.1, cheap, better)], 0.5)

    assert price.escalated.value == 0.5
    assert (price.cascade_usd, price.cheap_usd, price.better_usd, price.saved) == (None, None, None, None)


def test_a_better_route_that_costs_nothing_leaves_nothing_to_save() -> None:
    assert cascade_price([pair(1, 0.9, 0.0, 0.0), pair(2, 0.1, 0.0, 0.0)], 0.5).saved is None


def test_one_record_says_nothing_of_the_spread() -> None:
    price = cascade_price([pair(1, 0.9)], 0.5).cascade_usd

    assert price is not None and price.high == math.inf
