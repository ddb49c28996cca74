"""Route commands: route fit."""

from __future__ import annotations

import click

from assay.cli.opening import STYLES, opened_project, write_and_exit
from assay.cli.option_types import INTEGER, FiniteNumber
from assay.statistics.conventions import CASCADE_MARGIN, ERROR


@click.group()
def route() -> None:
    """Tune the routes of a task."""


@route.command("fit")
@click.argument("task")
@click.option("--cheap", required=True, metavar="VARIANT|RUN", help="Variant or run of the first, cheap route.")
@click.option("--better", required=True, metavar="VARIANT|RUN", help="Variant or run of the route to escalate to.")
@click.option(
    "--from", "source", metavar="logprob|FIELD", help="Source of the confidence; default: the cheap route's setting."
)
@click.option("--quality", type=FiniteNumber(0, 1, max_open=True), help="Minimum quality of the cascade.")
@click.option(
    "--within",
    type=FiniteNumber(0, 1, max_open=True),
    help=f"Maximum loss of quality compared with the better route; default {CASCADE_MARGIN:g}.",
)
@click.option(
    "--error",
    type=FiniteNumber(0, 0.5, min_open=True, max_open=True),
    default=ERROR,
    show_default=True,
    help="Maximum probability that the fitted threshold misses the goal.",
)
@click.option(
    "--seed", type=INTEGER, default=0, show_default=True, help="Seed for splitting the records into two halves."
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def fit(
    task: str,
    cheap: str,
    better: str,
    source: str | None,
    quality: float | None,
    within: float | None,
    error: float,
    seed: int,
    style: str,
) -> None:
    """Fit, from two landed runs, the confidence threshold below which a response of the cheap route escalates."""
    from assay.terminal.output import write_json, write_table, write_text
    from assay.tuning.cascade.fit_routes import FitOptions, fit_cascade
    from assay.tuning.cascade.render import as_values, rows, task_yml
    from assay.tuning.cascade.threshold import EXIT_CODES

    options = FitOptions(
        task=task,
        cheap=cheap,
        better=better,
        source=source,
        quality=quality,
        within=within,
        error=error,
        seed=seed,
    )
    project = opened_project()
    fitted = fit_cascade(project.warehouse, options, load=lambda variant: project.task(task, variant=variant))

    def write() -> None:
        if style == "json":
            write_json(as_values(fitted))
            return
        write_table((task, ""), rows(fitted))
        if fitted.fit.chosen is not None:
            write_text(task_yml(fitted))

    write_and_exit(write, code=EXIT_CODES[fitted.fit.verdict])
