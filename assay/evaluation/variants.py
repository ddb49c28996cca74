"""Which task a variant names: one of task.yml, a git ref, or the version that serves a stage.

Only finding it belongs here; what two variants are compared on is `evaluating.py`'s matter.
"""

from __future__ import annotations

from dataclasses import replace

from assay.errors import UsageError
from assay.evaluation.queries import STAGE_SERVED
from assay.project import REF, Project
from assay.records.statuses import Stage
from assay.settings import Settings
from assay.tasks.task import DEFAULT_VARIANT, Task, asked_as
from assay.version import git_sha

STAGE = f"{REF}stage:"
FIRST_CHAMPION = f"{STAGE}{Stage.GA}"


def variant_of(project: Project, name: str, variant: str) -> Task | None:
    """The task as the variant asks it; None where no version serves the stage that it names.

    Raises:
        UsageError: there is no such variant, ref or stage, or the version that serves it is found nowhere any more.
    """
    if not variant.startswith(STAGE):
        return project.task(name, variant=variant)
    stage = variant.removeprefix(STAGE)
    if stage not in set(Stage):
        raise UsageError(f"{variant}: expected a stage, {', '.join(Stage)}", next_step="correct it.")
    served = next(iter(project.warehouse.stream(STAGE_SERVED.sql, {"task": name, "stage": stage})), None)
    if served is None:
        return None
    return _served(project, name, variant, served)


def commit_of(settings: Settings, task: Task) -> str | None:
    """The commit that what the task asks was read at; None outside git."""
    return task.git_sha or git_sha(settings.root)


def _served(project: Project, name: str, label: str, served: dict[str, str | None]) -> Task:
    """The promoted version: in the folder as it stands, or as it was at the commit it was promoted from."""
    current = project.task(name)
    for variant in (DEFAULT_VARIANT, *current.spec.variants):
        found = project.task(name, variant=variant)
        if found.versions.inference == served["inference_version"]:
            return replace(asked_as(current, found, label=label), git_sha=git_sha(project.settings.root))
    promoted = served["git_sha"]
    if promoted is None:
        raise UsageError(
            f"{label} of task '{name}' is inference version {served['inference_version']}, which the folder no longer asks, "
            "and it was promoted outside git: expected a commit to read it from",
            next_step="promote a version again.",
        )
    found = project.task_at(name, promoted, label=label, variant=served["variant"] or DEFAULT_VARIANT)
    if found.versions.inference != served["inference_version"]:
        raise UsageError(
            f"{label} of task '{name}': expected inference version {served['inference_version']} at commit {promoted[:12]}, "
            f"found {found.versions.inference}; it was promoted from files that were not committed, or the code that makes "
            "versions has changed",
            next_step="promote a version again.",
        )
    return found
