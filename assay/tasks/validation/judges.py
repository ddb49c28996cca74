"""Validates that the rubrics, providers, fields and levels to which judges refer exist."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from assay.errors import did_you_mean
from assay.tasks.issues import TaskFinding, ValidationIssue, shown
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.rubric import Rubric, builtin_names, is_builtin, read_rubric, rubric_missing
from assay.tasks.spec import TaskSpec
from assay.tasks.validation.references import unknown

YamlPath = tuple[str | int, ...]
"""Path of a value in `task.yml`."""


def read_rubrics(
    spec: TaskSpec, folder: Path, *, shown_as: Callable[[str], str], issues: list[ValidationIssue]
) -> dict[str, Rubric]:
    """Returns rubrics by judge name, and appends errors in their files to `issues`."""
    rubrics: dict[str, Rubric] = {}
    for judge in spec.judges:
        if rubric_missing(judge.rubric, folder):
            continue  # `judge_findings` reports it with its line of task.yml
        rubric = read_rubric(judge.rubric, folder, shown_as=shown_as, issues=issues)
        if rubric is not None:
            rubrics[judge.name] = rubric
    return rubrics


def judge_findings(
    spec: TaskSpec,
    model: type[BaseModel] | None,
    *,
    rubrics: Mapping[str, Rubric],
    folder: Path,
    providers: Collection[str],
) -> Iterator[TaskFinding]:
    """Yields every issue in `judges`; output fields are validated if the output model could be loaded."""
    for index, judge in enumerate(spec.judges):
        place = ("judges", index)
        if rubric_missing(judge.rubric, folder):
            yield TaskFinding((*place, "rubric"), _wanted_rubric(judge.rubric), shown(judge.rubric))
        for number, juror in enumerate(judge.routes):
            if juror.provider not in providers:
                path = (*place, "routes", number, "provider")
                yield unknown(path, juror.provider, "a provider of providers.yml", providers)
        yield from _field_issues(spec, judge, place, model)
        rubric = rubrics.get(judge.name)
        if rubric is not None:
            yield from _scale_issues(judge, rubric, place, decides=judge.name in spec.correct)


def _wanted_rubric(name: str) -> str:
    hint = did_you_mean(name, builtin_names()) if is_builtin(name) else ""
    return f"a rubric file in the task folder, or one of {', '.join(builtin_names())}" + (f"; {hint}" if hint else "")


def _field_issues(
    spec: TaskSpec, judge: JudgeSpec, place: YamlPath, model: type[BaseModel] | None
) -> Iterator[TaskFinding]:
    answer = None if model is None else (tuple(model.model_fields), f"a field of {model.__name__}")
    inputs = (tuple(spec.input.fields), "a field of the input")
    looked_at = (("input", inputs), ("sources", inputs), ("output", answer), ("reference", answer))
    for name, known in looked_at:
        if known is None:
            continue
        fields, what = known
        for position, field in enumerate(getattr(judge.sees, name) or ()):
            if field not in fields:
                yield unknown((*place, "sees", name, position), field, what, fields)


def _scale_issues(judge: JudgeSpec, rubric: Rubric, place: YamlPath, *, decides: bool) -> Iterator[TaskFinding]:
    for need in rubric.needs:
        if not getattr(judge.sees, need):
            yield TaskFinding((*place, "sees"), f"`sees.{need}`, which rubric {judge.rubric!r} needs")
    if rubric.levels is None:
        if judge.passes is not None:
            yield TaskFinding((*place, "passes"), "no `passes`, because the rubric is binary", shown(judge.passes))
        return
    if not rubric.ordered:
        yield from _unordered_issues(judge, place, decides=decides)
        return
    levels = ", ".join(map(str, sorted(rubric.levels)))
    if judge.passes is None and decides:
        yield TaskFinding(place, f"`passes`, a level of the rubric ({levels}), because `correct` names the judge")
    elif judge.passes is not None and judge.passes not in rubric.levels:
        yield TaskFinding((*place, "passes"), f"a level of the rubric ({levels})", shown(judge.passes))


def _unordered_issues(judge: JudgeSpec, place: YamlPath, *, decides: bool) -> Iterator[TaskFinding]:
    """Yields what needs an order of the levels, which the rubric denies by `ordered: false`."""
    because = "because the levels of the rubric have no order"
    if judge.passes is not None:
        yield TaskFinding((*place, "passes"), f"no `passes`, {because}", shown(judge.passes))
    if judge.jury == "mean":
        yield TaskFinding((*place, "jury"), f"`majority`, {because}", shown(judge.jury))
    if decides:
        yield TaskFinding(place, f"a judge that passes or fails in `correct`; this one does not, {because}")
