"""Task folder commands: init, check."""

from __future__ import annotations

import click

from assay.cli.opening import STYLES, open_settings, opened_project
from assay.errors import AssayError


@click.command()
@click.argument("task")
def init(task: str) -> None:
    """Create a new task folder that runs without changes."""
    from assay.tasks.new_task import scaffold_task
    from assay.terminal.output import write_text

    folder = scaffold_task(open_settings().tasks_dir, task)
    write_text(
        f"created tasks/{folder.name}; edit task.yml, output.py, prompts/ and cases.jsonl; next: assay check {task} && assay run {task}"
    )


@click.command()
@click.argument("task", required=False)
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def check(task: str | None, style: str) -> None:
    """Validate task folders; each issue is printed with its file and line."""
    from assay.project import check_tasks
    from assay.runs.id_warnings import id_warnings
    from assay.tasks.loader import find_task, task_names
    from assay.terminal.output import note, write_json, write_table

    project = opened_project()
    names = [find_task(project.settings.tasks_dir, task).name] if task else list(task_names(project.settings.tasks_dir))
    good, issues = check_tasks(project, names)
    if style == "json":
        write_json({"tasks": good, "mistakes": issues})
    elif good:
        write_table(
            ("task", "inference", "golden set", "policy", "cases", "variants"), [tuple(row.values()) for row in good]
        )
    for name in (overview["task"] for overview in good):
        for warning in id_warnings(project, project.task(name)):
            note(f"warning: task '{name}': {warning}")
    if issues:
        raise AssayError("\n".join(str(issue) for issue in issues))
    if not names:
        raise AssayError(
            "tasks/ contains no task: expected a folder with a task.yml",
            next_step="run `assay init TASK` to create one.",
        )
