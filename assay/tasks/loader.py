"""Loads a task folder into a frozen `Task`, or reports every issue in the folder at once."""

from __future__ import annotations

import copy
import difflib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from assay.errors import UsageError
from assay.records.statuses import GoldenSplit, Stage
from assay.tasks.case import Case, few_shot_cases
from assay.tasks.files import is_inside, is_present, read_text, reason
from assay.tasks.golden import read_cases, turn_issues
from assay.tasks.issues import TaskValidationError, ValidationIssue, YamlDocument, pydantic_issue, shown, stated
from assay.tasks.output_model import load_output_model, source_of, strict_schema, value_issue
from assay.tasks.rubric import Rubric, judge_content
from assay.tasks.spec import VARIABLE_BLOCKS, ScheduleSpec, TaskSpec
from assay.tasks.task import DEFAULT_VARIANT, Catalog, Task, Versions, versions_of
from assay.tasks.templates import EXAMPLES_VARIABLE, rendering_issues, template_issues
from assay.tasks.user_code import UserCodeError, user_code
from assay.tasks.validation.gate import gate_issues
from assay.tasks.validation.judges import judge_issues, read_rubrics
from assay.tasks.validation.routes import route_issues

SPEC_FILE = "task.yml"
CASES_FILE = "cases.jsonl"


def task_names(tasks_dir: Path) -> tuple[str, ...]:
    """Names of the folders under `tasks_dir` that contain a `task.yml`, sorted; also of those that cannot be read.

    Raises:
        UsageError: `tasks_dir` cannot be read.
    """
    try:
        entries = [entry for entry in tasks_dir.iterdir() if is_present(entry / SPEC_FILE)]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(
            f"{tasks_dir} cannot be read: {reason(error)}", next_step="correct its permissions."
        ) from error
    return tuple(sorted(entry.name for entry in entries))


def find_task(tasks_dir: Path, name: str) -> Path:
    """Returns the folder of the task.

    Raises:
        UsageError: the task does not exist; the message lists all tasks and suggests the closest name.
    """
    names = task_names(tasks_dir)
    if name in names:
        return tasks_dir / name
    if os.path.isdir(tasks_dir / name):  # noqa: PTH112 - a name that is too long is no folder
        raise UsageError(
            f"Task '{name}': the folder {tasks_dir.name}/{name} has no {SPEC_FILE}",
            next_step="add it, or run `assay init TASK` to create a complete task folder.",
        )
    near = difflib.get_close_matches(name, names, n=1)
    if not names:
        raise UsageError(
            f"Unknown task '{name}': the project has no tasks", next_step="run `assay init TASK` to create one."
        )
    raise UsageError(
        f"Unknown task '{name}': expected one of {', '.join(names)}",
        next_step=f"did you mean '{near[0]}'?" if near else "",
    )


def load_task(folder: Path, *, catalog: Catalog, variant: str = DEFAULT_VARIANT) -> Task:
    """Returns the task in `folder` with `variant` applied.

    Raises:
        TaskValidationError: the folder has issues; the message lists all of them.
        UsageError: the task has no such variant.
    """
    reading = _Reading(folder, catalog)
    spec = reading.spec()
    if spec is None:
        reading.check_other_files()
        raise TaskValidationError(reading.issues)
    reading.check_variants(spec)
    if variant != DEFAULT_VARIANT and variant not in spec.variants:
        raise UsageError(
            f"Task '{spec.name}' has no variant '{variant}': expected one of {', '.join([DEFAULT_VARIANT, *spec.variants])}"
        )
    spec = reading.with_variant(spec, variant) or spec
    task = reading.whole(spec, variant)
    if reading.issues or task is None:
        raise TaskValidationError(reading.issues)
    return task


