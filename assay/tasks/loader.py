"""Loads a task folder into a frozen `Task`, or reports every issue in the folder at once."""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from assay.errors import UsageError, did_you_mean
from assay.records.statuses import Stage
from assay.tasks.adopt_spec import AdoptSpec
from assay.tasks.case import Case, few_shot_cases
from assay.tasks.fields.schedule_spec import ScheduleSpec
from assay.tasks.files import is_inside, is_present, read_text, reason
from assay.tasks.golden import read_cases, turn_issues
from assay.tasks.issues import (
    TaskFinding,
    TaskValidationError,
    ValidationIssue,
    YamlDocument,
    located_paths,
    shown,
    stated,
)
from assay.tasks.output_model import load_output_model, output_schema, source_of, strict_schema, value_issue
from assay.tasks.rubric import Rubric, judge_content
from assay.tasks.spec import VARIABLE_BLOCKS, TaskSpec
from assay.tasks.task import DEFAULT_VARIANT, Catalog, Task, Versions, versions_of
from assay.tasks.templates import rendering_issues, template_issues
from assay.tasks.user_code import UserCodeError, user_code
from assay.tasks.validation.consequences import CASES, follows
from assay.tasks.validation.gate import gate_findings
from assay.tasks.validation.judges import judge_findings, read_rubrics
from assay.tasks.validation.references import few_shot_findings, label_findings, output_findings, reference_findings
from assay.tasks.validation.routes import route_findings

SPEC_FILE = "task.yml"
CASES_FILE = CASES


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
    if not names:
        raise UsageError(
            f"Unknown task '{name}': the project has no tasks", next_step="run `assay init TASK` to create one."
        )
    raise UsageError(
        f"Unknown task '{name}': expected one of {', '.join(names)}",
        next_step=did_you_mean(name, names),
    )


