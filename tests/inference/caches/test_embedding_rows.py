"""The row of an embedding call: a call like any other, priced where it can be, and unknown where it cannot."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from assay.inference.caches.embedding_rows import embedding_row
from assay.inference.caches.embeddings import EmbeddingCall
from assay.inference.prices import PriceBook
from assay.inference.request import RunFacts
from assay.records import Response
from assay.warehouse.schema import landing_tables

CALL = EmbeddingCall(
    call_id="call-1",
    provider="openai",
    model="text-embedding-3-small",
    texts=64,
    text_bytes=5_000_000,
    started_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
    latency_ms=250.0,
    input_tokens=1_000_000,
    error=None,
)
FACTS = RunFacts(
    run_id="run-1",
    task="sorting",
    data_date=date(2026, 11, 22),
    variant="default",
    stage="shadow",
    inference_version="v",
    masking_version="off",
)


def row(**changes: object) -> Response:
    return embedding_row(replace(CALL, **changes), facts=FACTS, prices=PriceBook())  # type: ignore[arg-type]


def test_a_call_costs_what_its_tokens_cost() -> None:
    found = row()
    assert (found.cost_usd, found.billing) == (Decimal("0.02"), "known")  # list price: $0.02 a million tokens
    assert found.price_source is not None


def test_a_call_that_says_nothing_of_its_tokens_costs_a_token_for_each_byte_at_most() -> None:
    found = row(input_tokens=None, error="HTTP 503 from openai")
    assert (found.cost_usd, found.billing, found.cost_upper_usd) == (None, "unknown", Decimal("0.10"))


def test_a_call_is_of_the_run_and_of_no_record() -> None:
    found = row()
    assert (found.run_id, found.task, found.data_date) == ("run-1", "sorting", date(2026, 11, 22))
    assert (found.purpose, found.call_id, found.record_id) == ("embedding", "call-1", "")
    assert (found.occurred_at - found.started_at).total_seconds() == 0.25


def test_token_classes_are_disjoint_and_add_up() -> None:
    found = row()
    classes = (found.uncached_input_tokens, found.cached_input_tokens, found.cache_write_tokens)
    assert sum(count or 0 for count in classes) == found.input_tokens == 1_000_000
    assert (found.output_tokens, found.answer_tokens, found.reasoning_tokens) == (0, 0, 0)


@pytest.mark.parametrize("tokens", [None, 0])
def test_a_call_without_usage_has_an_unknown_cost_and_not_none(tokens: int | None) -> None:
    found = row(input_tokens=tokens)
    assert (found.cost_usd, found.billing, found.input_tokens, found.usage) == (None, "unknown", None, None)


def test_a_model_without_a_price_costs_nothing_known_and_never_0() -> None:
    found = row(model="a-model-of-ours", provider="ours")
    assert (found.cost_usd, found.price_source, found.billing) == (None, None, "known")


def test_a_call_that_failed_says_why_and_is_billed_as_unknown() -> None:
    found = row(error="HTTP 503 from openai", input_tokens=None)
    assert (found.status, found.error_type, found.error_message) == ("error", "server", "HTTP 503 from openai")
    assert (found.billing, found.cost_usd) == ("unknown", None)


@pytest.mark.parametrize("changes", [{}, {"input_tokens": None, "error": "HTTP 503 from openai"}])
def test_a_row_has_what_the_landing_table_requires(changes: dict[str, object]) -> None:
    found = row(**changes)
    required = [column.name for column in landing_tables()["responses"].columns if column.mode == "REQUIRED"]
    written = {"landed_at", "row_hash"}  # by the writer
    assert [name for name in required if name not in written and getattr(found, name) is None] == []