@dataclass
class _Reading:
    folder: Path
    catalog: Catalog
    issues: list[ValidationIssue] = field(default_factory=list)
    document: YamlDocument = field(init=False)

    def __post_init__(self) -> None:
        self.document = YamlDocument(self.folder / SPEC_FILE, shown_as=self.shown(SPEC_FILE))
        self.issues += self.document.issues

    def shown(self, name: str) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}/{name}"

    def report(self, path: list[str | int], expected: str, found: str) -> None:
        self.issues.append(ValidationIssue(self.document.file, self.document.line(path), expected, found))

    def report_problem(self, path: list[str | int], problem: str) -> None:
        self.issues.append(ValidationIssue(self.document.file, self.document.line(path), problem=problem))

    def spec(self) -> TaskSpec | None:
        if self.document.issues:
            return None
        if not isinstance(self.document.value, dict):
            self.report([], "a mapping of keys", shown(self.document.value))
            return None
        try:
            return TaskSpec.model_validate(self.document.value)
        except ValidationError as error:
            self.issues += self.document.issues_of(error)
            return None

    def check_other_files(self) -> None:
        """Validates the files that can be read although task.yml has issues."""
        valid = self._valid_spec()
        if valid is None:
            read_cases(self.folder / CASES_FILE, shown_as=self.shown(CASES_FILE), issues=self.issues)
        else:
            self.whole(valid, DEFAULT_VARIANT)

    def _valid_spec(self) -> TaskSpec | None:
        """Returns the spec with each invalid block omitted or replaced; None if the result is still invalid."""
        if self.document.issues or not isinstance(self.document.value, dict):
            return None
        provider = min(self.catalog.providers, default="none")
        filler = {
            "name": self.folder.name,
            "description": "",
            "owner": "",
            "routes": [{"name": "none", "provider": provider, "model": "none"}],
        }
        content = dict(self.document.value)
        try:
            return TaskSpec.model_validate(content)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                for block in [detail["loc"][0]] if detail["loc"] else ["checks", "judges", "correct", "routes"]:
                    content.pop(block, None)
        try:
            return TaskSpec.model_validate({**filler, **content})
        except ValidationError:
            return None

    def check_variants(self, spec: TaskSpec) -> None:
        if DEFAULT_VARIANT in spec.variants:
            self.report_problem(
                ["variants", DEFAULT_VARIANT],
                "`default` is reserved for the task without overrides; choose a different variant name",
            )
        for name, override in spec.variants.items():
            for block in override.keys() - set(VARIABLE_BLOCKS):
                self.report(["variants", name, block], f"one of {', '.join(VARIABLE_BLOCKS)}", f"`{block}`")
            varied = self.with_variant(spec, name)
            if varied is not None and "routes" in override:
                self.check_routes(varied, None, under=["variants", name])

    def with_variant(self, spec: TaskSpec, variant: str) -> TaskSpec | None:
        if variant == DEFAULT_VARIANT:
            return spec
        merged = _merge(spec.model_dump(), spec.variants[variant])
        try:
            return TaskSpec.model_validate(merged)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                place = ".".join(str(step) for step in detail["loc"])
                key = f"variant '{variant}', `{place}`" if place else f"variant '{variant}'"
                line = self.document.line(["variants", variant, *detail["loc"]])
                self.issues.append(pydantic_issue(self.document.file, line, key, detail))
            return None

    def whole(self, spec: TaskSpec, variant: str) -> Task | None:
        if spec.name != self.folder.name:
            self.report(["name"], f"the folder's name, {self.folder.name!r}", shown(spec.name))
        self.check_references(spec)
        templates = self.templates(spec)
        self.issues += template_issues(templates, spec=spec, shown=self.shown)
        model = load_output_model(self.folder, spec.output.model, shown_as=self.shown, issues=self.issues)
        if model is not None:
            self.check_output(spec, model)
        own_routes = variant != DEFAULT_VARIANT and "routes" in spec.variants[variant]
        self.check_routes(spec, model, under=["variants", variant] if own_routes else [])
        rubrics = self.rubrics(spec, model)
        cases = self.cases(spec, model)
        for place, expected, found in gate_issues(spec, cases):
            self.report(["gate", *place], expected, found)
        if self.issues or model is None:
            return None
        self.issues += rendering_issues(templates, spec=spec, cases=cases, shown=self.shown)
        return Task(
            name=spec.name,
            folder=self.folder,
            variant=variant,
            spec=spec,
            templates=templates,
            output_model=model,
            output_schema=strict_schema(model),
            cases=cases,
            few_shot=few_shot_cases(spec, cases),
            masking_version=self.catalog.masking_version(spec.masking),
            versions=self.versions(spec, templates, cases, model=model, rubrics=rubrics),
            rubrics=rubrics,
        )

    def versions(
        self,
        spec: TaskSpec,
        templates: Mapping[str, str],
        cases: tuple[Case, ...],
        *,
        model: type[BaseModel],
        rubrics: Mapping[str, Rubric],
    ) -> Versions:
        return versions_of(
            spec,
            folder=self.folder,
            templates=templates,
            output_schema=strict_schema(model),
            cases=cases,
            catalog=self.catalog,
            judges={judge.name: judge_content(judge, rubrics[judge.name]) for judge in spec.judges},
        )

    def rubrics(self, spec: TaskSpec, model: type[BaseModel] | None) -> dict[str, Rubric]:
        rubrics = read_rubrics(spec, self.folder, shown_as=self.shown, issues=self.issues)
        found = judge_issues(spec, model, rubrics=rubrics, folder=self.folder, providers=self.catalog.providers)
        for place, expected, what in found:
            self.report(place, expected, what)
        return rubrics

    def check_routes(self, spec: TaskSpec, model: type[BaseModel] | None, *, under: list[str | int]) -> None:
        for place, expected, found in route_issues(spec, model):
            self.report([*under, *place], expected, found)

    def check_references(self, spec: TaskSpec) -> None:
        for index, route in enumerate(spec.routes):
            if route.provider not in self.catalog.providers:
                known = ", ".join(sorted(self.catalog.providers))
                self.report(
                    ["routes", index, "provider"], f"a provider of providers.yml ({known})", shown(route.provider)
                )
        semantic = spec.cache.semantic
        if semantic is not None and semantic.provider not in self.catalog.providers:
            known = ", ".join(sorted(self.catalog.providers))
            self.report(
                ["cache", "semantic", "provider"], f"a provider of providers.yml ({known})", shown(semantic.provider)
            )
        for index, check in enumerate(spec.checks):
            for issue in self.catalog.check_issues(check, self.folder):
                self.report_problem(["checks", index], f"check '{check.name}': {issue}")
        if EXAMPLES_VARIABLE in spec.input.fields:
            self.report_problem(
                ["input", "fields", EXAMPLES_VARIABLE],
                f"`{EXAMPLES_VARIABLE}` is reserved for the examples in templates; choose a different field name",
            )

    def templates(self, spec: TaskSpec) -> dict[str, str]:
        texts = {}
        for role, name in spec.prompts.files.items():
            path = self.folder / name
            try:
                if not is_inside(path, self.folder):
                    raise FileNotFoundError(errno.ENOENT, "the path leads out of the task folder")
                texts[role] = read_text(path)
            except (OSError, ValueError) as error:
                why = reason(error) if isinstance(error, OSError) else type(error).__name__
                self.report(["prompts", role], "a readable template file in the task folder", f"{name!r}: {why}")
        return texts

    def check_output(self, spec: TaskSpec, model: type[BaseModel]) -> None:
        if spec.output.fallback is not None:
            try:
                with user_code(source_of(model), expected=ValidationError):
                    model.model_validate(spec.output.fallback)
            except UserCodeError as error:
                raised = f"{error} in line {error.line or 'unknown'}"
                self.report_problem(["output", "fallback"], f"the output model {model.__name__} raised {raised}")
            except ValidationError as error:
                detail = error.errors(include_url=False)[0]
                place = ".".join(str(step) for step in detail["loc"])
                self.report(
                    ["output", "fallback"],
                    f"a value that {model.__name__} accepts ({stated(detail, f'`{place}`')})",
                    shown(detail["input"]),
                )
        for name in spec.input.expected.keys() - model.model_fields.keys():
            self.report(
                ["input", "expected", name],
                f"a field of {model.__name__} ({', '.join(model.model_fields)})",
                f"`{name}`",
            )

    def cases(self, spec: TaskSpec, model: type[BaseModel] | None) -> tuple[Case, ...]:
        cases, lines = read_cases(self.folder / CASES_FILE, shown_as=self.shown(CASES_FILE), issues=self.issues)
        for case, line in zip(cases, lines, strict=True):
            self._check_case(case, line, spec=spec, model=model)
        self.issues += turn_issues(cases, lines, spec=spec, file=self.shown(CASES_FILE))
        by_id = {case.case_id: case for case in cases}
        for index, case_id in enumerate(spec.prompts.few_shot):
            place: list[str | int] = ["prompts", "few_shot", index]
            if case_id not in by_id:
                self.report(place, f"a case of {CASES_FILE}", shown(case_id))
            elif by_id[case_id].split != GoldenSplit.DEV:
                self.report(
                    place,
                    "a case of the dev split, so that the model never sees the gate split",
                    f"{case_id!r} of split {by_id[case_id].split.value!r}",
                )
        return cases

    def _check_case(self, case: Case, line: int, *, spec: TaskSpec, model: type[BaseModel] | None) -> None:
        file = self.shown(CASES_FILE)
        if set(case.input) != set(spec.input.fields):
            wanted = ", ".join(spec.input.fields)
            self.issues.append(
                ValidationIssue(
                    file, line, f"`input` with exactly the fields of task.yml ({wanted})", shown(sorted(case.input))
                )
            )
        if model is None:
            return
        for name, value in (case.expected or {}).items():
            if issue := value_issue(model, name, value):
                self.issues.append(ValidationIssue(file, line, problem=issue, found=shown(value)))


def _merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(base))
    for key, value in override.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


@dataclass(frozen=True, slots=True)
class Outline:
    """The settings that a scheduler needs before a task runs; `issues` is the text of the folder's issues, or None.

    If issues make the stage unreadable, it is `shadow`; a folder with issues does not run at any stage.
    """

    name: str
    description: str
    owner: str | None
    schedule: ScheduleSpec | None
    issues: str | None
    stage: Stage = Stage.SHADOW


def outline(folder: Path) -> Outline:
    """Returns the outline of the task, even if its folder has issues, so that the other tasks still load."""
    reading = _Reading(folder, Catalog(frozenset(), lambda *_: [], lambda *_: "", lambda _: ""))
    spec = reading.spec()
    if spec is None:
        return Outline(
            folder.name, "This task folder has issues.", None, None, str(TaskValidationError(reading.issues))
        )
    return Outline(folder.name, spec.description, spec.owner, spec.schedule, None, spec.stage)
