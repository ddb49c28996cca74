"""A project: its settings, providers, tasks and warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay.checks import build_scorer, output_errors, parameter_errors, scorer_version
from assay.errors import UsageError
from assay.guards.masking import PLACEHOLDER_NAMES, Masker, MaskingRules
from assay.inference.prices import PriceBook
from assay.inference.providers import Provider, load_providers
from assay.inputs.sources import source_issue
from assay.inputs.supported_expectations import expectation_findings
from assay.settings import Settings
from assay.tasks.at_ref import task_folder_at_ref
from assay.tasks.issues import TaskFinding, TaskValidationError, ValidationIssue
from assay.tasks.loader import find_task, load_task
from assay.tasks.spec import CheckSpec, MaskingSpec
from assay.tasks.task import DEFAULT_VARIANT, Catalog, Task, with_variant_of
from assay.warehouse.client import Warehouse

SNAPSHOTS = "snapshots"
JOURNALS = "journals"
REFS = "refs"
REF = "@"
"""Prefix of a variant that names a git ref or a stage."""


@dataclass
class StageContext:
    """Dependencies of a run's stages; connections are opened on first use."""

    settings: Settings
    warehouse: Warehouse
    providers: Mapping[str, Provider]
    prices: PriceBook = field(default_factory=PriceBook)

    @property
    def snapshots_dir(self) -> Path:
        """Folder of the input snapshots, each kept until it expires."""
        return self.settings.shared_dir / SNAPSHOTS

    def snapshot_dir(self, run_id: str) -> Path:
        """Folder of the input snapshot of one run."""
        return self.snapshots_dir / run_id

    def journal_dir(self, run_id: str) -> Path:
        """Folder of one run's journals; on a local disk, because the files must support locking."""
        return self.settings.state_dir / JOURNALS / run_id


@dataclass
class Project(StageContext):
    """A stage context that can also load the project's tasks."""

    def catalog(self) -> Catalog:
        """Names and versions against which the task loader validates a task."""
        return Catalog(
            providers=frozenset(self.providers),
            masking_entities=frozenset(PLACEHOLDER_NAMES),
            check_findings=_check_findings,
            expectation_findings=expectation_findings,
            source_issue=source_issue,
            scorer_version=_scorer_version,
            masking_version=lambda masking: masking_rules(masking).version,
        )

    def task(self, name: str, *, variant: str = DEFAULT_VARIANT) -> Task:
        """The complete, validated task (see `assay.tasks.loader`); a variant `@ref` uses the prompts of that git ref."""
        if variant.startswith(REF):
            return self.task_at(name, variant.removeprefix(REF), label=variant)
        return load_task(find_task(self.settings.tasks_dir, name), catalog=self.catalog(), variant=variant)

    def task_at(self, name: str, ref: str, *, label: str, variant: str = DEFAULT_VARIANT) -> Task:
        """The task with the prompts, routes and output it had at the git ref; cases, scorers and policy are current.

        Raises:
            UsageError: the ref does not exist or has no such task, or the task at the ref reads different input fields.
        """
        current = self.task(name)
        at = task_folder_at_ref(self.settings.tasks_dir, name, ref, kept_in=self.settings.state_dir / REFS)
        other = load_task(at.folder, catalog=self.catalog(), variant=variant)
        return with_variant_of(current, replace(other, git_sha=at.git_sha), label=label)


def open_project(settings: Settings) -> Project:
    """Returns the project for the settings; no connection is opened yet.

    Raises:
        UsageError: providers.yml is invalid.
    """
    return Project(settings=settings, warehouse=Warehouse(settings), providers=load_providers(settings))


def check_tasks(project: Project, names: Iterable[str]) -> tuple[list[dict[str, Any]], list[ValidationIssue]]:
    """Returns the valid tasks with their version hashes, and all issues of the invalid tasks and of their variants."""
    good: list[dict[str, Any]] = []
    issues: list[ValidationIssue] = []
    for name in names:
        folder = find_task(project.settings.tasks_dir, name)
        try:
            task = load_task(folder, catalog=project.catalog())
            for variant in task.spec.variants:
                load_task(folder, catalog=project.catalog(), variant=variant)
            good.append(_overview(task))
        except TaskValidationError as error:
            issues += error.issues
    return good, issues


def _overview(task: Task) -> dict[str, Any]:
    return {
        "task": task.name,
        "inference_version": task.versions.inference,
        "golden_set_version": task.versions.golden_set,
        "policy_version": task.versions.policy,
        "cases": len(task.cases),
        "variants": [DEFAULT_VARIANT, *task.spec.variants],
    }


def masking_rules(masking: MaskingSpec) -> MaskingRules:
    """Returns the masking rules of a task's `masking` block."""
    return MaskingRules(enabled=masking.enabled, entities=masking.entities)


def masker(task: Task) -> Masker:
    """Returns the masker of one task."""
    return Masker(masking_rules(task.spec.masking))


def _check_findings(check: CheckSpec, folder: Path, schema: Mapping[str, Any] | None) -> Iterator[TaskFinding]:
    """Yields every error of a check; its output fields are validated if the output schema is known."""
    errors = parameter_errors(check.type, check.parameters)
    if not errors and schema is not None:
        errors = output_errors(check.type, check.parameters, schema=schema)
    for error in errors:
        path = () if error.parameter is None else (error.parameter,)
        yield TaskFinding(path, problem=f"check '{check.name}': {error}")
    if errors:
        return
    try:
        build_scorer(check.type, check.parameters, task_dir=folder)
    except UsageError as error:
        yield TaskFinding(("function",), problem=f"check '{check.name}': {error}")


def _scorer_version(check: CheckSpec, folder: Path) -> str:
    return scorer_version(check.type, check.parameters, task_dir=folder)
