"""The frozen `Task` and its version hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from assay.errors import UsageError
from assay.records.statuses import ResultKind
from assay.tasks.spec import REQUEST_BLOCKS, CheckSpec, MaskingSpec, RouteSpec, TaskSpec

if TYPE_CHECKING:
    from assay.tasks.rubric import Rubric
from assay.tasks.case import Case, few_shot_cases
from assay.tasks.digest import digest
from assay.tasks.issues import TaskFinding

DEFAULT_VARIANT = "default"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Names, validations and version functions that the loader needs from other packages.

    `check_findings` validates a check, against the JSON schema of the output if it is known, and
    `expectation_findings` an expectation; the paths of both are within the block. `source_issue` returns why a text
    cannot name a source. `scorer_version` hashes a scorer including its code; `masking_version` identifies the masking
    rules.
    """

    providers: frozenset[str]
    masking_entities: frozenset[str]
    check_findings: Callable[[CheckSpec, Path, Mapping[str, Any] | None], Iterable[TaskFinding]]
    expectation_findings: Callable[[Mapping[str, Any]], Iterable[TaskFinding]]
    source_issue: Callable[[str], str]
    scorer_version: Callable[[CheckSpec, Path], str]
    masking_version: Callable[[MaskingSpec], str]


@dataclass(frozen=True, slots=True)
class Versions:
    """The name of the task and its version hashes; `scorers` maps each scorer to its version."""

    task: str
    inference: str
    scorers: Mapping[str, str]
    golden_set: str
    policy: str

    @property
    def task_version_id(self) -> str:
        """Hash of all versions and the task's name; the name is included because two tasks may send equal requests."""
        return digest([self.task, self.inference, dict(self.scorers), self.golden_set, self.policy])


@dataclass(frozen=True, slots=True)
class Task:
    """A complete, valid task folder with one variant applied."""

    name: str
    folder: Path
    variant: str
    spec: TaskSpec
    templates: Mapping[str, str]
    output_model: type[BaseModel]
    output_schema: Mapping[str, Any]
    cases: tuple[Case, ...]
    few_shot: tuple[Case, ...]
    """The dev cases shown to the LLM as examples, in the order of `task.yml`."""
    masking_version: str
    versions: Versions
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)
    """Rubrics by judge name."""
    git_sha: str | None = None
    """The commit from which prompts, routes and output were read; None for the working tree."""

    @property
    def result_kinds(self) -> dict[str, ResultKind]:
        """See `result_kinds_of`."""
        return result_kinds_of(self.spec, self.rubrics)


def result_kinds_of(spec: TaskSpec, rubrics: Mapping[str, Rubric]) -> dict[str, ResultKind]:
    """What each scorer gives by its definition; without custom checks that do not state it in `gives`.

    A judge gives a number if its rubric has levels and no `passes` separates them. `rubrics` are by judge name; a judge
    without one is left out.
    """
    stated = {check.name: check.result_kind for check in spec.checks}
    for judge in spec.judges:
        if judge.name in rubrics:
            is_number = rubrics[judge.name].levels is not None and judge.passes is None
            stated[judge.name] = ResultKind.NUMBER if is_number else ResultKind.PASS
    return {name: kind for name, kind in stated.items() if kind is not None}


def versions_of(
    spec: TaskSpec,
    *,
    folder: Path,
    templates: Mapping[str, str],
    output_schema: Mapping[str, Any],
    cases: tuple[Case, ...],
    catalog: Catalog,
    judges: Mapping[str, Mapping[str, Any]],
) -> Versions:
    """Returns the version hashes of a task; each changes only with its own content.

    `judges` maps each judge to the content that determines its verdicts.
    """
    content: dict[str, Any] = {
        "templates": dict(templates),
        "few_shot": [[dict(case.input), case.expected] for case in few_shot_cases(spec, cases)],
        "output_schema": output_schema,
        "parameters": spec.parameters,
        "models": [_inference_of(route) for route in spec.routes],
        "masking": catalog.masking_version(spec.masking),
    }
    if conversation := spec.input.conversation:
        content["conversation"] = conversation.keep
    checked = {check.name: catalog.scorer_version(check, folder) for check in spec.checks}
    return Versions(
        task=spec.name,
        inference=digest(content),
        scorers=checked | {name: digest(judge) for name, judge in judges.items()},
        golden_set=digest(sorted([_case_content(case) for case in cases], key=lambda content: content[0])),
        policy=policy_version(spec),
    )


def policy_version(spec: TaskSpec) -> str:
    """Returns the hash of the policy: thresholds, SLA, schedule, budget, fallback."""
    return digest(_policy(spec))


def with_variant_of(task: Task, other: Task, *, label: str) -> Task:
    """Returns the task with the blocks of `other` that determine requests: prompts, examples, routes, output, masking.

    Cases and scorers stay the same, so that both variants are scored alike on the same records.

    Raises:
        UsageError: the input fields of the two tasks differ, so that they cannot run on the same records.
    """
    fields, others = set(task.spec.input.fields), set(other.spec.input.fields)
    if fields != others:
        raise UsageError(
            f"Task '{task.name}' and {label} cannot run on the same records, because their input fields "
            f"differ: '{task.name}' reads {', '.join(sorted(fields))}; {label} reads {', '.join(sorted(others))}",
            next_step="compare with a version that reads the same input fields.",
        )
    spec = task.spec.model_copy(update={block: getattr(other.spec, block) for block in REQUEST_BLOCKS})
    return replace(
        task,
        variant=label,
        spec=spec,
        templates=other.templates,
        output_model=other.output_model,
        output_schema=other.output_schema,
        few_shot=other.few_shot,
        masking_version=other.masking_version,
        versions=replace(task.versions, inference=other.versions.inference, policy=policy_version(spec)),
        git_sha=other.git_sha,
    )


def _policy(spec: TaskSpec) -> dict[str, Any]:
    """Content of the policy version; values that are not set are omitted, so that they do not change the hash."""
    policy = spec.model_dump(
        mode="json", include={"thresholds", "sla", "schedule", "budget", "correct", "fallback_counts", "stage", "reuse"}
    )
    policy |= spec.model_dump(mode="json", include={"deadline_s"}, exclude_defaults=True)
    policy["fallback"] = spec.output.fallback
    policy["routes"] = [_policy_of(route) for route in spec.routes]
    if cache := spec.cache.model_dump(mode="json", exclude_defaults=True):
        policy["cache"] = cache
    if spec.input.conversation:
        policy["conversation"] = spec.input.conversation.ttl
    if spec.gate is not None:
        policy["gate"] = spec.gate.model_dump(mode="json")
    if samples := {judge.name: judge.sample for judge in spec.judges if judge.sample is not None}:
        policy["samples"] = samples
    return policy


def _inference_of(route: RouteSpec) -> list[str]:
    """The part of a route that changes the request; includes `logprobs` only if its confidence needs them."""
    return [route.provider, route.model, *(["logprobs"] if route.needs_logprobs else [])]


def _policy_of(route: RouteSpec) -> list[Any]:
    """The part of a route that determines which route is used; rules that are not set are omitted from the hash."""
    rules = route.model_dump(mode="json", include={"when", "escalate", "predicted_output"}, exclude_defaults=True)
    return [route.timeout_s, route.max_attempts, route.repair, *([rules] if rules else [])]


def _case_content(case: Case) -> list[Any]:
    place = [] if case.conversation is None else [case.conversation, case.turn]
    return [case.case_id, case.split, dict(case.input), case.expected, dict(case.slices), case.cluster_id, *place]
