"""The eval command: compares a candidate with a champion."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from assay.cli.opening import CONTINUE, DAY, STAGES, opened_project, write_and_exit
from assay.cli.option_types import INTEGER, epochs_option

if TYPE_CHECKING:
    from assay.evaluation.evaluation import Evaluation
    from assay.evaluation.sides import EvaluationOptions
    from assay.project import Project


@click.command("eval")
@click.argument("task")
@click.option(
    "--candidate",
    default="default",
    show_default=True,
    metavar="V",
    help="Version to evaluate: a variant of task.yml, @git-ref or @stage:ga.",
)
@click.option(
    "--champion",
    metavar="V",
    help="Version to compare with, in the same notation; default: the version that serves ga, if any.",
)
@click.option("--gate", "is_gate", is_flag=True, help="Record the decision in `gates`, for CI and promotion.")
@click.option(
    "--input",
    "input",
    default="golden:gate",
    show_default=True,
    metavar="FILE|TABLE|SQL",
    help="Records to run both versions on; golden:dev leaves the gate split unused.",
)
@click.option("--prefer", metavar="JUDGE", help="Also let this judge compare both predictions, in both orders.")
@epochs_option
@click.option("--limit", type=INTEGER, help="Only the first N rows.")
@click.option("--budget", "budget_usd", type=float, metavar="USD", help="Maximum spend of each of the two runs.")
@click.option("--reuse", metavar="POLICY", help="always, never, or 'within N hours|days': reuse of landed predictions.")
@click.option("--stage", type=STAGES, help="Stage whose `on_inconclusive` setting applies.")
@click.option("--data-date", type=DAY, help="Logical day of the runs; default: today (UTC).")
@click.option("--format", "style", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def evaluate(
    task: str,
    candidate: str,
    champion: str | None,
    is_gate: bool,
    input: str,
    prefer: str | None,
    epochs: int,
    limit: int | None,
    budget_usd: float | None,
    reuse: str | None,
    stage: str | None,
    data_date: datetime | None,
    style: str,
) -> None:
    """Decide whether a candidate may ship: exit 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 error."""
    from assay.evaluation.sides import EvaluationOptions
    from assay.records.statuses import Stage

    options = EvaluationOptions(
        data_date=(data_date or datetime.now(UTC)).date(),
        candidate=candidate,
        champion=champion,
        input=input,
        epochs=epochs,
        limit=limit,
        budget_usd=budget_usd,
        reuse=reuse,
        stage=Stage(stage) if stage else None,
        is_gate=is_gate,
        prefer=prefer,
    )
    found = _evaluated(opened_project(writes=True), task, options)
    write_and_exit(partial(_write, found, style=style), code=found.exit_code)


def _evaluated(project: Project, task: str, options: EvaluationOptions) -> Evaluation:
    """Returns the evaluation; an interruption prints how to resume."""
    from assay.evaluation.evaluate import evaluate
    from assay.evaluation.sides import REPEAT_TO_RESUME, EvaluationReporter
    from assay.terminal.output import note
    from assay.terminal.progress import counter, run_progress

    click.get_current_context().meta[CONTINUE] = REPEAT_TO_RESUME
    reporter = EvaluationReporter(answering=run_progress, counting=lambda what: counter(what, every=20_000), note=note)
    return evaluate(project, task, options, reporter)


def _write(found: Evaluation, *, style: str) -> None:
    from assay.evaluation.render import as_values, facts, markdown, table_notes, tables
    from assay.terminal.output import note, write_json, write_table, write_text

    if style == "json":
        write_json(as_values(found))
        return
    if style == "markdown":
        write_text(markdown(found))
        return
    write_table((found.candidate.task.name, ""), facts(found))
    for title, columns, rows in tables(found):
        write_table(columns, rows, title=title)
    for text in table_notes(found):
        note(text)
