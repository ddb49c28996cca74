"""The schema files are well formed, and the records have the same fields."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum

import pytest

from assay.records import LANDING_RECORDS, statuses
from assay.records.row import Row
from assay.warehouse.schema import SCHEMAS_DIR, Column, TableSchema, landing_tables

TABLES = sorted(path.stem for path in SCHEMAS_DIR.glob("*.json"))
COMMON = ["data_date", "occurred_at", "landed_at", "row_hash", "tenant_id"]
ADDED_BY_THE_WRITER = {"landed_at", "row_hash"}
TYPES = {
    "str": "STRING",
    "JsonText": "JSON",
    "int": "INTEGER",
    "float": "FLOAT",
    "bool": "BOOLEAN",
    "Decimal": "NUMERIC",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    **{name: "STRING" for name, kind in vars(statuses).items() if isinstance(kind, type) and issubclass(kind, StrEnum)},
}

Shape = tuple[str, str, str]
"""Name, BigQuery type and mode of a column."""


def test_landing_tables_are_those_that_have_records() -> None:
    assert set(landing_tables()) == set(LANDING_RECORDS) == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_record_has_the_fields_of_its_schema_file(table: str) -> None:
    columns = [column for column in landing_tables()[table].columns if column.name not in ADDED_BY_THE_WRITER]
    assert shapes_of(LANDING_RECORDS[table]) == [(column.name, column.type, column.mode) for column in columns]


@pytest.mark.parametrize("table", TABLES)
def test_schema_file_has_the_name_of_its_table(table: str) -> None:
    assert json.loads((SCHEMAS_DIR / f"{table}.json").read_text(encoding="utf-8"))["table"] == table


@pytest.mark.parametrize("table", TABLES)
def test_first_columns_are_common_to_all_tables(table: str) -> None:
    first = landing_tables()[table].columns[:5]
    assert [column.name for column in first] == COMMON
    assert [without_description(column) for column in first] == [
        without_description(column) for column in landing_tables()["runs"].columns[:5]
    ]


@pytest.mark.parametrize("table", TABLES)
def test_no_column_stands_twice(table: str) -> None:
    names = [column.name for column in landing_tables()[table].columns]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("table", TABLES)
def test_key_is_made_of_required_columns(table: str) -> None:
    schema = landing_tables()[table]
    assert schema.key
    assert {by_name(schema)[name].mode for name in schema.key} == {"REQUIRED"}
    assert schema.keep in ("first", "latest")


@pytest.mark.parametrize("table", TABLES)
def test_table_is_partitioned_by_a_day_and_clustered_by_its_columns(table: str) -> None:
    schema = landing_tables()[table]
    assert without_description(by_name(schema)[schema.partition]) == (schema.partition, "DATE", "REQUIRED")
    assert schema.cluster[0] == "task"
    assert set(schema.cluster) <= by_name(schema).keys()
    assert len(schema.cluster) <= 4


@pytest.mark.parametrize("table", TABLES)
def test_everything_is_described_in_whole_sentences(table: str) -> None:
    schema = landing_tables()[table]
    descriptions = [schema.description, *(column.description for column in schema.columns)]
    assert [text for text in descriptions if not text.endswith(".") or not text[:1].strip()] == []


def shapes_of(record: type[Row]) -> list[Shape]:
    """What the record's fields would be as columns."""
    return [_shape(field) for field in dataclasses.fields(record)]


def by_name(schema: TableSchema) -> dict[str, Column]:
    """The table's columns by name."""
    return {column.name: column for column in schema.columns}


def without_description(column: Column) -> Shape:
    """The column's shape alone."""
    return column.name, column.type, column.mode


def _shape(field: dataclasses.Field[object]) -> Shape:
    annotation = str(field.type)
    if annotation.startswith("tuple["):
        assert field.default == (), field.name
        return field.name, TYPES[annotation.removeprefix("tuple[").split(",")[0]], "REPEATED"
    name, _, rest = annotation.partition(" | ")
    assert (rest == "None") == (field.default is None), field.name
    return field.name, TYPES[name], "NULLABLE" if rest else "REQUIRED"
