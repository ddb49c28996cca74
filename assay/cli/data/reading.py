"""Read-only commands: report, query."""

from __future__ import annotations

from pathlib import Path

import click

from assay.cli.opening import opened_project
from assay.cli.option_types import OUTPUT_FILE
from assay.errors import UsageError


@click.command()
@click.argument("task")
@click.option("--format", "style", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option(
    "--html",
    "html_file",
    type=OUTPUT_FILE,
    help="Also write the scorecard as a web page.",
)
def report(task: str, style: str, html_file: Path | None) -> None:
    """Show the scorecard: reliability with its confidence interval, cost, latency, failures."""
    from assay.report.render import html, markdown
    from assay.report.scorecard import read_scorecard
    from assay.tasks.loader import find_task
    from assay.terminal.output import note, write_json, write_scorecard, write_text
    from assay.warehouse.refresh import refresh_marts

    project = opened_project()
    find_task(project.settings.tasks_dir, task)
    refresh_marts(project.warehouse, task, report=note)
    card = read_scorecard(project.warehouse, task)
    if html_file is not None:
        _write_page(html_file, html(card))
        note(f"wrote the scorecard to {html_file}")
    if style == "json":
        write_json(card.as_dict())
    elif style == "markdown":
        write_text(markdown(card))
    else:
        write_scorecard(card)


def _write_page(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(
            f"The scorecard cannot be written to {path}: {error.strerror}", next_step="choose another file."
        ) from error


@click.command(context_settings={"ignore_unknown_options": True})  # because SQL may start with a comment: -- …
@click.argument("sql")
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def query(sql: str, style: str) -> None:
    """Run a SELECT. Unqualified names are reporting views; qualify other tables with the dataset: dev_landing.runs."""
    from assay.terminal.output import write_rows
    from assay.warehouse.reading import read_only

    result = read_only(opened_project().warehouse, sql)
    write_rows(result.columns, result.rows, style=style)
