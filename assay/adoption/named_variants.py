"""What the name of a variant stands for: a variant of task.yml, a git ref, a promoted version, or adopted predictions."""

from __future__ import annotations

from dataclasses import replace

from assay.adoption.queries import STAGE_SERVED
from assay.adoption.variants import landed_adopted_task
from assay.errors import UsageError
from assay.project import REF, Project
from assay.records.statuses import Stage
from assay.tasks.task import DEFAULT_VARIANT, Task, with_variant_of
from assay.version import git_sha

STAGE = f"{REF}stage:"
FIRST_CHAMPION = f"{STAGE}{Stage.GA}"


def variant_of(project: Project, name: str, variant: str) -> Task | None:
    """The task in the named variant; None if no version serves the named stage.

    A name that is not a variant of task.yml may be one of adopted predictions; `@adopted:NAME` always is.

    Raises:
        UsageError: the variant, ref or stage does not exist, or the version that serves the stage cannot be found.
    """
    if not variant.startswith(STAGE):
        return landed_adopted_task(project, name, variant) or project.task(name, variant=variant)
    stage = variant.removeprefix(STAGE)
    if stage not in set(Stage):
        raise UsageError(
            f"{variant}: unknown stage; expected one of {', '.join(Stage)}",
            next_step=f"use one of them, such as {FIRST_CHAMPION}.",
        )
    served = next(iter(project.warehouse.stream(STAGE_SERVED.sql, {"task": name, "stage": stage})), None)
    if served is None:
        return None
    return _served(project, name, variant, served)


def _served(project: Project, name: str, label: str, served: dict[str, str | None]) -> Task:
    """The promoted version, from the current folder or from the commit from which it was promoted."""
    current = project.task(name)
    for variant in (DEFAULT_VARIANT, *current.spec.variants):
        found = project.task(name, variant=variant)
        if found.versions.inference == served["inference_version"]:
            return replace(with_variant_of(current, found, label=label), git_sha=git_sha(project.settings.root))
    promoted = served["git_sha"]
    if promoted is None:
        raise UsageError(
            f"{label} of task '{name}': inference version {served['inference_version']} is no longer in the task folder, "
            "and it was promoted outside git, so no commit contains it",
            next_step="promote a current version to the stage.",
        )
    found = project.task_at(name, promoted, label=label, variant=served["variant"] or DEFAULT_VARIANT)
    if found.versions.inference != served["inference_version"]:
        raise UsageError(
            f"{label} of task '{name}': expected inference version {served['inference_version']} at commit {promoted[:12]}, "
            f"found {found.versions.inference}; it was promoted from uncommitted files, or the code that computes "
            "versions has changed",
            next_step="promote a current version to the stage.",
        )
    return found
