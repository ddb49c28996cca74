"""Label commands: review, labels import, labels export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from assay.bounds import MOST_SAMPLED
from assay.cli.opening import STYLES, opened_project
from assay.cli.option_types import INTEGER, OUTPUT_FILE, BoundedInteger
from assay.errors import AssayError

if TYPE_CHECKING:
    from assay.labels.fill_queue import FillOptions

FILLING = ("size", "design", "allocation", "by", "per_item", "seed", "run_id", "scorers", "style")
SERVING = ("annotator", "kind", "host", "port")


@click.command()
@click.argument("task")
@click.option("--annotator", metavar="NAME", help="Open the page with this person's items.")
@click.option("--as", "kind", type=click.Choice(["expert", "user", "model"]), default="expert", show_default=True, help="Who labels on the page; only labels of experts calibrate judges.")  # fmt: skip
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; the page always needs a key."
)
@click.option("--port", type=BoundedInteger(0, 65535), default=8765, show_default=True, help="0 selects any free one.")
@click.option("--fill", type=click.Choice(["calibration", "triage"]), help="Add items to the queue; no page is opened.")
@click.option(
    "--size", type=BoundedInteger(1, MOST_SAMPLED), default=100, show_default=True, help="With --fill: number of items."
)
@click.option("--design", type=click.Choice(["random", "stratified"]), default="random", show_default=True, help="With --fill calibration: how items are sampled.")  # fmt: skip
@click.option("--allocation", type=click.Choice(["proportional", "neyman"]), default="proportional", show_default=True, help="With --design stratified: how items are allocated to strata.")  # fmt: skip
@click.option("--by", multiple=True, metavar="SLICE", help="With --design stratified: stratify only by these slices.")
@click.option(
    "--annotators",
    metavar="A,B",
    help="People who label: each gets an address of their own; with --fill, the items are assigned to them.",
)
@click.option("--per-item", type=BoundedInteger(1, 20), default=1, show_default=True, help="With --fill: number of people who label each item.")  # fmt: skip
@click.option(
    "--seed", type=INTEGER, default=0, show_default=True, help="With --fill: the same seed draws the same sample."
)
@click.option("--run", "run_id", metavar="RUN", help="With --fill: the run; default: the latest completed one.")
@click.option(
    "--scorer",
    "scorers",
    multiple=True,
    metavar="NAME",
    help="With --fill: scorer to label; default: all judges or, without judges, `correct`.",
)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def review(
    task: str,
    annotator: str | None,
    kind: str,
    host: str,
    port: int,
    fill: str | None,
    size: int,
    design: str,
    allocation: str,
    by: tuple[str, ...],
    annotators: str | None,
    per_item: int,
    seed: int,
    run_id: str | None,
    scorers: tuple[str, ...],
    style: str,
) -> None:
    """Open the labeling page or, with --fill, add items to its queue."""
    names = tuple(name for name in (annotators or "").split(",") if name.strip())
    if fill is None:
        _serve(task, annotators=(annotator,) if annotator else names, kind=kind, host=host, port=port)
        return
    from assay.labels.fill_queue import FillOptions
    from assay.records.statuses import SamplePurpose
    from assay.statistics.labels.labeled_sample import SamplingDesign

    options = FillOptions(
        purpose=SamplePurpose(fill),
        size=size,
        design=SamplingDesign(design),
        allocation=allocation,
        by=by or None,
        annotators=names,
        per_item=per_item,
        seed=seed,
        run_id=run_id,
        scorers=scorers,
    )
    _fill(task, options, style=style)


def _fill(name: str, options: FillOptions, *, style: str) -> None:
    from dataclasses import asdict

    from assay.labels.fill_queue import fill_queue
    from assay.records.statuses import SamplePurpose
    from assay.statistics.labels.labeled_sample import SamplingDesign
    from assay.terminal.output import note, write_json, write_table

    _refuse(SERVING, "with --fill")
    project = opened_project()
    task = project.task(name)
    if options.purpose == SamplePurpose.TRIAGE:
        _refuse(("design", "allocation", "by"), "with --fill triage")
    if options.design == SamplingDesign.RANDOM:
        _refuse(("allocation", "by"), "without --design stratified")
    filled = fill_queue(project, task, options)
    if style == "json":
        write_json([asdict(sample) for sample in filled])
        return
    columns = ("question", "run", "design", "items", "of", "assignments", "new")
    write_table(
        columns,
        [(s.scorer, s.run_id, s.design, s.items, s.frame_size, s.assignments, s.new) for s in filled],
    )
    for sample in filled:
        if sample.strata:
            write_table(("stratum", "items"), list(sample.strata.items()), title=sample.scorer)
    note(f"next: assay review {task.name}")


def _serve(name: str, *, annotators: tuple[str, ...], kind: str, host: str, port: int) -> None:
    from assay.labels.page.serving import serve
    from assay.labels.queue import annotator_name
    from assay.labels.session import LabelingSession
    from assay.records.statuses import AnnotatorKind
    from assay.terminal.output import note

    _refuse(FILLING, "without --fill")
    project = opened_project()
    task = project.task(name)
    people = list(dict.fromkeys(annotator_name(annotator) for annotator in annotators))
    session = LabelingSession(project, task, kind=AnnotatorKind(kind))
    if not session.size:
        note(f"the queue is empty; fill it with: assay review {task.name} --fill calibration --size 100")
    if session.outdated:
        note(
            f"assignments not shown, because their question was reworded: {session.outdated:,}; fill the queue again "
            "with --fill"
        )
    serve(
        session,
        host=host,
        port=port,
        people=people or session.listed,
        ready=_write_addresses,
    )


def _write_addresses(addresses: Mapping[str, str]) -> None:
    from assay.terminal.output import write_text

    for person, address in addresses.items():
        write_text(f"labeling page of {person}: {address}" if person else f"labeling page: {address}")


@click.group()
def labels() -> None:
    """Import and export labels as CSV files."""


@labels.command("import")
@click.argument("task")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--run", "run_id", metavar="RUN", help="Run that the record ids refer to; default: the latest completed one."
)
@click.option("--annotator", metavar="NAME", help="Annotator of rows without one.")
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def import_file(task: str, file: Path, run_id: str | None, annotator: str | None, style: str) -> None:
    """Import the labels of a CSV file, either all of them or none."""
    from dataclasses import asdict

    from assay.labels.csv_import import import_labels
    from assay.terminal.output import note, write_json, write_table

    project = opened_project()
    done = import_labels(project, project.task(task), file, run_id=run_id, annotator=annotator)
    for remark in done.remarks:
        note(remark)
    if style == "json":
        write_json(asdict(done))
    else:
        write_table(("rows", "new", "replaced", "unchanged"), [(done.rows, done.new, done.replaced, done.unchanged)])


@labels.command("export")
@click.argument("task")
@click.argument("file", type=OUTPUT_FILE)
@click.option("--run", "run_id", metavar="RUN", help="Only labels of this run.")
def export_file(task: str, file: Path, run_id: str | None) -> None:
    """Write all labels of a task to a CSV file that `labels import` accepts."""
    from assay.labels.csv_export import export_labels
    from assay.tasks.loader import find_task
    from assay.terminal.output import note

    project = opened_project()
    find_task(project.settings.tasks_dir, task)
    note(f"labels written to {file}: {export_labels(project.warehouse, task, file, run_id=run_id):,}")


def _refuse(names: tuple[str, ...], where: str) -> None:
    context = click.get_current_context()
    given = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        option = next(parameter.opts[0] for parameter in context.command.params if parameter.name == given[0])
        raise AssayError(f"{option} has no effect {where}", next_step=f"omit {option}.")
