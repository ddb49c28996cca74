"""Landing table commands: warehouse diff, warehouse migrate."""

from __future__ import annotations

import click

from assay.cli.opening import STYLES, opened_project, write_and_exit


@click.group()
def warehouse() -> None:
    """Compare the landing tables with their schema files, and migrate them."""


@warehouse.command()
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def diff(style: str) -> None:
    """List differences between the landing tables and the schema files; exit 1 if there are any."""
    from dataclasses import asdict

    from assay.terminal.output import write_json, write_text
    from assay.warehouse.migrate import diff as differences_of

    differences = differences_of(opened_project().warehouse)

    def write() -> None:
        if style == "json":
            write_json([asdict(difference) for difference in differences])
            return
        for line in [*map(str, differences)] or ["The landing tables match the schema files."]:
            write_text(line)

    write_and_exit(write, code=int(bool(differences)))


@warehouse.command(name="migrate")
def migrate_tables() -> None:
    """Create missing tables, add missing nullable columns and apply numbered migrations."""
    from assay.terminal.output import write_text
    from assay.warehouse.migrate import migrate

    migrate(opened_project().warehouse, report=write_text)
    write_text("The landing tables match the schema files.")
