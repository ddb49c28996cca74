"""Generates docs/reference/tables.md from the schema files and the descriptions of the reporting views.

    python scripts/reference_tables.py           # writes the page
    python scripts/reference_tables.py --check   # exits with 1 if the page is out of date

Descriptions are read from `assay/warehouse/schemas` and from the yml file of each reporting view in `dbt_project`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from assay.warehouse.schema import TableSchema, landing_tables

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "tables.md"
MODELS = ROOT / "dbt_project" / "models"
REPORTING = MODELS / "reporting"
BLOCK = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)
REFERENCE = re.compile(r"{{ doc\('(\w+)'\) }}")
HEAD = """# Tables and views

<!-- Written by `python scripts/reference_tables.py`; do not edit. -->

Dataset names start with the environment: with `ASSAY_ENV=dev` they are `dev_landing`, `dev_staging`, `dev_intermediate`,
`dev_marts` and `dev_reporting`. Times are UTC, durations end in `_ms`, money is NUMERIC in USD.

- [Landing tables](#landing-tables): written by runs. Append-only; a row may land twice.
- [Reporting views](#reporting-views): read by people and dashboards. Duplicates are removed.

[Architecture](../architecture.md) describes the steps between them, [Query the marts](../how-to/query-the-marts.md) how to
query them.
"""


def page() -> str:
    """Returns the text of the page."""
    lines = [HEAD, "## Landing tables", ""]
    for table in landing_tables().values():
        lines += _landing(table)
    lines += ["## Reporting views", ""]
    for properties in sorted(REPORTING.glob("*.yml")):
        (view,) = yaml.safe_load(properties.read_text("utf-8"))["models"]
        lines += _reporting(view, _blocks())
    return "\n".join(lines).rstrip() + "\n"


def _landing(table: TableSchema) -> Iterator[str]:
    yield from (f"### `{table.name}`", "", f"{table.description} Grain: {table.grain}.", "")
    yield (
        f"Key: {_names(table.key)}; of duplicates staging keeps the {table.keep}. "
        f"Partitioned by `{table.partition}`, clustered by {_names(table.cluster)}."
    )
    yield from ("", "| column | type | mode | meaning |", "|---|---|---|---|")
    for column in table.columns:
        mode = column.mode.lower()
        yield f"| `{column.name}` | {column.type} | {mode} | {_cell(column.description)} |"
    yield ""


def _reporting(view: dict[str, Any], blocks: dict[str, str]) -> Iterator[str]:
    yield from (f"### `{view['name']}`", "", view["description"], "", "| column | type | meaning |", "|---|---|---|")
    for column in view["columns"]:
        meaning = REFERENCE.sub(lambda found: blocks[found[1]], column["description"])
        yield f"| `{column['name']}` | {column['data_type'].upper()} | {_cell(meaning)} |"
    yield ""


def _blocks() -> dict[str, str]:
    """Returns every docs block of the dbt project by name."""
    texts = (path.read_text("utf-8") for path in sorted(MODELS.rglob("*.md")))
    return {name: text for page in texts for name, text in BLOCK.findall(page)}


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Writes the page or, with `--check`, compares it; returns the exit code."""
    wanted = page()
    if "--check" not in arguments:
        PAGE.write_text(wanted, "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == wanted:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is out of date: run `python scripts/reference_tables.py`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
