"""Renders what dbt must know about the landing tables from their schema files.

Belongs here: the text of the generated files under `dbt_project/models/staging/landing/`. Models are
written by hand; a test holds the committed files equal to what this module renders.

    python -m assay.warehouse.dbt_sources > dbt_project/models/staging/landing/_landing__sources.yml
    python -m assay.warehouse.dbt_sources staging > dbt_project/models/staging/landing/_landing__models.yml
    python -m assay.warehouse.dbt_sources docs > dbt_project/models/staging/landing/_landing__docs.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from assay.errors import UsageError
from assay.warehouse.schema import SCHEMAS_DIR, Column, TableSchema, read_schema

SQL_TYPES = {"INTEGER": "int64", "FLOAT": "float64", "BOOLEAN": "bool"}
NOTICE = "# Generated from assay/warehouse/schemas by `python -m assay.warehouse.dbt_sources{}`; do not edit."


def load_tables(schemas_dir: Path = SCHEMAS_DIR) -> list[TableSchema]:
    """The landing tables in alphabetical order.

    Raises:
        UsageError: the folder holds no schema file.
    """
    tables = [read_schema(path) for path in sorted(schemas_dir.glob("*.json"))]
    if not tables:
        raise UsageError(f"No schema file in {schemas_dir}: expected one <table>.json for each landing table.")
    return tables


def render_sources(schemas_dir: Path = SCHEMAS_DIR) -> str:
    """The YAML of the source `landing`: names, types and descriptions equal to the schema files."""
    lines = [
        NOTICE.format(""),
        "version: 2",
        "",
        "sources:",
        "  - name: landing",
        "    description: Append-only tables the engine writes; only staging reads them.",
        "    database: \"{{ env_var('ASSAY_PROJECT', 'assay-local') }}\"",
        "    schema: \"{{ env_var('ASSAY_ENV', 'dev') }}_landing\"",
        "    tables:",
    ]
    for table in load_tables(schemas_dir):
        lines += [
            f"      - name: {table.name}",
            f"        description: {_quoted(f'{table.description} Grain: {table.grain}.')}",
            "        columns:",
        ]
        for column in table.columns:
            lines += [
                f"          - name: {column.name}",
                f"            data_type: {data_type(column)}",
                f"            description: {_quoted(column.description)}",
            ]
    return "\n".join(lines) + "\n"


def render_staging(schemas_dir: Path = SCHEMAS_DIR) -> str:
    """The YAML of the staging models: grain, key tests, and every column's description by `doc()`."""
    lines = [NOTICE.format(" staging"), "version: 2", "", "models:"]
    for table in load_tables(schemas_dir):
        lines += [
            f"  - name: stg_landing__{table.name}",
            f"    description: {_quoted(f'{table.description} Grain: {table.grain}, duplicates removed.')}",
            *_key_test(table),
            "    columns:",
        ]
        for column in table.columns:
            reference = f"{{{{ doc('landing__{table.name}__{column.name}') }}}}"
            lines += [
                f"      - name: {column.name}",
                f"        data_type: {data_type(column)}",
                f"        description: {_quoted(reference)}",
                *_column_tests(table, column),
            ]
    return "\n".join(lines) + "\n"


def render_docs(schemas_dir: Path = SCHEMAS_DIR) -> str:
    """The Markdown of one docs block for each landing column, named `landing__<table>__<column>`."""
    blocks = [f"<!-- {NOTICE.format(' docs').removeprefix('# ')} -->"]
    blocks += [
        f"{{% docs landing__{table.name}__{column.name} %}}\n{column.description}\n{{% enddocs %}}"
        for table in load_tables(schemas_dir)
        for column in table.columns
    ]
    return "\n\n".join(blocks) + "\n"


RENDERERS: dict[str, Callable[[Path], str]] = {
    "sources": render_sources,
    "staging": render_staging,
    "docs": render_docs,
}
"""Name of a generated file's kind to what renders it."""


def main(arguments: Sequence[str]) -> int:
    """Prints one generated file; exit code 0, or 3 for an unknown kind."""
    kind = arguments[0] if arguments else "sources"
    if kind not in RENDERERS:
        sys.stderr.write(f"Unknown kind {kind!r}: expected one of {', '.join(RENDERERS)}.\n")
        return UsageError.exit_code
    sys.stdout.write(RENDERERS[kind](SCHEMAS_DIR))
    return 0


def data_type(column: Column) -> str:
    """The column's GoogleSQL type in lower case, e.g. int64 or array<string>."""
    name = SQL_TYPES.get(column.type, column.type.lower())
    return f"array<{name}>" if column.mode == "REPEATED" else name


def _key_test(table: TableSchema) -> Iterator[str]:
    if len(table.key) > 1:
        yield "    data_tests:"
        yield "      - unique_key:"
        yield "          arguments:"
        yield f"            columns: [{', '.join(table.key)}]"


def _column_tests(table: TableSchema, column: Column) -> Iterator[str]:
    if table.key == (column.name,):
        yield "        data_tests: [unique, not_null]"


def _quoted(text: str) -> str:
    """`text` as a double-quoted YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
