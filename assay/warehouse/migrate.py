"""Compares the landing tables with the schema files, and updates the tables.

Missing tables and missing nullable columns are added. Any other change needs a numbered migration, such as
`migrations/0001_what_it_does.sql`; migrations are applied in order, and the landing dataset stores the last number in a
label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import UsageError
from assay.warehouse.client import CALL_SECONDS, Warehouse, reachable, short_retry
from assay.warehouse.schema import Column, TableSchema, landing_tables

if TYPE_CHECKING:
    from google.cloud import bigquery

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
VERSION_LABEL = "assay_migration"
DATASETS = {
    "landing": "What runs write: append-only, defined by the schema files.",
    "staging": "Landing rows renamed, cast and without duplicates.",
    "intermediate": "Steps between staging and marts.",
    "marts": "Facts and dimensions.",
    "reporting": "Views that people and dashboards read.",
}
DAILY = "DAY"
SAME_TYPES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
STANDARD_TYPES = {legacy: standard for standard, legacy in SAME_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between a landing table and its schema file; `migrate` can resolve it if it is additive."""

    table: str
    what: str
    additive: bool

    def __str__(self) -> str:
        return f"{self.table}: {self.what}" + ("" if self.additive else " (needs a numbered migration)")


def diff(warehouse: Warehouse, *, tables: dict[str, TableSchema] | None = None) -> list[Difference]:
    """Returns the differences between the landing tables and the schema files."""
    wanted = tables or landing_tables()
    with reachable(warehouse.settings):
        return [difference for schema in wanted.values() for difference in _differences(warehouse, schema)]


def migrate(
    warehouse: Warehouse,
    *,
    report: Callable[[str], None],
    tables: dict[str, TableSchema] | None = None,
    migrations_dir: Path = MIGRATIONS_DIR,
) -> None:
    """Updates the landing tables to match the schema files.

    Raises:
        UsageError: a difference remains that needs a numbered migration; additive changes were applied.
    """
    wanted = tables or landing_tables()
    with reachable(warehouse.settings):
        for name, description in DATASETS.items():
            _create_dataset(warehouse, name, description)
        _apply_numbered(warehouse, migrations_dir, report)
        for schema in wanted.values():
            if any(difference.additive for difference in _differences(warehouse, schema)):
                _add(warehouse, schema, report)
    if left := diff(warehouse, tables=wanted):
        lines = "\n".join(f"  {difference}" for difference in left)
        raise UsageError(
            f"The landing tables still differ from the schema files:\n{lines}",
            next_step=f"add a numbered migration to {migrations_dir.name}/.",
        )


def table_sizes(warehouse: Warehouse) -> dict[str, int]:
    """Returns the number of rows of each landing table, from table metadata and without a query."""
    with reachable(warehouse.settings):
        live = {name: _live(warehouse, schema) for name, schema in landing_tables().items()}
    return {name: int(table.num_rows or 0) for name, table in live.items() if table is not None}


def table_id(warehouse: Warehouse, schema: TableSchema) -> str:
    """Returns the full id `project.dataset.table` of a landing table in this environment."""
    return f"{warehouse.settings.project}.{warehouse.landing}.{schema.name}"


def _create_dataset(warehouse: Warehouse, name: str, description: str) -> None:
    from google.cloud import bigquery

    dataset = bigquery.Dataset(f"{warehouse.settings.project}.{warehouse.settings.dataset(name)}")
    dataset.location = warehouse.settings.location
    dataset.description = description
    warehouse.client.create_dataset(dataset, exists_ok=True, timeout=CALL_SECONDS, retry=short_retry())


def _live(warehouse: Warehouse, schema: TableSchema) -> bigquery.Table | None:
    from google.api_core.exceptions import NotFound

    try:
        return warehouse.client.get_table(table_id(warehouse, schema), timeout=CALL_SECONDS, retry=short_retry())
    except NotFound:
        return None


def _differences(warehouse: Warehouse, schema: TableSchema) -> list[Difference]:
    live = _live(warehouse, schema)
    if live is None:
        return [Difference(schema.name, "the table is missing", additive=True)]
    columns = {field.name: field for field in live.schema}
    found = [
        difference
        for column in schema.columns
        if (difference := _column_difference(schema.name, column, columns.pop(column.name, None))) is not None
    ]
    found += [Difference(schema.name, f"column {name} is not in the schema file", additive=False) for name in columns]
    return found + _layout_differences(live, schema)


