"""Step 1 of a comparison of variants: the named variants, each with the outcomes of its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.adoption.named_variants import variant_of
from assay.adoption.variants import ADOPTED, adopted_runs
from assay.errors import UsageError
from assay.evaluation.outcomes import validate_population
from assay.evaluation.sides import (
    EvaluatedVariant,
    EvaluationOptions,
    EvaluationReporter,
    evaluated_in_order,
    is_same_version,
    require_comparable,
    validate_input,
    without_examples,
)
from assay.inference.keys import content_hash
from assay.inputs.sources import GOLDEN
from assay.project import Project
from assay.tasks.adopt_spec import ALL_ADOPTED, ALL_VARIANTS
from assay.tasks.task import DEFAULT_VARIANT, Task


@dataclass(frozen=True, slots=True)
class VariantSet:
    """Two or more variants on one population, without the few-shot examples of any.

    `same_as` maps the name of a variant that is omitted to the variant that has the same version.
    """

    variants: tuple[EvaluatedVariant, ...]
    same_as: dict[str, str]

    @property
    def task(self) -> Task:
        """The task in its first variant; cases, scorers and policy are common to all."""
        return self.variants[0].task

    @property
    def population(self) -> str:
        """The population of the records."""
        return self.variants[0].outcomes.populations[0]

    @property
    def measuring(self) -> tuple[str, ...]:
        """The scorers that give a number for any variant, sorted."""
        return tuple(sorted({name for variant in self.variants for name in variant.outcomes.measuring}))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the variants."""
        return tuple(variant.label for variant in self.variants)

    @property
    def evaluation_id(self) -> str:
        """Deterministic evaluation id, derived from the runs and the policy."""
        runs = sorted(variant.run_id for variant in self.variants)
        return content_hash(*runs, self.task.versions.policy, self.population)

    @property
    def seed(self) -> int:
        """Seed of the bootstrap, derived from the evaluation id."""
        return int(self.evaluation_id[:8], 16)


def every_variant(project: Project, name: str, options: EvaluationOptions) -> tuple[str, ...]:
    """The names that `all` stands for: the default, every variant in task.yml, and adopted variants of such records."""
    called = (DEFAULT_VARIANT, *project.task(name).spec.variants)
    return (*called, *(f"{ADOPTED}{found}" if found in called else found for found in _adopted(project, name, options)))


def _adopted(project: Project, name: str, options: EvaluationOptions) -> tuple[str, ...]:
    """The names of adopted variants whose records are golden cases, or are not, like those of the evaluation."""
    is_golden = GOLDEN.fullmatch(options.input) is not None
    runs = adopted_runs(project.warehouse, name)
    return tuple(sorted({found.name for found in runs if found.is_golden == is_golden}))


def evaluated_variants(
    project: Project, name: str, options: EvaluationOptions, reporter: EvaluationReporter
) -> VariantSet:
    """The variants of `options.variants` with the outcomes of their runs; of several with one version, the first.

    Raises:
        UsageError: a variant does not exist or is named twice, fewer than two differ, the task declares no `correct`, the
            budget ran out before the last request, there is no record to evaluate, or the records belong to several
            populations.
        AssayError: a run could not be finished; repeating the command resumes it and reuses landed predictions.
    """
    names = _named(project, name, options)
    tasks = [_task(project, name, variant) for variant in names]
    for task in tasks:
        validate_input(task, options)
    if not tasks[0].spec.correct:
        raise UsageError(
            f"Task '{name}' declares no `correct`, so its variants cannot be ranked",
            next_step=f"list the scorers that make a prediction correct under `correct:` in {name}/task.yml.",
        )
    distinct, same_as = _distinct(tasks)
    if len(distinct) < 2:
        raise UsageError(
            f"--variants {','.join(names)}: expected at least two versions that differ, found one",
            next_step="name a variant with another prompt, model or parameter, or @REF.",
        )
    found = evaluated_in_order(project, distinct, options, reporter)
    for other in found[1:]:
        require_comparable(project.warehouse, name, found[0], other)
    sides = without_examples(found, options, hash_key=project.settings.hash_key)
    for side in sides:
        validate_population(side.outcomes)
    populations = {side.outcomes.populations[0] for side in sides}
    if len(populations) > 1:
        raise UsageError(
            f"The runs of the variants belong to {', '.join(sorted(populations))}: expected the same population",
            next_step="select one with --input, for example golden:gate.",
        )
    return VariantSet(tuple(sides), same_as)


def _named(project: Project, name: str, options: EvaluationOptions) -> tuple[str, ...]:
    variants = options.variants
    if not {ALL_VARIANTS, ALL_ADOPTED} & set(variants):
        names = tuple(variants)
    elif len(variants) > 1:
        raise UsageError(
            f"--variants {','.join(variants)}: expected '{ALL_VARIANTS}' or '{ALL_ADOPTED}' alone, or names",
            next_step=f"pass --variants {ALL_VARIANTS}.",
        )
    else:
        names = (every_variant if variants[0] == ALL_VARIANTS else _adopted)(project, name, options)
    repeated = sorted({variant for variant in names if names.count(variant) > 1})
    if repeated:
        raise UsageError(
            f"--variants: {', '.join(repeated)} is named more than once", next_step="name each variant once."
        )
    if len(names) < 2:
        known = ", ".join(every_variant(project, name, options))
        elsewhere = sorted({f"{run.name} on {run.input_source}" for run in adopted_runs(project.warehouse, name)})
        adopted = f"; adopted: {', '.join(elsewhere)}" if elsewhere else ""
        raise UsageError(
            f"--variants {','.join(variants)}: expected at least two variants for --input {options.input}, found "
            f"{len(names)}; task '{name}' has {known}{adopted}",
            next_step="name two or more, separated by commas, pass the --input of adopted ones, or add a variant to task.yml.",
        )
    return names


def _task(project: Project, name: str, variant: str) -> Task:
    task = variant_of(project, name, variant)
    if task is None:
        raise UsageError(
            f"No version of task '{name}' serves {variant}", next_step="promote one, or omit it from --variants."
        )
    return task


def _distinct(tasks: Sequence[Task]) -> tuple[list[Task], dict[str, str]]:
    """The tasks that differ from all earlier ones, and the names of the others with the variant that they equal."""
    distinct, same_as = list[Task](), dict[str, str]()
    for task in tasks:
        twin = next((other for other in distinct if is_same_version(other, task)), None)
        if twin is None:
            distinct.append(task)
        else:
            same_as[task.variant] = twin.variant
    return distinct, same_as
