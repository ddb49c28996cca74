"""What is appended is what is read, nothing is lost without a word, and a failure is told in time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from google.cloud.bigquery_storage_v1 import types

from assay.errors import ServiceUnreachable, UsageError
from assay.records import LANDING_RECORDS
from assay.records.row import Row
from assay.records.statuses import ANSWERED, AnswerSource, PredictionStatus, Stage
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import REQUEST_BYTES, LandingWriter, batches, column_values
from assay.warehouse.schema import landing_tables
from tests.warehouse.examples import columns, full, sparse

TABLES = sorted(LANDING_RECORDS)
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
MEGABYTE = 1_000_000


def landed(warehouse: Warehouse, table: str, tenant_id: str) -> list[dict[str, Any]]:
    return list(warehouse.stream(f"select * from {table} where tenant_id = @tenant", {"tenant": tenant_id}))


def as_read(record: Row) -> dict[str, Any]:
    kinds = {column.name: (column.type, column.mode) for column in columns(record.table)}
    values: dict[str, Any] = {}
    for name, (kind, mode) in kinds.items():
        value = getattr(record, name)
        values[name] = list(value) if mode == "REPEATED" else value
        if kind == "JSON" and value is not None:
            values[name] = orjson.loads(value)
    return values


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("example", [full, sparse])
def test_a_record_is_read_back_as_it_was_written(warehouse: Warehouse, table: str, example: Any) -> None:
    record = example(table, tenant_id=f"round-trip-{example.__name__}")
    LandingWriter(warehouse, now=lambda: NOW).append([record])
    [row] = landed(warehouse, table, record.tenant_id)
    assert row.pop("landed_at") == NOW
    assert len(row.pop("row_hash")) == 64
    assert row == as_read(record)


def test_a_member_of_an_enum_lands_as_its_text_and_is_asked_for_as_such(warehouse: Warehouse) -> None:
    stated = {"status": PredictionStatus.OK, "answer_source": AnswerSource.WIRE, "stage": Stage.GA}
    LandingWriter(warehouse, now=lambda: NOW).append([full("predictions", tenant_id="statuses", **stated)])
    sql = "select status, answer_source, stage from predictions where tenant_id = 'statuses' and status = @status"
    sql += " and status in unnest(@answered)"
    assert list(warehouse.stream(sql, {"status": PredictionStatus.OK, "answered": sorted(ANSWERED)})) == [
        {"status": "ok", "answer_source": "wire", "stage": "ga"}
    ]


def test_a_text_of_three_megabytes_is_kept_whole(warehouse: Warehouse) -> None:
    text = "ü漢🎉a" * 300_000
    record = full("contents", tenant_id="long", output_text=text, messages=orjson.dumps([text]).decode())
    LandingWriter(warehouse).append([record])
    [row] = landed(warehouse, "contents", "long")
    assert row["output_text"] == text
    assert row["messages"] == [text]


def test_rows_beyond_ten_megabytes_go_in_several_requests(warehouse: Warehouse) -> None:
    records = [full("contents", tenant_id="big", call_id=f"c{n}", output_text="x" * MEGABYTE) for n in range(13)]
    schema = landing_tables()["contents"]
    pieces = list(batches(records, schema, schema.arrow_schema(), landed_at=NOW))
    assert len(pieces) > 1
    assert max(piece.nbytes for piece in pieces) <= REQUEST_BYTES
    assert LandingWriter(warehouse).append(records) == 13
    found = list(warehouse.stream("select distinct call_id from contents where tenant_id = 'big'"))
    assert len(found) == 13


def test_rows_of_very_different_sizes_keep_their_order_and_limit() -> None:
    records = [full("contents", call_id=f"c{n}", output_text="x" * (3 * MEGABYTE if n == 5 else 10)) for n in range(40)]
    schema = landing_tables()["contents"]
    pieces = list(batches(records, schema, schema.arrow_schema(), landed_at=NOW))
    assert [call for piece in pieces for call in piece.column("call_id").to_pylist()] == [f"c{n}" for n in range(40)]
    assert max(piece.nbytes for piece in pieces) <= REQUEST_BYTES


def test_a_row_that_no_request_can_hold_is_refused_by_name(warehouse: Warehouse) -> None:
    record = full("contents", tenant_id="huge", call_id="the-call", output_text="x" * 12 * MEGABYTE)
    with pytest.raises(
        UsageError, match=r"contents \(call_id the-call\) is too large: 12,.* expected at most .* column is output_text"
    ):
        LandingWriter(warehouse).append([record])
    assert landed(warehouse, "contents", "huge") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cost_usd": Decimal("1e29")},
            r"column cost_usd: expected a value of the type decimal128\(38, 9\), found Decimal",
        ),
        ({"input_tokens": 2**63}, r"column input_tokens: expected a value of the type int64, found int"),
        ({"input_tokens": "many"}, r"column input_tokens: expected a value of the type int64, found str"),
        ({"provider": "\ud800"}, r"column provider: expected a value of the type string, found str"),
        (
            {"run_id": None},
            r"column run_id: expected a value of the type string, found no value \(the column is required\)",
        ),
    ],
)
def test_a_value_that_no_column_can_hold_is_refused_by_row_and_column(
    bare: Warehouse, changes: dict[str, Any], message: str
) -> None:
    rows = [full("responses", call_id=f"c{n}", **(changes if n == 2 else {})) for n in range(4)]
    with pytest.raises(
        UsageError, match=rf"^A row for landing table responses \(call_id c2\) cannot be landed: {message}"
    ):
        LandingWriter(bare).append(rows)


def test_a_row_that_bigquery_rejects_is_named_with_its_column() -> None:
    message = "Field cost_usd: Value 1 out of range for NUMERIC(10, 2)"
    with rejecting_endpoint(row=1, message=message) as port:
        settings = Settings(
            root=Path("nowhere"),
            project="p",
            bigquery_endpoint="http://127.0.0.1:9",
            bigquery_grpc_endpoint=f"127.0.0.1:{port}",
        )
        with pytest.raises(
            UsageError, match=r"responses rejected the row call_id c1: column cost_usd: Field cost_usd: Value 1 out"
        ):
            LandingWriter(Warehouse(settings)).append([full("responses", call_id=f"c{n}") for n in range(3)])


@contextmanager
def rejecting_endpoint(*, row: int, message: str) -> Iterator[int]:
    """The Storage Write API as it rejects one row of a request: `AppendRowsResponse.row_errors`."""
    error = types.RowError(index=row, code=types.RowError.RowErrorCode.FIELDS_ERROR, message=message)
    answer = types.AppendRowsResponse(row_errors=[error])

    def append(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[types.AppendRowsResponse]:
        for _request in requests:
            yield answer

    handler = grpc.stream_stream_rpc_method_handler(
        append,
        request_deserializer=types.AppendRowsRequest.deserialize,
        response_serializer=types.AppendRowsResponse.serialize,
    )
    service = "google.cloud.bigquery.storage.v1.BigQueryWrite"
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"AppendRows": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def test_the_largest_amount_of_bigquery_s_numeric_fits() -> None:
    largest = Decimal("9" * 29 + "." + "9" * 9)
    schema = landing_tables()["responses"]

    [batch] = batches([full("responses", cost_usd=largest)], schema, schema.arrow_schema(), landed_at=NOW)

    assert batch.column("cost_usd").to_pylist() == [largest]


def test_row_hash_speaks_of_the_record_and_not_of_the_landing() -> None:
    schema, record = landing_tables()["runs"], full("runs")
    place = [column.name for column in schema.columns].index("row_hash")
    first = column_values([record], schema, landed_at=NOW)[place]
    later = column_values([record], schema, landed_at=datetime(2025, 1, 1, tzinfo=UTC))[place]
    other = column_values([replace(record, tenant_id="other")], schema, landed_at=NOW)[place]
    assert first == later != other


def test_a_repeated_append_can_be_told_by_the_key_and_the_hash(warehouse: Warehouse) -> None:
    records = [full("predictions", tenant_id="twice", prediction_id=f"p{n}") for n in range(3)]
    writer = LandingWriter(warehouse)
    for _ in range(2):
        writer.append(records)
    key = landing_tables()["predictions"].key
    rows = landed(warehouse, "predictions", "twice")
    assert len(rows) == 6
    assert len({tuple(row[column] for column in key) for row in rows}) == 3
    assert len({row["row_hash"] for row in rows}) == 3


def test_no_rows_are_no_request(bare: Warehouse) -> None:
    assert LandingWriter(bare).append([]) == 0


def test_a_missing_table_is_named_with_what_to_do(bare: Warehouse) -> None:
    with pytest.raises(
        UsageError,
        match=r"Landing table responses rejected the request: .*; compare the table with its schema: `assay warehouse diff`",
    ):
        LandingWriter(bare).append([full("responses")])


def test_a_warehouse_that_went_away_is_given_up_after_a_few_attempts(warehouse: Warehouse) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = replace(warehouse.settings, bigquery_grpc_endpoint=f"127.0.0.1:{unused.getsockname()[1]}")
        waits: list[float] = []
        with pytest.raises(
            ServiceUnreachable, match=r"Appending rows to runs in the warehouse at .* failed after 4 attempts"
        ):
            LandingWriter(Warehouse(gone), sleep=waits.append).append([full("runs")])
    assert waits == [0.5, 1.0, 2.0]