def load_task(folder: Path, *, catalog: Catalog, variant: str = DEFAULT_VARIANT) -> Task:
    """Returns the task in `folder` with `variant` applied.

    Raises:
        TaskValidationError: the folder has issues; the message lists all of them.
        UsageError: the task has no such variant.
    """
    reading = _Reading(folder, catalog=catalog)
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
class _SpecFile:
    """The file `task.yml` of a folder, and the issues found so far."""

    folder: Path
    issues: list[ValidationIssue] = field(default_factory=list)
    document: YamlDocument = field(init=False)
    variant: str = DEFAULT_VARIANT
    unreadable: set[str] = field(default_factory=set)
    """Blocks of task.yml that have issues, and `CASES` if a case has one; references to them are not validated."""

    def __post_init__(self) -> None:
        self.document = YamlDocument(self.folder / SPEC_FILE, shown_as=self.shown(SPEC_FILE))
        self.issues += self.document.issues

    def shown(self, name: str) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}/{name}"

    def report(self, *findings: TaskFinding) -> None:
        """Adds the issues of values in task.yml, without those that follow from a part that has issues of its own."""
        for finding in findings:
            if not follows(finding.path, self.unreadable):
                self.issues.append(self.document.issue(replace(finding, path=self.in_variant(finding.path))))

    def in_variant(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Returns the path of the value in the overrides of the variant, if they set it or the list that it is in."""
        to_list = next((path[:place] for place, step in enumerate(path) if isinstance(step, int)), path)
        overriding = ("variants", self.variant)
        return (*overriding, *path) if self.document.holds((*overriding, *to_list)) else path

    def spec(self) -> TaskSpec | None:
        if self.document.issues:
            return None
        if not isinstance(self.document.value, dict):
            self.report(TaskFinding((), "a mapping of keys", shown(self.document.value)))
            return None
        try:
            return TaskSpec.model_validate(self.document.value)
        except ValidationError as error:
            self.issues += self.document.issues_of(error)
            return None


@dataclass(kw_only=True)
class _Reading(_SpecFile):
    """A task folder that is validated as a whole."""

    catalog: Catalog

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
        content, found = dict(self.document.value), 0
        while True:
            try:
                return TaskSpec.model_validate({**filler, **content} if found else content)
            except ValidationError as error:
                self.unreadable |= {str(path[0]) for path in located_paths(error) if path}
            if len(self.unreadable) == found:
                return None
            found = len(self.unreadable)
            for block in self.unreadable:
                content.pop(block, None)

    def check_variants(self, spec: TaskSpec) -> None:
        if DEFAULT_VARIANT in spec.variants:
            problem = "`default` is reserved for the task without overrides"
            place = ("variants", DEFAULT_VARIANT)
            self.report(TaskFinding(place, problem=problem, next_step="choose a different variant name"))
        for name, override in spec.variants.items():
            for block in override.keys() - set(VARIABLE_BLOCKS):
                self.report(
                    TaskFinding(("variants", name, block), f"one of {', '.join(VARIABLE_BLOCKS)}", shown(block))
                )
            self.variant = name
            varied = self.with_variant(spec, name)
            if varied is not None and "routes" in override:
                self.report(*route_findings(varied, None))
        self.variant = DEFAULT_VARIANT

    def with_variant(self, spec: TaskSpec, variant: str) -> TaskSpec | None:
        if variant == DEFAULT_VARIANT:
            return spec
        merged = _merge(spec.model_dump(), spec.variants[variant])
        try:
            return TaskSpec.model_validate(merged)
        except ValidationError as error:
            self.issues += self.document.issues_of(error, variant=variant)
            return None

    def whole(self, spec: TaskSpec, variant: str) -> Task | None:
        self.variant = variant
        if spec.name != self.folder.name:
            self.report(TaskFinding(("name",), f"the folder's name, {self.folder.name!r}", shown(spec.name)))
        templates = self.templates(spec)
        self.issues += template_issues(templates, spec=spec, shown=self.shown)
        model = load_output_model(self.folder, spec.output.model, shown_as=self.shown, issues=self.issues)
        if model is not None:
            self.report(*self.fallback_findings(spec, model), *output_findings(spec, model))
        output = None if model is None else output_schema(model)
        self.report(*reference_findings(spec, self.catalog, folder=self.folder, output=output))
        self.report(*route_findings(spec, model))
        rubrics = self.rubrics(spec, model)
        cases = self.cases(spec, model)
        self.report(*few_shot_findings(spec, cases), *gate_findings(spec, cases, rubrics=rubrics))
        if model is not None and CASES not in self.unreadable:
            self.report(*label_findings(spec, cases, fields=model.model_fields))
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
        self.report(*judge_findings(spec, model, rubrics=rubrics, folder=self.folder, providers=self.catalog.providers))
        return rubrics

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
                expected = "a readable template file in the task folder"
                self.report(TaskFinding(("prompts", role), expected, f"{name!r}: {why}"))
        return texts

    def fallback_findings(self, spec: TaskSpec, model: type[BaseModel]) -> Iterator[TaskFinding]:
        if spec.output.fallback is None:
            return
        try:
            with user_code(source_of(model), expected=ValidationError):
                model.model_validate(spec.output.fallback)
        except UserCodeError as error:
            raised = f"{error} in line {error.line or 'unknown'}"
            problem = f"the output model {model.__name__} raised {raised}"
            yield TaskFinding(("output", "fallback"), problem=problem)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                why = stated(detail, f"`{'.'.join(str(step) for step in detail['loc'])}`")
                expected = f"a value that {model.__name__} accepts ({why})"
                yield TaskFinding(("output", "fallback", *detail["loc"]), expected, shown(detail["input"]))

    def cases(self, spec: TaskSpec, model: type[BaseModel] | None) -> tuple[Case, ...]:
        before = len(self.issues)
        cases, lines = read_cases(self.folder / CASES_FILE, shown_as=self.shown(CASES_FILE), issues=self.issues)
        if len(self.issues) > before:
            self.unreadable.add(CASES)
        for case, line in zip(cases, lines, strict=True):
            self._check_case(case, line, spec=spec, model=model)
        self.issues += turn_issues(cases, lines, spec=spec, file=self.shown(CASES_FILE))
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
    adopt: AdoptSpec | None = None


def outline(folder: Path) -> Outline:
    """Returns the outline of the task, even if its folder has issues, so that the other tasks still load."""
    spec = (reading := _SpecFile(folder)).spec()
    if spec is None:
        return Outline(
            folder.name, "This task folder has issues.", None, None, str(TaskValidationError(reading.issues))
        )
    return Outline(folder.name, spec.description, spec.owner, spec.schedule, None, spec.stage, spec.adopt)
