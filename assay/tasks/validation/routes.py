"""Validates that the fields, checks and outputs to which routes refer exist."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from assay.tasks.issues import TaskFinding, shown
from assay.tasks.output_model import value_issue
from assay.tasks.spec import LOGPROB, RouteSpec, TaskSpec

Path = tuple[str | int, ...]
"""Path of a value in `task.yml`."""
NOT_WITH_A_PREDICTION = frozenset({"logprobs", "max_completion_tokens", "tools", "audio"})
NEED_LABELS = frozenset({"exact_match"})
"""Check types that need an expected value, which a route does not have when it decides whether to escalate."""


def route_findings(spec: TaskSpec, model: type[BaseModel] | None) -> Iterator[TaskFinding]:
    """Yields every issue in `when` and `escalate`; output fields are validated if the output model could be loaded."""
    if all(route.when for route in spec.routes):
        yield TaskFinding(
            ("routes",), "at least one route without `when`, so that every record has a route", "`when` on every route"
        )
    for index, route in enumerate(spec.routes):
        place = ("routes", index)
        for name in route.when.keys() - spec.input.fields.keys():
            expected = f"a field of the input ({', '.join(spec.input.fields)})"
            yield TaskFinding((*place, "when", name), expected, shown(name))
        yield from _check_issues(spec, route, place)
        yield from _prediction_issues(spec, route, place)
        if model is not None:
            yield from _confidence_issues(route, place, model)


def _check_issues(spec: TaskSpec, route: RouteSpec, place: Path) -> Iterator[TaskFinding]:
    types = {check.name: check.type for check in spec.checks}
    usable = [name for name, kind in types.items() if kind not in NEED_LABELS]
    expected = f"a check of the task that needs no expected value ({', '.join(usable) or 'none declared'})"
    for position, name in enumerate(route.escalate.checks):
        if name not in usable:
            found = f"{name!r}, which needs an expected value" if name in types else shown(name)
            yield TaskFinding((*place, "escalate", "checks", position), expected, found)


def _prediction_issues(spec: TaskSpec, route: RouteSpec, place: Path) -> Iterator[TaskFinding]:
    """Yields parameters that providers reject in combination with `prediction`, according to its API reference."""
    if spec.prompts.prediction is None or not route.predicted_output:
        return
    used = {*spec.parameters, *(["logprobs"] if route.needs_logprobs else [])}
    if taken := sorted(used & NOT_WITH_A_PREDICTION):
        wanted = f"`predicted_output: false`, because providers reject `prompts.prediction` with {', '.join(taken)}"
        yield TaskFinding((*place, "predicted_output"), wanted, "true (the default)")


def _confidence_issues(route: RouteSpec, place: Path, model: type[BaseModel]) -> Iterator[TaskFinding]:
    rule = route.escalate.confidence
    if rule is None or rule.source == LOGPROB:
        return
    path = (*place, "escalate", "confidence", "from")
    if rule.source not in model.model_fields:
        fields = ", ".join(model.model_fields)
        yield TaskFinding(path, f"{LOGPROB} or a field of {model.__name__} ({fields})", shown(rule.source))
    elif value_issue(model, rule.source, 0.5):
        yield TaskFinding(path, f"a field of {model.__name__} whose value is a number from 0 to 1", shown(rule.source))