def _column_difference(table: str, column: Column, field: bigquery.SchemaField | None) -> Difference | None:
    if field is None:
        what = f"column {column.name} ({column.type}, {column.mode}) is missing"
        return Difference(table, what, additive=column.mode in ("NULLABLE", "REPEATED"))
    have = (SAME_TYPES.get(field.field_type, field.field_type), field.mode or "NULLABLE")
    if have == (column.type, column.mode):
        return None
    what = f"column {column.name} is {have[0]} {have[1]}, expected {column.type} {column.mode}"
    return Difference(table, what, additive=False)


def _layout_differences(live: bigquery.Table, schema: TableSchema) -> list[Difference]:
    partition = (live.time_partitioning.field, live.time_partitioning.type_) if live.time_partitioning else None
    cluster = tuple(live.clustering_fields or ())
    differs = []
    if partition != (schema.partition, DAILY):
        found = f"by {partition[0]} ({partition[1]})" if partition else "not at all"
        differs.append(f"partitioned {found}, expected by {schema.partition} ({DAILY})")
    if cluster != schema.cluster:
        differs.append(
            f"clustered by {', '.join(cluster) or 'nothing'}, expected {', '.join(schema.cluster) or 'nothing'}"
        )
    return [Difference(schema.name, what, additive=False) for what in differs]


def _add(warehouse: Warehouse, schema: TableSchema, report: Callable[[str], None]) -> None:
    live = _live(warehouse, schema)
    if live is None:
        warehouse.client.create_table(
            _definition(warehouse, schema), exists_ok=True, timeout=CALL_SECONDS, retry=short_retry()
        )
        report(f"created {schema.name}")
        return
    have = {field.name for field in live.schema}
    added = [column for column in schema.columns if column.name not in have and column.mode != "REQUIRED"]
    for column in added:
        warehouse.query(_add_column(schema, column))
    _state_columns(warehouse, schema, {column.name for column in added})
    report(f"added to {schema.name}: {', '.join(column.name for column in added)}")


def _add_column(schema: TableSchema, column: Column) -> str:
    # Identifiers and types cannot be query parameters; they come from the schema files of this repository.
    kind = STANDARD_TYPES.get(column.type, column.type)
    whole = f"array<{kind}>" if column.mode == "REPEATED" else kind
    described = f"options (description = {json.dumps(column.description)})"
    return f"alter table `{schema.name}` add column if not exists `{column.name}` {whole} {described}"


def _state_columns(warehouse: Warehouse, schema: TableSchema, added: set[str]) -> None:
    """Adds the columns to the table's metadata if missing, because the emulator's `alter table` does not update it."""
    live = _live(warehouse, schema)
    if live is None or not (unstated := added - {field.name for field in live.schema}):
        return
    live.schema = [*live.schema, *(field for field in schema.bigquery_fields() if field.name in unstated)]
    warehouse.client.update_table(live, ["schema"], timeout=CALL_SECONDS, retry=short_retry())


def _definition(warehouse: Warehouse, schema: TableSchema) -> bigquery.Table:
    from google.cloud import bigquery

    table = bigquery.Table(table_id(warehouse, schema), schema=schema.bigquery_fields())
    table.description = f"{schema.description} Grain: {schema.grain}."
    table.time_partitioning = bigquery.TimePartitioning(type_=bigquery.TimePartitioningType.DAY, field=schema.partition)
    table.clustering_fields = list(schema.cluster)
    return table


def _apply_numbered(warehouse: Warehouse, folder: Path, report: Callable[[str], None]) -> None:
    dataset_id = f"{warehouse.settings.project}.{warehouse.landing}"
    dataset = warehouse.client.get_dataset(dataset_id, timeout=CALL_SECONDS, retry=short_retry())
    done = int(dataset.labels.get(VERSION_LABEL, "0"))
    for number, path in numbered(folder):
        if number <= done:
            continue
        warehouse.query(path.read_text("utf-8"))
        dataset.labels = {**dataset.labels, VERSION_LABEL: f"{number:04d}"}
        dataset = warehouse.client.update_dataset(dataset, ["labels"], timeout=CALL_SECONDS, retry=short_retry())
        report(f"applied migration {path.name}")


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """Returns the migrations in the folder, in order of their numbers.

    Raises:
        UsageError: a file name does not start with a four-digit number, or two files have the same number.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.sql")):
        match = re.match(r"(\d{4})_\w+\.sql$", path.name)
        if not match or int(match[1]) in found:
            raise UsageError(
                f"Invalid migration file name {path.name}: expected a unique number and a name, such as "
                "0001_what_it_does.sql"
            )
        found[int(match[1])] = path
    return sorted(found.items())
