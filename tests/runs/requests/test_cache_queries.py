"""What the statements about cached answers return, against a computation of the tests' own on the same rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from assay.records import Response, SemanticCacheEntry
from assay.runs.requests.queries import SEMANTIC_ENTRIES
from assay.tuning.queries import ANSWER_COST, LATEST_RECORD
from assay.warehouse.landing import LandingWriter
from tests.end_to_end.workplace import Workplace
from tests.runs.bench import Bench

NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
SCOPE = {
    "inference_version": "v1",
    "embedding_provider": "openai",
    "embedding_model": "small",
}


def entry(task: str, name: str, embedding: tuple[float, ...], **changes: Any) -> SemanticCacheEntry:
    kept = SemanticCacheEntry(
        **SCOPE,
        tenant_id="default",
        epoch=0,
        data_date=date(2027, 1, 15),
        occurred_at=NOW - timedelta(hours=1),
        entry_id=f"{task}-{name}",
        run_id="run-1",
        task=task,
        record_id=name,
        provider="openai",
        request_model="gpt-5-nano",
        embedding=embedding,
        output="{}",
        route="first",
        call_id=f"call of {name}",
        expires_at=NOW + timedelta(days=1),
        masking_version="off",
    )
    return replace(kept, **changes)


def call(task: str, name: str, usd: str | None, **changes: Any) -> Response:
    made = Response(
        call_id=f"{task}-{name}",
        run_id="run-1",
        task=task,
        data_date=date(2027, 1, 15),
        occurred_at=NOW,
        tenant_id="default",
        request_key="k",
        record_id="r1",
        epoch=0,
        attempt=1,
        purpose="answer",
        route="first",
        provider="openai",
        request_model="gpt-5-nano",
        status="ok",
        started_at=NOW,
        is_batch=False,
        cost_usd=None if usd is None else Decimal(usd),
        billing="known",
    )
    return replace(made, **changes)


def land(place: Workplace, rows: list[Any]) -> None:
    LandingWriter(place.warehouse()).append(rows)


def entries(place: Workplace, task: str, **scope: Any) -> list[dict[str, Any]]:
    return place.query(SEMANTIC_ENTRIES.sql, **{**SCOPE, "task": task, "now": NOW, **scope})


def test_an_entry_that_landed_twice_is_found_once(place: Workplace, name: str) -> None:
    for call_id in ("first", "again"):
        land(place, [entry(name, "r1", (1.0, 0.0), call_id=call_id)])
    assert [row["call_id"] for row in entries(place, name)] == ["again"]


def test_entries_outside_the_scope_are_not_found(place: Workplace, name: str) -> None:
    land(place, [entry(name, "mine", (1.0, 0.0)), entry(name, "gone", (1.0, 0.0), expires_at=NOW)])
    assert [row["record_id"] for row in entries(place, name)] == ["mine"]
    for other in ("task", "inference_version", "embedding_provider", "embedding_model"):
        assert entries(place, **{"task": name, other: "another"}) == []


def test_the_latest_landed_input_of_a_record_is_the_one_that_is_explained(bench: Bench, name: str) -> None:
    place, task = bench.place, bench.place.task(name)
    for text in ("first words", "later words"):
        bench.run(task, input=place.rows("in.csv", [{"id": "r1", "text": text}]))
    [row] = place.query(LATEST_RECORD.sql, task=task, record_id="r1")
    assert row["input"] == {"text": "later words"}
    assert place.query(LATEST_RECORD.sql, task=task, record_id="nobody") == []


def test_what_an_answer_costs_is_the_mean_of_priced_calls_that_succeeded_each_counted_once(
    place: Workplace, name: str
) -> None:
    calls = [call(name, "a", "0.01"), call(name, "b", "0.04"), call(name, "unpriced", None)]
    others = [
        call(name, "failed", "9", status="error"),
        call(name, "repair", "9", purpose="repair"),
        call(name, "embedding", "9", purpose="embedding"),
        call("another task", "x", "9"),
    ]
    land(place, [*calls, *others, calls[0]])
    [row] = place.query(ANSWER_COST.sql, task=name)
    assert (row["calls"], float(row["cost_usd"])) == (2, pytest.approx(0.025))


def test_without_a_call_there_is_no_cost(place: Workplace, name: str) -> None:
    assert place.query(ANSWER_COST.sql, task=name) == [{"calls": 0, "cost_usd": None}]
