"""The cost forecast that `assay run` prints before its first call, and `--dry-run`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from assay.project import StageContext

if TYPE_CHECKING:
    from assay.project import Project
    from assay.runs.forecast.forecast import Forecast
    from assay.runs.run import Run, RunOptions


def report_forecast(context: StageContext, run: Run) -> None:
    """Prints the cost forecast of the run to stderr, including whether a budget is expected to stop it."""
    from assay.runs.forecast.forecast import forecast
    from assay.runs.forecast.render import forecast_lines
    from assay.terminal.output import note

    for line in forecast_lines(forecast(context, run)):
        note(line)


def forecast_of_new(project: Project, task: str, options: RunOptions, *, style: str) -> None:
    """Prints the cost forecast of a new run, without any model call or landed row."""
    from assay.runs.admission import previewed
    from assay.runs.batches.session import refuse_unbatchable
    from assay.runs.forecast.forecast import forecast
    from assay.terminal.progress import counter

    loaded = project.task(task, variant=options.variant)
    if options.batch:
        refuse_unbatchable(project, loaded)
    with previewed(project, loaded, options, report=counter("read", every=20000)) as run:
        write_forecast(forecast(project, run, is_landed=False), style=style)


def write_forecast(forecast: Forecast, *, style: str) -> None:
    """Prints the forecast to stdout."""
    from assay.runs.forecast.render import forecast_lines
    from assay.terminal.output import write_json, write_text

    if style == "json":
        write_json(asdict(forecast))
        return
    for line in forecast_lines(forecast):
        write_text(line)
