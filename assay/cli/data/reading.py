"""Read-only commands: report, runs, query."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.cli.opening import DAY, STYLES, opened_project
from assay.cli.option_types import OUTPUT_FILE, BoundedInteger
from assay.errors import UsageError

if TYPE_CHECKING:
    from assay.warehouse.client import Warehouse


@click.command()
@click.argument("task")
@click.option("--run", "run_id", metavar="RUN", help="Run to report; default: the latest completed whole run.")
@click.option("--variant", metavar="NAME", help="The latest whole run of this variant; default: of `default`, if any.")
@click.option("--data-date", type=DAY, help="The latest whole run of this day.")
@click.option("--format", "style", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option(
    "--html",
    "html_file",
    type=OUTPUT_FILE,
    help="Also write the scorecard as a web page.",
)
@click.option(
    "--wrong",
    type=BoundedInteger(0, 100),
    default=10,
    show_default=True,
    help="Number of wrong answers to show with their masked content; 0 hides them.",
)
@click.option("--refresh", is_flag=True, help="Also build the marts if they lack the task's latest run; takes minutes.")
def report(
    task: str,
    run_id: str | None,
    variant: str | None,
    data_date: datetime | None,
    style: str,
    html_file: Path | None,
    wrong: int,
    refresh: bool,
) -> None:
    """Show the scorecard of a run: reliability with its confidence interval, cost, latency, failures."""
    from assay.adoption.variants import ADOPTED
    from assay.report.render import html, markdown
    from assay.report.scorecard import ReportedRun, read_scorecard
    from assay.tasks.loader import find_task
    from assay.terminal.output import note, write_json, write_scorecard, write_text

    project = opened_project()
    find_task(project.settings.tasks_dir, task)
    name = variant.removeprefix(ADOPTED) if variant is not None else None
    selected = ReportedRun(run_id=run_id, variant=name, data_date=data_date.date() if data_date else None)
    card = read_scorecard(project.warehouse, task, selected, wrong=wrong)
    if html_file is not None:
        _write_page(html_file, html(card))
        note(f"wrote the scorecard to {html_file}")
    if style == "json":
        write_json(card.as_dict())
    elif style == "markdown":
        write_text(markdown(card))
    else:
        write_scorecard(card)
    if refresh:
        _refresh(project.warehouse, task)


def _refresh(warehouse: Warehouse, task: str) -> None:
    from assay.terminal.output import note
    from assay.warehouse.refresh import refresh_marts

    refresh_marts(warehouse, task, report=note)


def _write_page(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(
            f"The scorecard cannot be written to {path}: {error.strerror}", next_step="choose another file."
        ) from error


@click.command()
@click.argument("task", required=False)
@click.option(
    "--last", type=BoundedInteger(1, 1000), default=20, show_default=True, help="Number of runs, newest first."
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def runs(task: str | None, last: int, style: str) -> None:
    """List runs, newest first: status, counts, cost, and whether every record of the input was requested."""
    from assay.report.runs.listing import COLUMNS, list_runs, run_row
    from assay.tasks.loader import find_task
    from assay.terminal.output import write_json, write_table

    project = opened_project()
    if task is not None:
        find_task(project.settings.tasks_dir, task)
    found = list_runs(project.warehouse, task, last=last)
    if style == "json":
        write_json([run.as_dict() for run in found])
    else:
        write_table(COLUMNS, [run_row(run, names_task=task is None) for run in found])


@click.command(context_settings={"ignore_unknown_options": True})  # because SQL may start with a comment: -- …
@click.argument("sql")
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def query(sql: str, style: str) -> None:
    """Run a SELECT. Unqualified names are reporting views; qualify other tables with the dataset: dev_landing.runs."""
    from assay.terminal.output import write_rows
    from assay.warehouse.reading import read_only

    result = read_only(opened_project().warehouse, sql)
    write_rows(result.columns, result.rows, style=style)
