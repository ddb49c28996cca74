"""The frozen `Task` and its four version hashes.

What a loaded task is belongs here; reading it from a folder is `loader.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from assay.errors import UsageError
from assay.tasks.spec import ASKED_BLOCKS, CheckSpec, MaskingSpec, RouteSpec, TaskSpec

if TYPE_CHECKING:
    from assay.tasks.rubric import Rubric
from assay.tasks.case import Case, few_shot_cases
from assay.tasks.digest import digest

DEFAULT_VARIANT = "default"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the loader must know of other rooms: providers, scorer types, masking rules.

    `check_issues` returns one line for each fault of a check's parameters; `scorer_version` hashes a scorer with its
    code; `masking_version` names the rules that content goes through.
    """

    providers: frozenset[str]
    check_issues: Callable[[CheckSpec, Path], list[str]]
    scorer_version: Callable[[CheckSpec, Path], str]
    masking_version: Callable[[MaskingSpec], str]


@dataclass(frozen=True, slots=True)
class Versions:
    """The four hashes of a task; `scorers` has one for each scorer by name."""

    task: str
    inference: str
    scorers: Mapping[str, str]
    golden_set: str
    policy: str

    @property
    def task_version_id(self) -> str:
        """One hash over the four, and the task's name: two tasks may ask the same."""
        return digest([self.task, self.inference, dict(self.scorers), self.golden_set, self.policy])


@dataclass(frozen=True, slots=True)
class Task:
    """A task folder, whole and valid, with one variant applied."""

    name: str
    folder: Path
    variant: str
    spec: TaskSpec
    templates: Mapping[str, str]
    output_model: type[BaseModel]
    output_schema: Mapping[str, Any]
    cases: tuple[Case, ...]
    few_shot: tuple[Case, ...]
    """The dev cases shown to the model, in the order of `task.yml`."""
    masking_version: str
    versions: Versions
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)
    """The rubric of each judge, by the judge's name."""
    git_sha: str | None = None
    """The commit that what is asked was read at; None where it is the folder as it stands."""


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
    """The four hashes of a task; each changes only with what its name says. `judges` holds what decides their verdicts."""
    asked: dict[str, Any] = {
        "templates": dict(templates),
        "few_shot": [[dict(case.input), case.expected] for case in few_shot_cases(spec, cases)],
        "output_schema": output_schema,
        "parameters": spec.parameters,
        "models": [_asked_of(route) for route in spec.routes],
        "masking": catalog.masking_version(spec.masking),
    }
    if conversation := spec.input.conversation:
        asked["conversation"] = conversation.keep
    checked = {check.name: catalog.scorer_version(check, folder) for check in spec.checks}
    return Versions(
        task=spec.name,
        inference=digest(asked),
        scorers=checked | {name: digest(content) for name, content in judges.items()},
        golden_set=digest(sorted([_case_content(case) for case in cases], key=lambda content: content[0])),
        policy=policy_version(spec),
    )


def policy_version(spec: TaskSpec) -> str:
    """The hash of what is decided by."""
    return digest(_policy(spec))


def asked_as(task: Task, other: Task, *, label: str) -> Task:
    """The task, but asking what `other` asks: its prompts, examples, routes, answer and masking.

    Cases, scorers and policy stay the task's own, so that two variants are judged alike on the same records.

    Raises:
        UsageError: the two read different fields of the input, so that one's prompts do not fit the other's records.
    """
    fields, others = set(task.spec.input.fields), set(other.spec.input.fields)
    if fields != others:
        raise UsageError(
            f"Task '{task.name}' and {label} read different fields of the input ({', '.join(sorted(fields))}; "
            f"{', '.join(sorted(others))}): expected the same, for they are asked about the same records",
            next_step="compare with a version that reads these fields.",
        )
    spec = task.spec.model_copy(update={block: getattr(other.spec, block) for block in ASKED_BLOCKS})
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
    """What is decided by, beside what is asked; what is not stated leaves the hash as it was without it."""
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


def _asked_of(route: RouteSpec) -> list[str]:
    """What a route changes on the wire; log probabilities are asked for only where a confidence needs them."""
    return [route.provider, route.model, *(["logprobs"] if route.asks_logprobs else [])]


def _policy_of(route: RouteSpec) -> list[Any]:
    """What a route changes in the way of a request; rules that are not stated leave the hash as it was without them."""
    rules = route.model_dump(mode="json", include={"when", "escalate", "predicted_output"}, exclude_defaults=True)
    return [route.timeout_s, route.max_attempts, route.repair, *([rules] if rules else [])]


def _case_content(case: Case) -> list[Any]:
    said = [] if case.conversation is None else [case.conversation, case.turn]
    return [case.case_id, case.split, dict(case.input), case.expected, dict(case.slices), case.cluster_id, *said]
