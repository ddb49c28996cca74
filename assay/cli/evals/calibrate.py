"""The calibrate command: compares judges with human labels."""

from __future__ import annotations

import click

from assay.cli.opening import opened_project


@click.command()
@click.argument("task")
@click.option("--run", "run_id", metavar="RUN", help="Run whose labels are used; default: the run labeled last.")
@click.option("--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def calibrate(task: str, run_id: str | None, style: str) -> None:
    """Compare the task's judges with human labels, and land agreement and corrected rates."""
    from assay.calibration.calibrate import calibrate as measured
    from assay.calibration.render import BY_SLICE, COLUMNS, SHOWN, facts, machine_rows, next_steps, rows, slice_rows
    from assay.terminal.output import note, write_rows, write_table

    project = opened_project()
    found = measured(project, project.task(task), run_id=run_id)
    if style == "table":
        for judge in found.judges:
            write_table((judge.scorer, ""), facts(judge))
            write_table(SHOWN, rows(judge))
            if by_slice := slice_rows(judge):
                write_table(BY_SLICE, by_slice)
    else:
        write_rows(COLUMNS, machine_rows(found, parsed=style == "json"), style=style)
    for step in next_steps(found):
        note(step)
