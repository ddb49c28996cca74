"""Landing table commands: warehouse diff, warehouse migrate."""

from __future__ import annotations

import click

from assay.cli.opening import STYLES, opened_project


@click.group()
def warehouse() -> None:
    """Compare the landing tables with their schema files, and migrate them."""


@warehouse.command()
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def diff(style: str) -> None:
    """List differences between the landing tables and the schema files; exit 1 if there are any."""
    from dataclasses import asdict

    from assay.terminal.output import write_json
    from assay.warehouse.migrate import diff as differences_of

    differences = differences_of(opened_project().warehouse)
    if style == "json":
        write_json([asdict(difference) for difference in differences])
    else:
        for difference in differences:
            click.echo(str(difference))
    if differences:
        click.get_current_context().exit(1)
    if style == "table":
        click.echo("The landing tables match the schema files.")


@warehouse.command(name="migrate")
def migrate_tables() -> None:
    """Create missing tables, add missing nullable columns and apply numbered migrations."""
    from assay.warehouse.migrate import migrate

    migrate(opened_project().warehouse, report=click.echo)
    click.echo("The landing tables match the schema files.")
