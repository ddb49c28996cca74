"""Generates the files in `dbt_project/models/staging/landing/` from the schema files of the landing tables.

    python -m assay.warehouse.dbt_sources           # exits with 1 if a generated file is out of date
    python -m assay.warehouse.dbt_sources --write   # writes the files

Each table has a staging model with a yml file; all tables share the dbt source and the docs blocks of their columns.
Unit tests of a staging model are written manually at the end of its yml file, and are preserved.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.errors import UsageError
from assay.warehouse.schema import SCHEMAS_DIR, Column, TableSchema, read_schema

STAGING = Path("dbt_project") / "models" / "staging" / "landing"
SQL_TYPES = {"INTEGER": "int64", "FLOAT": "float64", "BOOLEAN": "bool"}
NOTICE = "Generated from assay/warehouse/schemas by `python -m assay.warehouse.dbt_sources --write`"
UNIT_TESTS = "\nunit_tests:\n"
MODEL = """{{#
    Generated from assay/warehouse/schemas/{table}.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}}
with

source as (

    select * from {{{{ source('landing', '{table}') }}}}

),

deduplicated as (

    {deduplicate}

),

final as (

    select
{columns}
    from deduplicated

)

select * from final
"""


def load_tables(schemas_dir: Path = SCHEMAS_DIR) -> list[TableSchema]:
    """Returns the landing tables in alphabetical order.

    Raises:
        UsageError: the folder contains no schema file.
    """
    tables = [read_schema(path) for path in sorted(schemas_dir.glob("*.json"))]
    if not tables:
        raise UsageError(f"{schemas_dir} contains no schema file: expected one <table>.json for each landing table")
    return tables


def generated_files(folder: Path, schemas_dir: Path = SCHEMAS_DIR) -> dict[Path, str]:
    """Returns the text of every generated file by its path; `folder` is the folder of the staging models."""
    tables = load_tables(schemas_dir)
    files = {folder / "_landing__sources.yml": render_source(tables), folder / "_landing__docs.md": render_docs(tables)}
    for table in tables:
        properties = folder / f"stg_landing__{table.name}.yml"
        files[properties.with_suffix(".sql")] = render_model(table)
        files[properties] = render_properties(table) + unit_tests_in(properties)
    return files


def render_source(tables: Sequence[TableSchema]) -> str:
    """Renders the YAML of the source `landing`: table names and descriptions; staging models describe the columns."""
    lines = [
        f"# {NOTICE}; do not edit.",
        "version: 2",
        "",
        "sources:",
        "  - name: landing",
        "    description: Append-only tables the engine writes; only staging reads them.",
        "    database: \"{{ env_var('ASSAY_PROJECT', 'assay-local') }}\"",
        "    schema: \"{{ env_var('ASSAY_ENV', 'dev') }}_landing\"",
        "    tables:",
    ]
    for table in tables:
        lines += [
            f"      - name: {table.name}",
            f"        description: {_quoted(f'{table.description} Grain: {table.grain}.')}",
        ]
    return "\n".join(lines) + "\n"


def render_model(table: TableSchema) -> str:
    """Renders the SQL of a staging model: one row per key, with the columns in the order of the schema file."""
    key = ", ".join(f"'{column}'" for column in table.key)
    arguments = f"'source', key=[{key}], keep='{table.keep}'"
    call = f"{{{{ deduplicate_landing({arguments}) }}}}"
    if table.prefer is not None:
        arguments += f', prefer="{table.prefer}"'
        call = f"{{{{\n        deduplicate_landing(\n            {arguments}\n        )\n    }}}}"
    return MODEL.format(
        table=table.name,
        deduplicate=call,
        columns="\n".join(f"        {column.name}," for column in table.columns),
    )


def render_properties(table: TableSchema) -> str:
    """Renders the YAML of a staging model without unit tests: grain, key test, and column descriptions via `doc()`."""
    lines = [
        f"# {NOTICE}, except unit_tests.",
        "version: 2",
        "",
        "models:",
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


def unit_tests_in(properties: Path) -> str:
    """Returns the part of a model's yml file from `unit_tests:` to the end, or an empty string if there is none."""
    if not properties.exists():
        return ""
    _, heading, tests = properties.read_text(encoding="utf-8").partition(UNIT_TESTS)
    return heading + tests


def render_docs(tables: Sequence[TableSchema]) -> str:
    """Renders the Markdown file with one docs block, `landing__<table>__<column>`, for each landing column."""
    blocks = [f"<!-- {NOTICE}; do not edit. -->"]
    blocks += [
        f"{{% docs landing__{table.name}__{column.name} %}}\n{column.description}\n{{% enddocs %}}"
        for table in tables
        for column in table.columns
    ]
    return "\n\n".join(blocks) + "\n"


def data_type(column: Column) -> str:
    """Returns the column's GoogleSQL type in lowercase, for example int64 or array<string>."""
    name = SQL_TYPES.get(column.type, column.type.lower())
    return f"array<{name}>" if column.mode == "REPEATED" else name


def main(arguments: Sequence[str], *, root: Path) -> int:
    """Writes the generated files (`--write`) or compares them; returns 1 if a compared file is out of date, else 0."""
    files = generated_files(root / STAGING)
    if "--write" in arguments:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        sys.stderr.write(
            f"{path.relative_to(root)} is out of date: run `python -m assay.warehouse.dbt_sources --write`.\n"
        )
    return 1 if stale else 0


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
    """Returns the text as a double-quoted YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], root=Path(__file__).resolve().parents[2]))
