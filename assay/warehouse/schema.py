"""Reads the definitions of the landing tables from the schema files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import pyarrow as pa
    from google.cloud import bigquery

SCHEMAS_DIR = Path(__file__).parent / "schemas"
LANDING = "landing"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `type` and `mode` are BigQuery's names."""

    name: str
    type: str
    mode: str
    description: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One landing table; `key`, `keep` and `prefer` define which duplicates staging removes.

    Of the rows with one key, those for which the condition `prefer` holds go before the others.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    keep: str
    partition: str
    cluster: tuple[str, ...]
    columns: tuple[Column, ...]
    prefer: str | None = None

    def bigquery_fields(self) -> list[bigquery.SchemaField]:
        """Returns the columns as BigQuery schema fields."""
        from google.cloud import bigquery

        return [bigquery.SchemaField(c.name, c.type, mode=c.mode, description=c.description) for c in self.columns]

    def arrow_schema(self) -> pa.Schema:
        """Returns the columns as an Arrow schema, in the order of the file; JSON columns are strings."""
        import pyarrow as pa

        types = {
            "STRING": pa.string(),
            "JSON": pa.string(),
            "INTEGER": pa.int64(),
            "FLOAT": pa.float64(),
            "BOOLEAN": pa.bool_(),
            "NUMERIC": pa.decimal128(38, 9),
            "DATE": pa.date32(),
            "TIMESTAMP": pa.timestamp("us", tz="UTC"),
        }
        return pa.schema(
            [pa.field(c.name, pa.list_(types[c.type]) if c.mode == "REPEATED" else types[c.type]) for c in self.columns]
        )


def read_schema(path: Path) -> TableSchema:
    """Returns the table that the schema file defines."""
    content = orjson.loads(path.read_bytes())
    return TableSchema(
        name=content["table"],
        description=content["description"],
        grain=content["grain"],
        key=tuple(content["key"]),
        keep=content["keep"],
        partition=content["partition"],
        cluster=tuple(content["cluster"]),
        columns=tuple(Column(**column) for column in content["fields"]),
        prefer=content.get("prefer"),
    )


@lru_cache(maxsize=1)
def landing_tables() -> dict[str, TableSchema]:
    """Returns all landing tables by name."""
    return {schema.name: schema for schema in map(read_schema, sorted(SCHEMAS_DIR.glob("*.json")))}
