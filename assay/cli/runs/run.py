"""The command that asks a model about every row of an input: run."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from assay.cli.opening import DAY, STAGES, STYLES, opened_project
from assay.cli.runs.batching import run_batches
from assay.cli.runs.forecasting import forecast_of_new, report_forecast, write_forecast
from assay.errors import AssayError

if TYPE_CHECKING:
    from assay.project import Project
    from assay.runs.run import Run, RunOptions
    from assay.runs.summary import RunSummary

INTERRUPTED = 130


@click.command()
@click.argument("task")
@click.option(
    "--input",
    "input_spec",
    metavar="FILE|TABLE|SQL",
    help="Source instead of the task's own, files relative to the project folder; golden, golden:dev, golden:gate for its cases.",
)
@click.option("--limit", type=int, help="Only the first N rows, counted before any is rejected.")
@click.option("--variant", default="default", show_default=True, help="Named overrides of task.yml.")
@click.option("--epochs", type=int, default=1, show_default=True, help="Times each record is asked.")
@click.option(
    "--budget",
    "budget_usd",
    type=float,
    metavar="USD",
    help="Most the run may spend; the rest lands as skipped_budget.",
)
@click.option(
    "--reuse", metavar="POLICY", help="always, never, or 'within N hours|days': answers already in the warehouse."
)
@click.option("--data-date", type=DAY, help="Logical day of the run; today (UTC) without.")
@click.option("--stage", type=STAGES, help="Stage the run is recorded under.")
@click.option(
    "--batch",
    is_flag=True,
    help="By the provider's Batch API: slower, at a lower price. With --resume: send again what a batch did not answer.",
)
@click.option("--wait", is_flag=True, help="With --batch: stay until every batch is landed.")
@click.option("--dry-run", is_flag=True, help="Only say what the run would probably cost; nothing is sent or landed.")
@click.option("--resume", "resume_id", metavar="RUN", help="Go on with a run that was cut off.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the answers to this JSONL file, personal details restored.",
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def run(
    task: str, resume_id: str | None, output: Path | None, style: str, wait: bool, dry_run: bool, **options: Any
) -> None:
    """Ask the model about every row of an input, and land everything."""
    from assay.scoring.score_stage import refuse_unwritable, write_answers
    from assay.terminal.output import note, write_summary

    project = opened_project()
    options["input_spec"] = _seen_from_here(options["input_spec"], project.settings.root)
    if dry_run:
        _forecast_only(project, task, resume_id, options, style=style)
        return
    if output is not None:
        refuse_unwritable(output)
    again = resume_id is not None and options["batch"]
    if wait and resume_id is None and not options["batch"]:
        raise AssayError("--wait without --batch: expected both, for without a batch a run waits anyway; add --batch.")
    current, requests = (
        _resumed(project, task, resume_id, options["input_spec"])
        if resume_id is not None
        else _admitted(project, task, options)
    )
    _refuse_options_of_a_batch(current, again=again, wait=wait)
    note(f"run {current.run_id}: {requests:,} requests")
    report_forecast(project, current)
    if current.options.batch:
        left = run_batches(project, current, again=again, wait=wait, style=style)
        if left is None:
            return
        requests = left
    summary = _answered(project, current, requests)
    if output is not None:
        note(f"{write_answers(project, current, output):,} answers in {output}")
    write_summary(summary, style=style)
    if summary.status != "completed":
        raise AssayError(
            f"Run {current.run_id} is not complete: {summary.predictions:,} of {summary.expected_predictions:,} "
            f"predictions landed; {_go_on(current)}"
        )
    if style == "table":
        note(f"next: assay report {task}")


def _forecast_only(project: Project, task: str, resume_id: str | None, options: dict[str, Any], *, style: str) -> None:
    if resume_id is None:
        forecast_of_new(project, task, _options(options), style=style)
        return
    from assay.runs.forecast.forecast import forecast

    current, _ = _resumed(project, task, resume_id, options["input_spec"])
    write_forecast(forecast(project, current), style=style)


def _seen_from_here(spec: str | None, root: Path) -> str | None:
    """A file of the folder the command was given in, for names are else read from the project's folder."""
    # os.path and not Path: a long SQL text is no file name, which Path answers with an error.
    if spec is None or os.path.isfile(root / spec) or not os.path.isfile(spec):
        return spec
    return os.path.abspath(spec)


def _options(options: dict[str, Any]) -> RunOptions:
    from assay.runs.run import RunOptions

    day = options.pop("data_date")
    return RunOptions(
        data_date=day.date() if day else datetime.now(UTC).date(), input=options.pop("input_spec"), **options
    )


def _admitted(project: Project, task: str, options: dict[str, Any]) -> tuple[Run, int]:
    from assay.runs.admission import admit
    from assay.runs.batches.session import refuse_unbatchable
    from assay.terminal.output import note
    from assay.terminal.progress import counter

    chosen = _options(options)
    loaded = project.task(task, variant=chosen.variant)
    if chosen.batch:
        refuse_unbatchable(project, loaded)
    admission = admit(project, loaded, chosen, report=counter("read", every=20000))
    if admission.warning:
        note(f"warning: {admission.warning}")
    return admission.run, admission.records * chosen.epochs


def _answered(project: Project, current: Run, requests: int) -> RunSummary:
    """Answers and scores; whatever stops it, the message says how to go on."""
    from assay.pipeline import answer, finish
    from assay.terminal.progress import counter, run_progress

    try:
        with run_progress(requests) as progress:
            answer(project, current, progress)
        return finish(project, current, report=counter("scored", every=5000))
    except AssayError as error:
        if "--resume" not in str(error):
            error.args = (f"{error}\nWhat was answered is landed; {_go_on(current)}",)
        raise
    except KeyboardInterrupt:
        click.echo(f"assay: interrupted; what was answered is landed, {_go_on(current)}", err=True)
        click.get_current_context().exit(INTERRUPTED)


def _go_on(current: Run) -> str:
    return f"go on with: assay run {current.task.name} --resume {current.run_id}"


def _refuse_options_of_a_resume() -> None:
    context = click.get_current_context()
    kept = ("limit", "variant", "epochs", "budget_usd", "reuse", "data_date", "stage")
    given = [name for name in kept if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        option = f"--{given[0].removesuffix('_usd').replace('_', '-')}"
        raise AssayError(
            f"{option} beside --resume: expected it away, for a run goes on with the options it was started with; "
            "leave it away, or start a new run."
        )


def _refuse_options_of_a_batch(current: Run, *, again: bool, wait: bool) -> None:
    option = "--batch" if again else "--wait" if wait else None
    if option is not None and not current.options.batch:
        raise AssayError(
            f"{option} for run {current.run_id}: expected a run that was started with --batch; leave {option} away."
        )


def _resumed(project: Project, task: str, run_id: str, input_spec: str | None) -> tuple[Run, int]:
    from assay.runs.resume import reopen
    from assay.runs.summary import open_requests

    _refuse_options_of_a_resume()
    current = reopen(project, run_id, input_spec=input_spec)
    if current.task.name != task:
        raise AssayError(f"Run {run_id} is one of task '{current.task.name}', not '{task}'; {_go_on(current)}")
    return current, open_requests(project, current)
