"""The eval command: compares a candidate with a champion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from assay.cli.opening import CONTINUE, DAY, STAGES, opened_project, write_and_exit
from assay.cli.option_types import INTEGER, epochs_option

ALL_KINDS = "all"

if TYPE_CHECKING:
    from assay.evaluation.evaluation import Evaluation
    from assay.evaluation.render import Table
    from assay.evaluation.sides import EvaluationOptions, EvaluationReporter
    from assay.evaluation.variants.land import VariantEvaluation
    from assay.project import Project
    from assay.records.statuses import Perturbation


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
@click.option(
    "--variants",
    metavar="A,B,C|all|adopted",
    help="Compare these versions with each other, every pair, instead of a candidate with a champion.",
)
@click.option("--gate", "is_gate", is_flag=True, help="Record the decision in `gates`, for CI and promotion.")
@click.option(
    "--input",
    "input",
    default="golden:gate",
    show_default=True,
    metavar="FILE|TABLE|SQL",
    help="Records to run every version on; golden:dev leaves the gate split unused.",
)
@click.option("--prefer", metavar="JUDGE", help="Also let this judge compare both predictions, in both orders.")
@click.option(
    "--perturb",
    is_flag=False,
    flag_value=ALL_KINDS,
    metavar="KINDS",
    help="Also run the candidate on perturbed input: a comma-separated list of kinds, or all kinds of the task.",
)
@epochs_option
@click.option("--limit", type=INTEGER, help="Only the first N rows.")
@click.option("--budget", "budget_usd", type=float, metavar="USD", help="Maximum spend of each run.")
@click.option("--reuse", metavar="POLICY", help="always, never, or 'within N hours|days': reuse of landed predictions.")
@click.option("--stage", type=STAGES, help="Stage whose `on_inconclusive` setting applies.")
@click.option("--data-date", type=DAY, help="Logical day of the runs; default: today (UTC).")
@click.option("--format", "style", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def evaluate(
    task: str,
    candidate: str,
    champion: str | None,
    variants: str | None,
    is_gate: bool,
    input: str,
    prefer: str | None,
    perturb: str | None,
    epochs: int,
    limit: int | None,
    budget_usd: float | None,
    reuse: str | None,
    stage: str | None,
    data_date: datetime | None,
    style: str,
) -> None:
    """Decide whether a candidate may ship: exit 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 error.

    With --variants, rank several versions instead: exit 0.
    """
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
        perturb=None if perturb is None else _kinds(perturb),
        variants=_names(variants),
    )
    if variants is not None:
        several = _compared(opened_project(writes=True), task, options)
        write_and_exit(partial(_write_variants, several, style=style), code=0)
    found = _evaluated(opened_project(writes=True), task, options)
    write_and_exit(partial(_write, found, style=style), code=found.exit_code)


def _kinds(text: str) -> tuple[Perturbation, ...]:
    """Returns the kinds of a comma-separated list; none for all kinds of the task."""
    from assay.errors import UsageError
    from assay.records.statuses import Perturbation

    if text == ALL_KINDS:
        return ()
    names = [name.strip() for name in text.split(",")]
    known = [kind.value for kind in Perturbation]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"--perturb: unknown kind {unknown[0]!r}; expected a comma-separated list of {', '.join(known)}",
            next_step="name kinds, or put --perturb after the task for all kinds.",
        )
    return tuple(Perturbation(name) for name in dict.fromkeys(names))


def _names(variants: str | None) -> tuple[str, ...]:
    """The names in a list separated by commas; empty without one."""
    from assay.errors import UsageError

    names = tuple(name.strip() for name in (variants or "").split(","))
    if variants is not None and not all(names):
        raise UsageError(
            f"--variants '{variants}': expected names separated by commas, found an empty name",
            next_step="pass for example --variants default,short, or --variants all.",
        )
    return names if variants is not None else ()


def _evaluated(project: Project, task: str, options: EvaluationOptions) -> Evaluation:
    """Returns the evaluation; an interruption prints how to resume."""
    from assay.evaluation.evaluate import evaluate

    return evaluate(project, task, options, _reporter())


def _compared(project: Project, task: str, options: EvaluationOptions) -> VariantEvaluation:
    """Returns the comparison of several variants; an interruption prints how to resume."""
    from assay.evaluation.variants.evaluate import evaluate_variants

    return evaluate_variants(project, task, options, _reporter())


def _reporter() -> EvaluationReporter:
    from assay.evaluation.sides import REPEAT_TO_RESUME, EvaluationReporter
    from assay.terminal.output import note
    from assay.terminal.progress import counter, run_progress

    click.get_current_context().meta[CONTINUE] = REPEAT_TO_RESUME
    return EvaluationReporter(answering=run_progress, counting=lambda what: counter(what, every=20_000), note=note)


def _write(found: Evaluation, *, style: str) -> None:
    from assay.evaluation import render

    if style == "table":
        _write_tables(found.candidate.task.name, render.facts(found), render.tables(found), render.table_notes(found))
    else:
        _write_document(render.as_values(found) if style == "json" else render.markdown(found))


def _write_variants(found: VariantEvaluation, *, style: str) -> None:
    from assay.evaluation.variants import render

    if style == "table":
        _write_tables(found.variants.task.name, render.facts(found), render.tables(found), render.table_notes(found))
    else:
        _write_document(render.as_values(found) if style == "json" else render.markdown(found))


def _write_document(content: Mapping[str, Any] | str) -> None:
    """Prints Markdown, or values as JSON."""
    from assay.terminal.output import write_json, write_text

    if isinstance(content, str):
        write_text(content)
    else:
        write_json(content)


def _write_tables(task: str, facts: Sequence[tuple[str, str]], tables: Iterable[Table], notes: Iterable[str]) -> None:
    from assay.terminal.output import note, write_table

    write_table((task, ""), facts)
    for title, columns, rows in tables:
        write_table(columns, rows, title=title)
    for text in notes:
        note(text)
