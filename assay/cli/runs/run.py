"""The run command: calls a model for every row of an input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from assay.cli.opening import CONTINUE, DAY, STAGES, STYLES, opened_project, seen_from_here
from assay.cli.option_types import INTEGER, OUTPUT_FILE, epochs_option
from assay.cli.runs.batching import run_batches
from assay.cli.runs.forecasting import forecast_of_new, report_forecast, write_forecast
from assay.errors import AssayError, RunInUse
from assay.project import StageContext

if TYPE_CHECKING:
    from assay.project import Project
    from assay.runs.run import Run, RunOptions
    from assay.runs.summary import RunSummary


@click.command()
@click.argument("task")
@click.option(
    "--input",
    "input_spec",
    metavar="FILE|TABLE|SQL",
    help="Input to use instead of the task's source; golden, golden:dev or golden:gate for the task's cases.",
)
@click.option("--limit", type=INTEGER, help="Only the first N rows, including rows that are rejected.")
@click.option("--variant", default="default", show_default=True, help="Named overrides of task.yml.")
@epochs_option
@click.option(
    "--budget",
    "budget_usd",
    type=float,
    metavar="USD",
    help="Maximum spend of the run; the rest lands as skipped_budget.",
)
@click.option("--reuse", metavar="POLICY", help="always, never, or 'within N hours|days': reuse of landed predictions.")
@click.option("--data-date", type=DAY, help="Logical day of the run; default: today (UTC).")
@click.option("--stage", type=STAGES, help="Stage recorded with the run.")
@click.option(
    "--batch",
    is_flag=True,
    help="Use the provider's Batch API: slower, cheaper. With --resume: submit requests that a batch did not complete again.",
)
@click.option("--wait", is_flag=True, help="With --batch: wait until all batches have landed.")
@click.option("--dry-run", is_flag=True, help="Only print the cost forecast; nothing is sent or landed.")
@click.option("--resume", "resume_id", metavar="RUN", help="Resume an interrupted run.")
@click.option(
    "--output",
    type=OUTPUT_FILE,
    help="Also write the predictions to this JSONL file, with masked values restored.",
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def run(
    task: str,
    input_spec: str | None,
    limit: int | None,
    variant: str,
    epochs: int,
    budget_usd: float | None,
    reuse: str | None,
    data_date: datetime | None,
    stage: str | None,
    batch: bool,
    wait: bool,
    dry_run: bool,
    resume_id: str | None,
    output: Path | None,
    style: str,
) -> None:
    """Call the model for every row of an input, and land all predictions."""
    given = _Arguments(
        task=task,
        input_spec=input_spec,
        limit=limit,
        variant=variant,
        epochs=epochs,
        budget_usd=budget_usd,
        reuse=reuse,
        data_date=(data_date or datetime.now(UTC)).date(),
        stage=stage,
        batch=batch,
        wait=wait,
        resume_id=resume_id,
        output=output,
        style=style,
    )
    project = opened_project(writes=True)
    given = replace(given, input_spec=seen_from_here(input_spec, project.settings.root))
    if dry_run:
        _forecast_only(project, given)
    else:
        _run(project, given)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arguments:
    """The parsed argument and options of the command."""

    task: str
    input_spec: str | None
    limit: int | None
    variant: str
    epochs: int
    budget_usd: float | None
    reuse: str | None
    data_date: date
    stage: str | None
    batch: bool
    wait: bool
    resume_id: str | None
    output: Path | None
    style: str

    @property
    def sends_again(self) -> bool:
        """True if requests that a batch did not complete are submitted in a new batch."""
        return self.batch and self.resume_id is not None

    def for_new_run(self) -> RunOptions:
        """Returns the options of a new run."""
        from assay.records.statuses import Stage
        from assay.runs.run import RunOptions

        return RunOptions(
            data_date=self.data_date,
            input=self.input_spec,
            variant=self.variant,
            limit=self.limit,
            epochs=self.epochs,
            budget_usd=self.budget_usd,
            reuse=self.reuse,
            stage=Stage(self.stage) if self.stage else None,
            batch=self.batch,
        )


def _run(project: Project, given: _Arguments) -> None:
    from assay.records.statuses import RunStatus
    from assay.runs.summary import refuse_unanswered
    from assay.scoring.score_stage import write_predictions
    from assay.terminal.output import note, write_summary

    current, requests = _opened(project, given)
    click.get_current_context().meta[CONTINUE] = _resume_hint(current)
    note(f"run {current.run_id}: {requests:,} requests")
    report_forecast(project, current)
    if current.options.batch:
        left = run_batches(project, current, again=given.sends_again, wait=given.wait, style=given.style)
        if left is None:
            return
        requests = left
    summary = _answered(project, current, requests)
    if given.output is not None:
        note(f"predictions written to {given.output}: {write_predictions(project, current, given.output):,}")
    write_summary(summary, style=given.style)
    if summary.status != RunStatus.COMPLETED:
        raise AssayError(
            f"Run {current.run_id} is incomplete: {summary.predictions:,} of {summary.expected_predictions:,} "
            "predictions have landed",
            next_step=_resume_hint(current),
        )
    refuse_unanswered(summary)
    if given.style == "table":
        note(f"next: assay report {given.task}")


def _forecast_only(project: Project, given: _Arguments) -> None:
    if given.resume_id is None:
        forecast_of_new(project, given.task, given.for_new_run(), style=given.style)
        return
    from assay.runs.forecast.forecast import forecast

    current, _ = _resumed(project, given, given.resume_id)
    write_forecast(forecast(project, current), style=given.style)


def _opened(project: Project, given: _Arguments) -> tuple[Run, int]:
    """Returns the run, new or reopened, and the number of its open requests."""
    if given.resume_id is None and given.wait and not given.batch:
        raise AssayError(
            "--wait has no effect without --batch, because a run without --batch always waits",
            next_step="add --batch or omit --wait.",
        )
    if given.resume_id is None:
        return _admitted(project, given)
    current, requests = _resumed(project, given, given.resume_id)
    _refuse_options_of_a_batch(current, again=given.sends_again, wait=given.wait)
    return current, requests


def _admitted(project: Project, given: _Arguments) -> tuple[Run, int]:
    from assay.runs.admission import admit
    from assay.runs.batches.session import refuse_unbatchable
    from assay.terminal.output import note
    from assay.terminal.progress import counter

    chosen = given.for_new_run()
    loaded = project.task(given.task, variant=chosen.variant)
    if chosen.batch:
        refuse_unbatchable(project, loaded)
    admission = admit(project, loaded, chosen, report=counter("read", every=20000))
    if admission.warning:
        note(f"warning: {admission.warning}")
    return admission.run, admission.records * chosen.epochs


def _answered(context: StageContext, current: Run, requests: int) -> RunSummary:
    """Sends the requests and scores the run; an error states how to resume."""
    from assay.pipeline import answer, finish
    from assay.runs.requests.request_stage import Interrupted
    from assay.terminal.progress import counter, run_progress

    try:
        with run_progress(requests) as progress:
            answer(context, current, progress)
        return finish(context, current, report=counter("scored", every=5000))
    except (Interrupted, RunInUse):
        raise
    except AssayError as error:
        error.then = f"All predictions so far have landed; {_resume_hint(current)}"
        raise


def _resume_hint(current: Run) -> str:
    return f"resume with: assay run {current.task.name} --resume {current.run_id}"


def _refuse_options_of_a_resume() -> None:
    context = click.get_current_context()
    kept = ("limit", "variant", "epochs", "budget_usd", "reuse", "data_date", "stage")
    given = [name for name in kept if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        option = f"--{given[0].removesuffix('_usd').replace('_', '-')}"
        raise AssayError(
            f"{option} cannot be combined with --resume, because a resumed run keeps its original options",
            next_step=f"omit {option}, or start a new run.",
        )


def _refuse_options_of_a_batch(current: Run, *, again: bool, wait: bool) -> None:
    option = "--batch" if again else "--wait" if wait else None
    if option is not None and not current.options.batch:
        raise AssayError(
            f"{option} cannot be used with run {current.run_id}, because it was started without --batch",
            next_step=f"omit {option}.",
        )


def _resumed(project: Project, given: _Arguments, run_id: str) -> tuple[Run, int]:
    from assay.runs.resume import reopen
    from assay.runs.summary import open_requests

    _refuse_options_of_a_resume()
    current = reopen(project, run_id, input_spec=given.input_spec)
    if current.task.name != given.task:
        raise AssayError(
            f"Run {run_id} belongs to task '{current.task.name}', not '{given.task}'", next_step=_resume_hint(current)
        )
    return current, open_requests(project.warehouse, current)
