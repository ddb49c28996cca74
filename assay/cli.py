"""The commands. Each reads its options, calls the engine and shows the result; nothing is computed here.

Heavy rooms are imported inside the command that needs them, so that `assay --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from assay.errors import AssayError

if TYPE_CHECKING:
    from assay.pipeline.execution import RunSummary
    from assay.pipeline.project import Project
    from assay.pipeline.run import Run, RunOptions
    from assay.settings import Settings

INTERRUPTED = 130
DAY = click.DateTime(formats=["%Y-%m-%d"])
STYLES = click.Choice(["table", "json"])


class AssayGroup(click.Group):
    """Turns what the user must know into one message and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an `AssayError` becomes a line on stderr and its exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader who left is noticed here, not when the interpreter ends
            return result
        except AssayError as error:
            click.echo(f"assay: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("assay: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # whoever read the result has enough, e.g. `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except OSError as error:
            click.echo(f"assay: {error.filename or 'system'}: {error.strerror or error}; see its permissions", err=True)
            ctx.exit(AssayError.exit_code)


def main() -> None:
    """The entry point of `assay`; mistakes in use exit 3."""
    try:
        # Outside its standalone mode click returns the code that a command left with; commands return nothing else.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(AssayError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("assay: interrupted", err=True)
        sys.exit(INTERRUPTED)


@click.group(
    cls=AssayGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: docs/reference/exit-codes.md",
)
@click.version_option(package_name="assay")
def cli() -> None:
    """Run LLM batch jobs from your warehouse, and know with error bars whether the answers are good enough."""


@cli.command()
def up() -> None:
    """Start the local stack: warehouse, model server, Dagster."""
    from assay.local import stack
    from assay.terminal import note
    from assay.warehouse.client import Warehouse
    from assay.warehouse.migrate import migrate

    settings = _settings()
    wanted = stack.PARTS if settings.is_local else [part for part in stack.PARTS if part != "warehouse"]
    parts = stack.up(settings, parts=wanted, report=note)
    migrate(Warehouse(settings), report=note)
    _show_parts(parts)


@cli.command()
def down() -> None:
    """Stop the local stack; data stay in .assay/."""
    from assay.local import stack
    from assay.terminal import note

    _show_parts(stack.down(_settings(), report=note))


@cli.command()
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def status(style: str) -> None:
    """Show the parts of the local stack, where they answer and where they log."""
    from assay.local import stack

    _show_parts(stack.status(_settings()), style=style)


@cli.command()
@click.argument("task")
def init(task: str) -> None:
    """Write a new task folder that runs as it is."""
    from assay.tasks.new_task import scaffold_task

    folder = scaffold_task(_settings().tasks_dir, task)
    click.echo(
        f"tasks/{folder.name}: edit task.yml, output.py, prompts/ and cases.jsonl; then: assay check {task} && assay run {task}"
    )


@cli.command()
@click.argument("task", required=False)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def check(task: str | None, style: str) -> None:
    """Validate task folders; each mistake has its file and line, what was expected and found."""
    from assay.pipeline.project import check_tasks
    from assay.tasks.loader import find_task, task_names
    from assay.terminal import write_json, write_table

    project = _project()
    names = [find_task(project.settings.tasks_dir, task).name] if task else list(task_names(project.settings.tasks_dir))
    good, mistakes = check_tasks(project, names)
    if style == "json":
        write_json({"tasks": good, "mistakes": mistakes})
    elif good:
        write_table(
            ("task", "inference", "golden set", "policy", "cases", "variants"), [tuple(row.values()) for row in good]
        )
    if mistakes:
        raise AssayError("\n".join(str(mistake) for mistake in mistakes))
    if not names:
        raise AssayError("No task in tasks/: expected a folder with task.yml; `assay init TASK` writes one.")


@cli.command()
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
@click.option("--stage", type=click.Choice(["shadow", "beta", "ga"]), help="Stage the run is recorded under.")
@click.option("--resume", "resume_id", metavar="RUN", help="Go on with a run that was cut off.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the answers to this JSONL file, personal details restored.",
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def run(task: str, resume_id: str | None, output: Path | None, style: str, **options: Any) -> None:
    """Ask the model about every row of an input, and land everything."""
    from assay.pipeline.scoring import refuse_unwritable, write_answers
    from assay.terminal import note, write_summary

    project = _project()
    options["input_spec"] = _seen_from_here(options["input_spec"], project.settings.root)
    if output is not None:
        refuse_unwritable(output)
    current, requests = (
        _resumed(project, task, resume_id, options["input_spec"])
        if resume_id is not None
        else _admitted(project, task, options)
    )
    note(f"run {current.run_id}: {requests:,} requests")
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


@cli.command()
@click.argument("task")
@click.option("--format", "style", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the scorecard as a web page.",
)
def report(task: str, style: str, html_file: Path | None) -> None:
    """Show the scorecard: reliability with its interval, cost, latency, failures."""
    from assay.evals.scorecard import read_scorecard
    from assay.evals.scorecard_views import html, markdown
    from assay.tasks.loader import find_task
    from assay.terminal import note, write_json, write_scorecard
    from assay.warehouse.refresh import refresh_marts

    project = _project()
    find_task(project.settings.tasks_dir, task)
    refresh_marts(project.warehouse, task, report=note)
    card = read_scorecard(project.warehouse, task)
    if html_file is not None:
        html_file.write_text(html(card), "utf-8")
        note(f"scorecard in {html_file}")
    if style == "json":
        write_json(card.as_dict())
    elif style == "markdown":
        click.echo(markdown(card))
    else:
        write_scorecard(card)


@cli.command(context_settings={"ignore_unknown_options": True})  # a statement may begin with a comment: -- …
@click.argument("sql")
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def query(sql: str, style: str) -> None:
    """Run a SELECT; bare names are reporting views, others carry their dataset: dev_landing.runs."""
    from assay.terminal import write_rows
    from assay.warehouse.reading import read_only

    result = read_only(_project().warehouse, sql)
    write_rows(result.columns, result.rows, style=style)


@cli.group()
def warehouse() -> None:
    """The landing tables against their schema files."""


@warehouse.command()
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def diff(style: str) -> None:
    """Show what the live tables lack or have otherwise; exit 1 when they differ."""
    from dataclasses import asdict

    from assay.terminal import write_json
    from assay.warehouse.migrate import diff as differences_of

    differences = differences_of(_project().warehouse)
    if style == "json":
        write_json([asdict(difference) for difference in differences])
    else:
        for difference in differences:
            click.echo(str(difference))
    if differences:
        click.get_current_context().exit(1)
    if style == "table":
        click.echo("The landing tables equal the schema files.")


@warehouse.command(name="migrate")
def migrate_tables() -> None:
    """Create missing tables, add missing nullable columns, apply numbered migrations."""
    from assay.warehouse.migrate import migrate

    migrate(_project().warehouse, report=click.echo)
    click.echo("The landing tables equal the schema files.")


@cli.command()
def demo() -> None:
    """Run the shipped task end to end on this machine: local stack, Dagster, marts, scorecard."""
    from assay.demo import run_demo

    run_demo(_settings())


def _settings() -> Settings:
    from assay.settings import load_settings

    return load_settings()


def _project() -> Project:
    from assay.pipeline.project import open_project

    return open_project(_settings())


def _seen_from_here(spec: str | None, root: Path) -> str | None:
    """A file of the folder the command was given in, for names are else read from the project's folder."""
    # os.path and not Path: a long SQL text is no file name, which Path answers with an error.
    if spec is None or os.path.isfile(root / spec) or not os.path.isfile(spec):
        return spec
    return os.path.abspath(spec)


def _options(options: dict[str, Any]) -> RunOptions:
    from assay.pipeline.run import RunOptions

    day = options.pop("data_date")
    return RunOptions(
        data_date=day.date() if day else datetime.now(UTC).date(), input=options.pop("input_spec"), **options
    )


def _admitted(project: Project, task: str, options: dict[str, Any]) -> tuple[Run, int]:
    from assay.pipeline.admission import admit
    from assay.terminal import counter, note

    chosen = _options(options)
    admission = admit(project, project.task(task, variant=chosen.variant), chosen, report=counter("read", every=20000))
    if admission.warning:
        note(f"warning: {admission.warning}")
    return admission.run, admission.records * chosen.epochs


def _answered(project: Project, current: Run, requests: int) -> RunSummary:
    """Answers and scores; whatever stops it, the message says how to go on."""
    from assay.pipeline.execution import answer, finish
    from assay.terminal import counter, run_progress

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


def _resumed(project: Project, task: str, run_id: str, input_spec: str | None) -> tuple[Run, int]:
    from assay.pipeline.admission import reopen
    from assay.pipeline.execution import open_requests

    _refuse_options_of_a_resume()
    current = reopen(project, run_id, input_spec=input_spec)
    if current.task.name != task:
        raise AssayError(f"Run {run_id} is one of task '{current.task.name}', not '{task}'; {_go_on(current)}")
    return current, open_requests(project, current)


def _show_parts(parts: Any, *, style: str = "table") -> None:
    from assay.terminal import write_rows

    columns = ("part", "state", "address", "pid", "log")
    write_rows(
        columns, [(part.name, str(part.state), part.url, part.pid, str(part.log)) for part in parts], style=style
    )
