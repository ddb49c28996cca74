"""The run of an adopted variant in an evaluation: its latest whole run, because no prediction is requested for it."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

from assay.adoption.queries import SHARED_INPUTS
from assay.adoption.variants import AdoptedVariant, adopted_runs
from assay.errors import UsageError
from assay.inputs.sources import GOLDEN, open_source
from assay.inputs.stored import open_snapshot
from assay.project import StageContext
from assay.runs.run import Run, facts_of, golden_label
from assay.tasks.task import Task
from assay.warehouse.client import Warehouse

ADOPT_AGAIN = "repeat the `assay adopt` command, which scores the answers again."


def latest_adopted_run(context: StageContext, task: Task, spec: str, *, data_date: date) -> AdoptedVariant:
    """Returns the latest whole run of the adopted variant on the records that `spec` names.

    For a golden set, it must be a run on the same version of the set. Otherwise a run on the same source is preferred to
    a later one on another source, whose records may be the same.

    Raises:
        UsageError: there is no such run, or its output schema, checks or judges are not the current ones.
    """
    runs = [run for run in adopted_runs(context.warehouse, task.name) if run.name == task.variant]
    if GOLDEN.fullmatch(spec):
        label = golden_label(task, spec)
        suitable = [run for run in runs if run.input_source == label]
    else:
        label = _label(context, spec, data_date)
        suitable = sorted((run for run in runs if not run.is_golden), key=lambda run: run.input_source != label)
    if not suitable:
        sources = ", ".join(dict.fromkeys(run.input_source for run in runs))
        raise UsageError(
            f"Adopted variant '{task.variant}' of task '{task.name}' has no whole run on {label}; it has runs on {sources}",
            next_step="pass --input with one of them, or adopt answers for these records (for cases: --golden).",
        )
    found = suitable[0]
    if (found.inference_version, dict(found.scorers)) != (task.versions.inference, dict(task.versions.scorers)):
        raise UsageError(
            f"Run {found.run_id} of adopted variant '{task.variant}' was validated by another output schema, or scored by "
            "other versions of the checks and judges",
            next_step=ADOPT_AGAIN,
        )
    return found


def adopted_run_on_this_machine(context: StageContext, task: Task, found: AdoptedVariant) -> Run | None:
    """Returns the run with its input snapshot; None if the snapshot is not on this machine."""
    directory = context.snapshot_dir(found.run_id)
    if not directory.is_dir():
        return None
    return Run(
        facts=facts_of(task, found.options, run_id=found.run_id),
        task=task,
        options=found.options,
        snapshot=open_snapshot(directory),
        is_golden=found.is_golden,
        purpose=found.purpose,
    )


def require_same_inputs(
    warehouse: Warehouse, task: str, *, candidate: tuple[str, date], champion: tuple[str, date]
) -> None:
    """Checks that the two runs, given by id and data date, share records, and that shared records have equal inputs.

    Raises:
        UsageError: they share none, belong to different populations, or the inputs of shared records differ.
    """
    parameters = {
        "task": task,
        "candidate_run_id": candidate[0],
        "candidate_date": candidate[1],
        "champion_run_id": champion[0],
        "champion_date": champion[1],
    }
    found = next(iter(warehouse.stream(SHARED_INPUTS.sql, parameters)))
    runs = f"Runs {candidate[0]} and {champion[0]}"
    if not found["shared"]:
        raise UsageError(
            f"{runs} have no record in common: {found['candidate_records']:,} and {found['champion_records']:,} records",
            next_step="compare predictions for the same record ids.",
        )
    if found["other_population"]:
        raise UsageError(
            f"{runs} belong to different populations: expected both to be golden cases of one split, or both not",
            next_step="adopt the answers for golden cases with --golden, or pass another --input.",
        )
    if found["other_input"]:
        raise UsageError(
            f"{runs} differ in the input of {found['other_input']:,} of {found['shared']:,} shared records: predictions "
            "are compared only for equal inputs",
            next_step="adopt and run them on the same version of the records.",
        )


def _label(context: StageContext, spec: str, data_date: date) -> str:
    with suppress(UsageError):  # a source that no longer exists is named by its label
        return open_source(spec, root=context.settings.root, query=context.warehouse, data_date=data_date).label
    return spec
