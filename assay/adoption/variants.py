"""Adopted variants: a task whose predictions were made elsewhere, and the variants that have landed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import orjson

from assay.adoption.queries import ADOPTED_RUNS
from assay.errors import UsageError, did_you_mean
from assay.inputs.sources import GOLDEN
from assay.project import REF, Project
from assay.records.statuses import RunPurpose
from assay.runs.run import RunOptions
from assay.runs.run_rows import options_from
from assay.tasks.digest import digest
from assay.tasks.task import DEFAULT_VARIANT, Task, policy_version
from assay.warehouse.client import Warehouse

ADOPTED = f"{REF}adopted:"
"""Prefix of a variant that names adopted predictions, whatever task.yml contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedVariant:
    """A whole run of an adopted variant; `input_source` is the label of its records, `scorers` maps scorer to version."""

    name: str
    run_id: str
    data_date: date
    input_source: str
    inference_version: str
    scorers: Mapping[str, str]
    purpose: RunPurpose
    options: RunOptions

    @property
    def is_golden(self) -> bool:
        """True if the records are golden cases."""
        return GOLDEN.fullmatch(self.input_source.partition("@")[0]) is not None


def adopted_variants(warehouse: Warehouse, task: str) -> tuple[AdoptedVariant, ...]:
    """Returns the adopted variants of the task that have landed, sorted by name, each with its latest whole run."""
    latest: dict[str, AdoptedVariant] = {}
    for found in adopted_runs(warehouse, task):
        latest.setdefault(found.name, found)
    return tuple(latest[name] for name in sorted(latest))


def adopted_runs(warehouse: Warehouse, task: str) -> Iterator[AdoptedVariant]:
    """Yields the latest whole run of each adopted variant and source of records, newest first.

    A run is whole if it completed and was not limited.
    """
    for row in warehouse.stream(ADOPTED_RUNS.sql, {"task": task}):
        yield AdoptedVariant(
            name=row["variant"],
            run_id=row["run_id"],
            data_date=row["data_date"],
            input_source=row["input_source"] or "",
            inference_version=row["inference_version"],
            scorers=orjson.loads(row["scorer_versions"]),
            purpose=row["purpose"],
            options=options_from(row),
        )


def is_adopted(task: Task) -> bool:
    """True if the task is a variant of adopted predictions, which has no routes."""
    return not task.spec.routes


def adopted_task(task: Task, name: str) -> Task:
    """Returns the task as the variant `name` of adopted predictions.

    It has no prompts, examples and routes. Its inference version covers the name, the output schema and the masking; it
    differs from that of every called variant, whose content has other keys.
    """
    content = {"adopted": name, "output_schema": task.output_schema, "masking": task.masking_version}
    spec = task.spec.model_copy(update={"routes": (), "parameters": {}})
    return replace(
        task,
        variant=name,
        spec=spec,
        templates={},
        few_shot=(),
        versions=replace(task.versions, inference=digest(content), policy=policy_version(spec)),
        git_sha=None,
    )


def landed_adopted_task(project: Project, name: str, variant: str) -> Task | None:
    """Returns the task as an adopted variant that has landed; None if the variant is not an adopted one.

    `@adopted:NAME` always names an adopted variant; NAME does if task.yml has no variant of that name.

    Raises:
        UsageError: `@adopted:NAME` has not landed, or no variant of this name exists, in task.yml or adopted.
    """
    if variant.startswith(REF) and not variant.startswith(ADOPTED):
        return None
    task = project.task(name)
    if variant == DEFAULT_VARIANT or variant in task.spec.variants:
        return None
    bare = variant.removeprefix(ADOPTED)
    known = [found.name for found in adopted_variants(project.warehouse, name)]
    if bare in known:
        return adopted_task(task, bare)
    if not variant.startswith(ADOPTED):
        called = (DEFAULT_VARIANT, *task.spec.variants)
        raise UsageError(
            f"Task '{name}' has no variant '{variant}': expected one of {', '.join(called)}; adopted: "
            f"{', '.join(known) or 'none'}",
            next_step=did_you_mean(bare, (*called, *known))
            or "name one of them, or adopt predictions under this name.",
        )
    raise UsageError(
        f"Task '{name}' has no adopted variant '{bare}' with a whole run; adopted: {', '.join(known) or 'none'}",
        next_step=did_you_mean(bare, known) or f"adopt it with `assay adopt {name}`.",
    )
