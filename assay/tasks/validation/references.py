"""Validates that what `task.yml` refers to exists: providers, scorers, columns, fields, cases and expected values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from assay.errors import did_you_mean
from assay.records.statuses import GoldenSplit, ResultKind
from assay.tasks.case import Case
from assay.tasks.issues import TaskFinding, shown
from assay.tasks.spec import TaskSpec
from assay.tasks.task import Catalog
from assay.tasks.templates import EXAMPLES_VARIABLE
from assay.tasks.validation.routes import NEED_LABELS


def reference_findings(
    spec: TaskSpec, catalog: Catalog, *, folder: Path, output: Mapping[str, Any] | None
) -> Iterator[TaskFinding]:
    """Yields references to unknown providers, sources, entities and scorers, and the issues of checks and expectations.

    `output` is the JSON schema of the output, or None if the output model cannot be loaded.
    """
    places: list[tuple[tuple[str | int, ...], str]] = [
        (("routes", index, "provider"), route.provider) for index, route in enumerate(spec.routes)
    ]
    if spec.cache.semantic is not None:
        places.append((("cache", "semantic", "provider"), spec.cache.semantic.provider))
    for path, provider in places:
        if provider not in catalog.providers:
            yield unknown(path, provider, "a provider of providers.yml", catalog.providers)
    for index, entity in enumerate(spec.masking.entities):
        if entity not in catalog.masking_entities:
            yield unknown(("masking", "entities", index), entity, "one of", catalog.masking_entities)
    yield from _correct_findings(spec)
    for index, check in enumerate(spec.checks):
        for finding in catalog.check_findings(check, folder, output):
            yield finding.under("checks", index)
    yield from _input_findings(spec, catalog)


def _correct_findings(spec: TaskSpec) -> Iterator[TaskFinding]:
    """Yields names in `correct` that are no scorers, or scorers that give a number, which is never correct."""
    for index, name in enumerate(spec.correct):
        if name not in spec.scorers:
            yield unknown(("correct", index), name, "a check or judge of the task", spec.scorers)
        elif name in (check.name for check in spec.checks if check.result_kind is ResultKind.NUMBER):
            yield TaskFinding(
                ("correct", index), "a scorer that passes or fails", f"{shown(name)}, which gives a number"
            )


def _input_findings(spec: TaskSpec, catalog: Catalog) -> Iterator[TaskFinding]:
    for index, name in enumerate(spec.robustness.fields or ()):
        if name not in spec.input.fields:
            yield unknown(("robustness", "fields", index), name, "a field of `input.fields`", spec.input.fields)
    for index, expectation in enumerate(spec.input.expectations):
        for finding in catalog.expectation_findings(expectation):
            yield finding.under("input", "expectations", index)
    if spec.input.source is not None and (expected := catalog.source_issue(spec.input.source)):
        yield TaskFinding(("input", "source"), expected, shown(spec.input.source))
    if spec.adopt is not None and (expected := catalog.source_issue(spec.adopt.input)):
        yield TaskFinding(("adopt", "input"), expected, shown(spec.adopt.input))
    if EXAMPLES_VARIABLE in spec.input.fields:
        problem = f"`{EXAMPLES_VARIABLE}` is reserved for the examples in templates"
        yield TaskFinding(
            ("input", "fields", EXAMPLES_VARIABLE), problem=problem, next_step="choose a different field name"
        )


def output_findings(spec: TaskSpec, model: type[BaseModel]) -> Iterator[TaskFinding]:
    """Yields names in `input.expected` and `cache.semantic.compare` that are no fields of the output model."""
    fields, known = tuple(model.model_fields), f"a field of {model.__name__}"
    for name in spec.input.expected:
        if name not in fields:
            yield unknown(("input", "expected", name), name, known, fields)
    if spec.adopt is not None and spec.adopt.field is not None and spec.adopt.field not in fields:
        yield unknown(("adopt", "field"), spec.adopt.field, known, fields)
    for index, name in enumerate(spec.cache.semantic.compare if spec.cache.semantic else ()):
        if name not in fields:
            yield unknown(("cache", "semantic", "compare", index), name, known, fields)


def few_shot_findings(spec: TaskSpec, cases: Iterable[Case]) -> Iterator[TaskFinding]:
    """Yields ids in `prompts.few_shot` that are not dev cases."""
    splits = {case.case_id: case.split for case in cases}
    for index, case_id in enumerate(spec.prompts.few_shot):
        path = ("prompts", "few_shot", index)
        if case_id not in splits:
            yield TaskFinding(path, "a case of cases.jsonl", shown(case_id), did_you_mean(case_id, splits))
        elif splits[case_id] != GoldenSplit.DEV:
            expected = "a case of the dev split, so that the model never sees the gate split"
            yield TaskFinding(path, expected, f"{case_id!r} of split {splits[case_id].value!r}")


def label_findings(spec: TaskSpec, cases: Iterable[Case], *, fields: Collection[str]) -> Iterator[TaskFinding]:
    """Yields checks and judges that compare an output field with an expected value that no record can have."""
    labeled = {*spec.input.expected, *(name for case in cases for name in case.expected or ())}
    fix = "add the column to `input.expected`, or the value to `expected` of cases in cases.jsonl"
    for index, check in enumerate(spec.checks):
        field = str(check.parameters.get("field", ""))
        names = {field, field.partition(".")[0]}
        if check.type in NEED_LABELS and names & {*fields} and not names & labeled:
            problem = f"check '{check.name}' can never score, because no expected value of {field!r} is declared"
            yield TaskFinding(("checks", index, "field"), problem=problem, next_step=fix)
    for index, judge in enumerate(spec.judges):
        for position, name in enumerate(judge.sees.reference):
            if name in fields and name not in labeled:
                problem = f"judge '{judge.name}' can never score, because no expected value of {name!r} is declared"
                yield TaskFinding(("judges", index, "sees", "reference", position), problem=problem, next_step=fix)


def unknown(path: tuple[str | int, ...], name: str, what: str, known: Collection[str]) -> TaskFinding:
    """Returns the finding for a name that is not among the known ones, with the closest of them."""
    names = list(known) if isinstance(known, list | tuple) else sorted(known)
    listed = ", ".join(names) or "none declared"
    expected = f"{what} {listed}" if what == "one of" else f"{what} ({listed})"
    return TaskFinding(path, expected, shown(name), did_you_mean(name, names))
