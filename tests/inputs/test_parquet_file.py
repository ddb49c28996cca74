"""Parquet files, good and bad."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import UsageError
from tests.inputs.conftest import Desk


def write(desk: Desk, **columns: pa.Array) -> str:
    pq.write_table(pa.table(columns), desk.root / "a.parquet")
    return "a.parquet"


def test_typed_values_reach_the_snapshot_as_json(desk: Desk) -> None:
    name = write(
        desk,
        id=pa.array([2**53 + 1], pa.int64()),
        at=pa.array([datetime(2024, 5, 1, 12, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
        day=pa.array([date(2024, 5, 1)]),
        amount=pa.array([Decimal("12.50")], pa.decimal128(10, 2)),
        tags=pa.array([["a", None]], pa.list_(pa.string())),
        blob=pa.array([b"\xff"], pa.binary()),
        ratio=pa.array([float("inf")]),
        gap=pa.array([float("nan")]),
        inner=pa.array([{"a": Decimal("1.0")}], pa.struct({"a": pa.decimal128(3, 1)})),
    )
    record = next(desk.spool(name).records())
    assert record.record_id == "9007199254740993"
    assert record.cells == {
        "id": 2**53 + 1,
        "at": "2024-05-01T12:00:00+00:00",
        "day": "2024-05-01",
        "amount": "12.50",
        "tags": ["a", None],
        "blob": "/w==",
        "ratio": "Infinity",
        "gap": None,
        "inner": {"a": "1.0"},
    }


def test_nanoseconds_are_kept(desk: Desk) -> None:
    name = write(desk, id=pa.array(["1"]), at=pa.array([1], pa.timestamp("ns")))
    assert next(desk.spool(name).records()).cells["at"] == "1970-01-01T00:00:00.000000001"


def test_broken_utf_8_costs_its_row_alone(desk: Desk) -> None:
    text = pa.array([b"a", b"caf\xe9", b"c"]).view(pa.string())
    rows = list(desk.open(write(desk, id=pa.array([1, 2, 3]), text=text)).rows())
    assert [(row.position, row.reason, row.column) for row in rows] == [
        (0, None, None),
        (1, "undecodable_text", "text"),
        (2, None, None),
    ]
    assert rows[1].cells == {"id": 2}


@pytest.mark.parametrize("big", [pa.array(["x" * 2_000_000, "b"]), pa.array([["x" * 2_000_000], ["b"]])])
def test_an_oversize_cell_costs_its_row_alone(desk: Desk, big: pa.Array) -> None:
    rows = list(desk.open(write(desk, id=pa.array([1, 2]), text=big)).rows())
    assert [(row.reason, row.column) for row in rows] == [("oversize_cell", "text"), (None, None)]


def test_positions_run_on_across_batches(desk: Desk) -> None:
    rows = desk.open(write(desk, id=pa.array(range(10_000)))).rows()
    assert [row.position for row in rows] == list(range(10_000))


@pytest.mark.parametrize("content", [b"PAR1 but no more", b"id,n\n1,2\n"])
def test_a_file_that_is_no_parquet_is_refused(desk: Desk, content: bytes) -> None:
    with pytest.raises(UsageError, match="not a readable Parquet file"):
        desk.open(desk.write("a.parquet", content))


def test_a_parquet_file_without_rows_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        desk.spool(write(desk, id=pa.array([], pa.int64())))
