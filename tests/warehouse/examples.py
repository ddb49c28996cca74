"""Records with a telling value in every field, made from the schema files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from assay.records import LANDING_RECORDS
from assay.records.row import Row
from assay.warehouse.schema import Column, landing_tables

TEXT = 'a "quoted" \\ text\nünïcödé 漢字 🎉 \u202e \x01'
VALUES: dict[str, Any] = {
    "STRING": TEXT,
    "JSON": '{"a":[1,2.5,null,"ü 🎉"],"b":{"c":true,"d":"\\n"}}',
    "INTEGER": 2**62 + 1,
    "FLOAT": 0.1 + 0.2,
    "BOOLEAN": True,
    "NUMERIC": Decimal("12345678901234567890.123456789"),
    "DATE": date(2024, 2, 29),
    "TIMESTAMP": datetime(2024, 2, 29, 23, 59, 59, 123456, UTC),
}
ADDED_BY_THE_WRITER = ("landed_at", "row_hash")


def full(table: str, **fields: Any) -> Row:
    """A record of the table with every field filled."""
    return _record(table, lambda column: VALUES[column.type], fields)


def sparse(table: str, **fields: Any) -> Row:
    """A record of the table with nothing but what it must have."""
    return _record(table, lambda column: VALUES[column.type] if column.mode == "REQUIRED" else None, fields)


def columns(table: str) -> list[Column]:
    """The table's columns that a record fills."""
    return [column for column in landing_tables()[table].columns if column.name not in ADDED_BY_THE_WRITER]


def _record(table: str, value_of: Any, fields: dict[str, Any]) -> Row:
    values: dict[str, Any] = {}
    for column in columns(table):
        value = value_of(column)
        if column.mode == "REPEATED":
            value = (value, type(value)()) if value is not None else ()
        values[column.name] = value
    return LANDING_RECORDS[table](**{**values, **fields})
