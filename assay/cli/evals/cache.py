"""Cache commands: cache tune, cache explain."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from assay.bounds import MOST_EPOCHS
from assay.cli.opening import STYLES, opened_project, write_and_exit
from assay.cli.option_types import BoundedInteger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.tuning.cache.explain import RouteExplanation


@click.group()
def cache() -> None:
    """Tune and inspect the caches of a task."""


@cache.command("tune")
@click.argument("task")
@click.option(
    "--pairs",
    required=True,
    metavar="FILE",
    help="Labeled pairs of questions: columns a, b, same (docs/how-to/caching.md).",
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def tune(task: str, pairs: str, style: str) -> None:
    """Choose the threshold of the semantic cache from labeled pairs, with a bound on the rate of false hits."""
    from assay.terminal.output import write_json, write_table, write_text
    from assay.tuning.cache.pairs import read_pairs
    from assay.tuning.cache.render import rows, task_yml
    from assay.tuning.cache.threshold import EXIT_CODES
    from assay.tuning.cache.tune import tune as measure

    project = opened_project()
    loaded = project.task(task)
    labeled = read_pairs(os.path.abspath(pairs), root=project.settings.root, fields=tuple(loaded.spec.input.fields))  # noqa: PTH100 - `Path.resolve` would follow links
    tuning = measure(project, loaded, labeled)

    def write() -> None:
        if style == "json":
            write_json({**asdict(tuning), "saving_usd_per_1000": tuning.saving_usd_per_1000})
            return
        write_table((task, ""), rows(tuning))
        if tuning.choice.rule is not None and loaded.spec.cache.semantic is not None:
            write_text(task_yml(loaded.spec.cache.semantic, tuning.choice.rule))

    write_and_exit(write, code=EXIT_CODES[tuning.choice.status])


@cache.command("explain")
@click.argument("task")
@click.argument("record")
@click.option(
    "--epoch",
    type=BoundedInteger(0, MOST_EPOCHS - 1),
    default=0,
    show_default=True,
    help="Which repeat of the record, counted from 0.",
)
@click.option("--variant", default="default", show_default=True, help="Named overrides of task.yml.")
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def explain(task: str, record: str, epoch: int, variant: str, style: str) -> None:
    """Show whether the exact cache contains a response for a record and, if not, what changed."""
    from assay.terminal.output import note, write_json, write_table
    from assay.tuning.cache.explain import explain as explained

    project = opened_project()
    found = explained(project, project.task(task, variant=variant), record, epoch=epoch, warn=note)
    if style == "json":
        write_json({"routes": [asdict(route) for route in found]})
        return
    for route in found:
        write_table((route.route, route.verdict), [("why", route.reason), *_more(route)])


def _more(found: RouteExplanation) -> Iterator[tuple[str, str]]:
    yield "model", found.lane
    if found.call_id is not None:
        yield "paid call", found.call_id
    if found.changed_before:
        yield "changed from the previous call", ", ".join(found.changed_before)
