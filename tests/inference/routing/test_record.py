"""What a prediction records of its way, and what it would have cost without a router."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assay.inference.prices import PriceBook
from assay.inference.routing import Escalation, counterfactual_cost, landed_confidence, routing_column
from assay.records import Response
from assay.tasks.spec import RouteSpec
from tests.warehouse.examples import sparse

PRICES = """
models:
  - {provider: here, model: cheap, input_usd_per_million: 1, output_usd_per_million: 2, source: test, checked: 2026-01-01}
  - {provider: here, model: dear, input_usd_per_million: 10, output_usd_per_million: 40, source: test, checked: 2026-01-01}
reference: {provider: openai, model: gpt-4o-mini}
"""


def route(name: str, model: str = "dear") -> RouteSpec:
    return RouteSpec(name=name, provider="here", model=model)


@pytest.fixture
def prices(tmp_path: Path) -> PriceBook:
    path = tmp_path / "prices.yml"
    path.write_text(PRICES)
    return PriceBook(path)


def call(name: str, purpose: str = "answer", *, tokens: tuple[int, int] | None = (1000, 100), **more: Any) -> Response:
    counts = {} if tokens is None else {
        "input_tokens": tokens[0], "output_tokens": tokens[1], "uncached_input_tokens": tokens[0],
        "cached_input_tokens": 0, "cache_write_tokens": 0, "answer_tokens": tokens[1], "reasoning_tokens": 0,
    }  # fmt: skip
    started = {"data_date": date(2026, 3, 2), "started_at": datetime(2026, 3, 2, tzinfo=UTC), "is_batch": False}
    row = sparse("responses", route=name, purpose=purpose, **started, **counts, **more)
    assert isinstance(row, Response)
    return row


def test_one_route_without_a_confidence_leaves_nothing_to_record() -> None:
    assert routing_column([route("only")]) is None


def test_the_way_of_an_answer_reads_back() -> None:
    left = Escalation(route="first", reason="low_confidence", confidence=0.25)
    column = routing_column([route("first"), route("second")], [left], confidence=0.9999996)

    assert json.loads(column or "") == {
        "routes": ["first", "second"],
        "escalations": [{"route": "first", "reason": "low_confidence", "confidence": 0.25}],
        "confidence": 0.9999996,
    }
    assert landed_confidence(column) == 0.9999996


def test_a_single_route_that_states_a_confidence_keeps_it_for_fitting() -> None:
    assert landed_confidence(routing_column([route("only")], confidence=0.5)) == 0.5


@pytest.mark.parametrize("routing", [None, {}, "{}", "null", {"confidence": None}, {"confidence": True}])
def test_where_no_confidence_landed_there_is_none(routing: Any) -> None:
    assert landed_confidence(routing) is None


def test_the_last_route_alone_is_priced_on_the_tokens_of_the_kept_answer(prices: PriceBook) -> None:
    cost = counterfactual_cost([call("first")], route="first", last=route("second"), prices=prices)

    assert cost == Decimal("0.014")  # 1000 x 10 + 100 x 40 USD a million


def test_the_call_of_the_kept_answer_counts_and_not_what_led_to_it(prices: PriceBook) -> None:
    calls = [call("first", tokens=(500, 50)), call("second", tokens=(1000, 200))]

    assert counterfactual_cost(calls, route="second", last=route("second"), prices=prices) == Decimal("0.018")


def test_of_a_repaired_answer_the_first_turn_counts(prices: PriceBook) -> None:
    calls = [call("first"), call("first", "repair", tokens=(3000, 300))]

    assert counterfactual_cost(calls, route="first", last=route("second"), prices=prices) == Decimal("0.014")


def test_an_attempt_without_usage_does_not_count(prices: PriceBook) -> None:
    calls = [call("first"), call("first", tokens=None)]

    assert counterfactual_cost(calls, route="first", last=route("second"), prices=prices) == Decimal("0.014")


@pytest.mark.parametrize(
    ("calls", "kept", "last"),
    [
        ([], "first", route("second")),
        ([call("first")], None, route("second")),
        ([call("first", tokens=None)], "first", route("second")),
        ([call("first")], "first", route("second", model="nobody-knows")),
    ],
)
def test_what_is_not_known_is_no_figure(
    prices: PriceBook, calls: list[Response], kept: str | None, last: RouteSpec
) -> None:
    assert counterfactual_cost(calls, route=kept, last=last, prices=prices) is None
