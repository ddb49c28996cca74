"""Appends rows to landing tables through the Storage Write API in Arrow format, with at-least-once delivery."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson

from assay.errors import ServiceUnreachable, UsageError, foreign_text
from assay.performance.lean_import import load_writes
from assay.records.row import Row
from assay.warehouse.client import CALL_SECONDS, CHECK_STATUS, Warehouse, reachable
from assay.warehouse.schema import TableSchema, landing_tables

if TYPE_CHECKING:
    import pyarrow as pa
    from google.cloud.bigquery_storage_v1 import types

REQUEST_BYTES = 4_000_000
"""Well below the API limit of 10 MB per request, and below the size limit of a gRPC message."""
ROW_BYTES = 9_500_000
"""Maximum size of one row, so that a request can contain it together with the schema."""
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
COMPARE = "compare the table with its schema: `assay warehouse diff`."
STAMPS = ("landed_at", "row_hash")
"""Columns that the writer fills in; records do not have them."""


REPORT = "report this as a defect, with the message; the other rows are kept and land when the run is resumed."
NO_VALUE_OF_THE_TYPE = (ValueError, TypeError, OverflowError)
"""What pyarrow raises for a value that is not of the type: its own errors derive from the first two."""


class LandingWriter:
    """Writes records to the landing dataset of one environment."""

    def __init__(
        self,
        warehouse: Warehouse,
        *,
        now: Callable[[], datetime] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._warehouse = warehouse
        self._now = now or (lambda: datetime.now(UTC))
        self._sleep = sleep

    def append(self, rows: Sequence[Row]) -> int:
        """Lands the rows, which must belong to one table, and returns their number.

        A retry after a broken connection may land a row twice; staging removes duplicates by the key of the table.

        Raises:
            ServiceUnreachable: the warehouse did not accept the rows after several attempts.
            UsageError: the warehouse rejected the rows, for example because of a missing column, or a row is too large.
        """
        if not rows:
            return 0
        schema = landing_tables()[rows[0].table]
        arrow, requests = schema.arrow_schema(), []
        for batch in batches(rows, schema, arrow, landed_at=self._now()):
            _refuse_oversize(batch, schema)
            requests.append((self._request(schema, arrow, batch), batch))

        with reachable(self._warehouse.settings):
            for request, batch in requests:
                self._send(schema, request, batch)
        return len(rows)

    def _send(self, schema: TableSchema, request: types.AppendRowsRequest, batch: pa.RecordBatch) -> None:
        from google.api_core import exceptions

        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._append(schema, request, batch)
            except (exceptions.ServerError, exceptions.Aborted, exceptions.ResourceExhausted) as error:
                if attempt == ATTEMPTS:
                    where = self._warehouse.settings.bigquery_grpc_endpoint or "BigQuery"
                    raise ServiceUnreachable(
                        f"Appending rows to {schema.name} in the warehouse at {where} failed after {ATTEMPTS} attempts "
                        f"({type(error).__name__})",
                        next_step=CHECK_STATUS,
                    ) from error
                self._sleep(wait)
                wait *= 2
            else:
                return

    def _append(self, schema: TableSchema, request: types.AppendRowsRequest, batch: pa.RecordBatch) -> None:
        from google.api_core import exceptions

        try:
            # The library would retry for a day; `_send` limits the number of attempts.
            client, metadata = self._warehouse.write_client, self._warehouse.write_metadata
            answers = list(client.append_rows(iter([request]), retry=None, timeout=CALL_SECONDS, metadata=metadata))
        except exceptions.ResourceExhausted:
            raise
        except exceptions.ClientError as error:
            raise UsageError(
                f"Landing table {schema.name} rejected the request: {foreign_text(error.message)}",
                next_step=COMPARE,
            ) from error
        if not answers:
            raise exceptions.ServiceUnavailable("the stream closed without a response")
        for answer in answers:
            if answer.row_errors:
                raise _rejected_row(schema, batch, answer.row_errors[0])
            if answer.error.code:
                raise UsageError(
                    f"Landing table {schema.name} rejected the rows: {foreign_text(answer.error.message)}",
                    next_step=COMPARE,
                )

    def _request(self, schema: TableSchema, arrow: pa.Schema, batch: pa.RecordBatch) -> types.AppendRowsRequest:
        load_writes()
        from google.cloud.bigquery_storage_v1 import types

        settings = self._warehouse.settings
        stream = f"projects/{settings.project}/datasets/{self._warehouse.landing}/tables/{schema.name}/streams/_default"
        return types.AppendRowsRequest(
            write_stream=stream,
            arrow_rows=types.AppendRowsRequest.ArrowData(
                writer_schema=types.ArrowSchema(serialized_schema=arrow.serialize().to_pybytes()),
                rows=types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
            ),
        )


def batches(
    rows: Sequence[Row], schema: TableSchema, arrow: pa.Schema, *, landed_at: datetime
) -> Iterator[pa.RecordBatch]:
    """Yields the rows as Arrow batches that each fit in a request; a row that is too large is a batch of its own.

    Raises:
        UsageError: a column cannot hold a value, or a required one is missing; the message names row and column.
    """
    import pyarrow as pa

    try:
        columns = column_values(rows, schema, landed_at=landed_at)
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, arrow, strict=True)]
        _refuse_missing(arrays, schema)
    except NO_VALUE_OF_THE_TYPE as error:
        raise _unfit(rows, schema, arrow, error) from error
    batch = pa.RecordBatch.from_arrays(arrays, schema=arrow)
    pieces = min(len(rows), -(-batch.nbytes // REQUEST_BYTES)) or 1
    size = -(-len(rows) // pieces)
    for start in range(0, len(rows), size):
        yield from _fitting(batch.slice(start, size))


def _refuse_missing(arrays: Sequence[pa.Array], schema: TableSchema) -> None:
    for array, column in zip(arrays, schema.columns, strict=True):
        if array.null_count and column.mode == "REQUIRED":
            raise ValueError(f"{column.name} is missing")


def _unfit(rows: Sequence[Row], schema: TableSchema, arrow: pa.Schema, error: Exception) -> UsageError:
    """The error of the first value that its column cannot hold, or that is missing."""
    for row in rows:
        for column, field in zip(schema.columns, arrow, strict=True):
            value = None if column.name in STAMPS else getattr(row, column.name)
            is_missing = value is None and column.mode == "REQUIRED" and column.name not in STAMPS
            if is_missing or not _fits(value, field):
                found, why = ("no value", "the column is required") if is_missing else (type(value).__name__, error)
                name = _name_of(schema, partial(getattr, row))
                return UsageError(
                    f"A row for landing table {schema.name} ({name}) cannot be landed: column {column.name}: expected a "
                    f"value of the type {field.type}, found {found} ({foreign_text(why)})",
                    next_step=REPORT,
                )
    return UsageError(f"Rows for landing table {schema.name} cannot be landed: {foreign_text(error)}", next_step=REPORT)


def _fits(value: Any, field: pa.Field) -> bool:
    import pyarrow as pa

    try:
        pa.array([value], type=field.type)
    except NO_VALUE_OF_THE_TYPE:
        return False
    return True


def _rejected_row(schema: TableSchema, batch: pa.RecordBatch, rejection: Any) -> UsageError:
    """The error of a row that BigQuery rejected; its message names the column by its name or as a path."""
    row = batch.slice(rejection.index, 1).to_pylist()
    name = _name_of(schema, row[0].__getitem__) if row else f"row {rejection.index} of the request"
    words = set(re.findall(r"\w+", rejection.message))
    columns = [column for column in batch.schema.names if column in words]
    where = f": column {', '.join(columns)}" if columns else ""
    return UsageError(
        f"Landing table {schema.name} rejected the row {name}{where}: {foreign_text(rejection.message)}",
        next_step=COMPARE,
    )


def _name_of(schema: TableSchema, value_of: Callable[[str], Any]) -> str:
    return ", ".join(f"{column} {value_of(column)}" for column in schema.key)


def _refuse_oversize(batch: pa.RecordBatch, schema: TableSchema) -> None:
    if batch.nbytes <= ROW_BYTES:
        return
    row = batch.to_pylist()[0]
    name = _name_of(schema, row.__getitem__)
    largest = max(batch.schema.names, key=lambda column: batch.column(column).nbytes)
    raise UsageError(
        f"A row for landing table {schema.name} ({name}) is too large: {batch.nbytes:,} bytes, expected at most "
        f"{ROW_BYTES:,}; its largest column is {largest}",
        next_step="lower `input.max_cell_bytes` in task.yml.",
    )


def _fitting(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 1 or batch.get_total_buffer_size() == 0 or batch.nbytes <= REQUEST_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _fitting(batch.slice(0, half))
    yield from _fitting(batch.slice(half))


def column_values(rows: Sequence[Row], schema: TableSchema, *, landed_at: datetime) -> list[Sequence[Any]]:
    """Returns the values of each column in schema order, including `landed_at` and `row_hash`."""
    names = [column.name for column in schema.columns]
    pick = attrgetter(*(name for name in names if name not in STAMPS))
    values = [pick(row) for row in rows]
    picked = iter(zip(*values, strict=True))
    stamps: dict[str, Sequence[Any]] = {
        "landed_at": [landed_at] * len(rows),
        "row_hash": [_hash(row) for row in values],
    }
    return [stamps[name] if name in STAMPS else next(picked) for name in names]


def _hash(values: tuple[Any, ...]) -> str:
    return hashlib.sha256(orjson.dumps(values, default=str)).hexdigest()
