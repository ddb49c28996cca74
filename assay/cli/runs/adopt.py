"""The adopt command: lands predictions that were made outside Assay."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from assay.cli.opening import CONTINUE, DAY, STAGES, STYLES, opened_project, seen_from_here
from assay.cli.option_types import INTEGER
from assay.errors import AssayError, UsageError, exit_code_of

if TYPE_CHECKING:
    from assay.adoption.adopt import AdoptedRun
    from assay.adoption.options import AdoptOptions
    from assay.project import Project

REPEAT_TO_RESUME = "repeat the command to resume: landed predictions are kept."


@click.command()
@click.argument("task")
@click.option(
    "--input",
    "input_spec",
    metavar="FILE|TABLE|SQL",
    help="Records, with the columns of --answer; default: the task's source or, for an Inspect log, its own samples.",
)
@click.option("--answer", "answers", multiple=True, metavar="[NAME=]COLUMN", help="Column with answers; repeatable.")
@click.option(
    "--answer-file",
    "files",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Output file of an OpenAI batch, or Inspect log (.eval, .json), instead of columns; repeatable.",
)
@click.option("--field", metavar="NAME", help="Field of the output that a bare label or text is the value of.")
@click.option(
    "--golden",
    type=click.Choice(["gate", "dev"]),
    help="The answers are for golden cases of this split, whose input and expected value are those of the task.",
)
@click.option("--id", "id_column", metavar="COLUMN", help="With --golden: the column of --input that names the case.")
@click.option("--model", multiple=True, metavar="[NAME=]COLUMN", help="Column with the model that gave the answer.")
@click.option("--cost-usd", multiple=True, metavar="[NAME=]COLUMN", help="Column with the cost of the answer in USD.")
@click.option("--latency-ms", multiple=True, metavar="[NAME=]COLUMN", help="Column with the answer's latency.")
@click.option("--input-tokens", multiple=True, metavar="[NAME=]COLUMN", help="Column with the number of input tokens.")
@click.option(
    "--output-tokens", multiple=True, metavar="[NAME=]COLUMN", help="Column with the number of output tokens."
)
@click.option("--scorer", metavar="NAME", help="Inspect logs: take the answer that this scorer extracted.")
@click.option("--limit", type=INTEGER, help="Only the first N rows; such a run is never compared.")
@click.option("--no-judges", is_flag=True, help="Do not call the judges of the task.")
@click.option("--data-date", type=DAY, help="Logical day of the runs; default: today (UTC).")
@click.option("--stage", type=STAGES, help="Stage recorded with the runs.")
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def adopt(
    task: str,
    input_spec: str | None,
    answers: tuple[str, ...],
    files: tuple[str, ...],
    field: str | None,
    golden: str | None,
    id_column: str | None,
    model: tuple[str, ...],
    cost_usd: tuple[str, ...],
    latency_ms: tuple[str, ...],
    input_tokens: tuple[str, ...],
    output_tokens: tuple[str, ...],
    scorer: str | None,
    limit: int | None,
    no_judges: bool,
    data_date: datetime | None,
    stage: str | None,
    style: str,
) -> None:
    """Land predictions that were made outside Assay, and score them like those of a run; no prediction is requested.

    Without --answer and --answer-file, the block `adopt` of task.yml says what is adopted.
    """
    from assay.adoption.options import AdoptOptions, answer_specs
    from assay.records.statuses import GoldenSplit, Stage

    stated = {
        "model": model,
        "cost_usd": cost_usd,
        "latency_ms": latency_ms,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
    }
    project = opened_project(writes=True)
    root = project.settings.root
    day = (data_date or datetime.now(UTC)).date()
    if not answers and not files:
        _adopt(project, task, _options_of_task(project, task, day), style=style)
        return
    options = AdoptOptions(
        data_date=day,
        answers=answer_specs(answers, files, stated, locate=lambda file: seen_from_here(file, root) or file),
        input=seen_from_here(input_spec, root),
        golden=GoldenSplit(golden) if golden else None,
        id_column=id_column,
        field=field,
        scorer=scorer,
        limit=limit,
        stage=Stage(stage) if stage else None,
        judges=not no_judges,
    )
    _adopt(project, task, options, style=style)


def _options_of_task(project: Project, task: str, day: date) -> AdoptOptions:
    """Returns the options in the block `adopt` of task.yml; only --data-date and --format go with them."""
    from assay.adoption.options import options_of_block

    context = click.get_current_context()
    allowed = ("task", "data_date", "style")
    given = [
        name
        for name in context.params
        if name not in allowed and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    block = project.task(task).spec.adopt
    if block is None or given:
        raise UsageError(
            "Nothing to adopt: expected --answer COLUMN or --answer-file FILE"
            + ("" if block is None else "; the block `adopt` of task.yml is used without other options"),
            next_step="name at least one column or file with answers.",
        )
    return options_of_block(block, data_date=day)


def _adopt(project: Project, task: str, options: AdoptOptions, *, style: str) -> None:
    from assay.adoption.adopt import AdoptReporter
    from assay.adoption.adopt import adopt as adopt_answers
    from assay.adoption.render import COLUMNS, as_values, next_command, notes, row_of_run
    from assay.terminal.output import note, write_json, write_table
    from assay.terminal.progress import counter

    click.get_current_context().meta[CONTINUE] = REPEAT_TO_RESUME
    reporter = AdoptReporter(counting=lambda what: counter(what, every=20_000), note=note)
    try:
        found = adopt_answers(project, task, options, reporter)
    except AssayError as error:
        if exit_code_of(error) == 5:
            error.then = REPEAT_TO_RESUME.capitalize()
        raise
    if style == "json":
        write_json([as_values(run) for run in found])
    else:
        write_table(COLUMNS, [row_of_run(run) for run in found], title=f"{task}: adopted predictions")
    for text in notes(found):
        note(text)
    _refuse_without_success(found)
    if style == "table":
        note(f"next: {next_command(task, found, is_limited=options.limit is not None)}")


def _refuse_without_success(found: list[AdoptedRun]) -> None:
    """Raises an error if a run has no valid answer, because nothing was adopted then."""
    for run in found:
        if not run.answered:
            raise AssayError(
                f"{run.variant}: none of {run.summary.predictions:,} answers is valid for the output schema "
                f"({', '.join(f'{name} {count:,}' for name, count in run.summary.errors.items())})",
                next_step="see `error_message` in the table predictions; check the column, or pass --field.",
            )
