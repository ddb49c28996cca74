"""Prompt templates: sandboxed Jinja; an undefined variable is an error."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from assay.tasks.case import Case, few_shot_cases
from assay.tasks.issues import ValidationIssue
from assay.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

EXAMPLES_VARIABLE = "few_shot"
PREDICTION = "prediction"
"""Role of the template that renders the predicted output; the other roles are messages."""


@lru_cache(maxsize=1)
def environment() -> ImmutableSandboxedEnvironment:
    """Returns the Jinja environment of all templates: sandboxed, strict, without HTML escaping or a loader."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    shared = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    shared.filters["tojson"] = _json_text
    return shared


def _json_text(value: object) -> str:
    """Returns plain JSON; Jinja's own filter escapes `<`, `>`, `&` and `'` for HTML, which prompts must not contain."""
    return json.dumps(value, ensure_ascii=False)


def compiled(text: str) -> Template:
    """Returns the compiled template; `text` must already be validated."""
    return environment().from_string(text)


Render = Callable[[Mapping[str, object]], str]


def renderer(text: str) -> Render:
    """Returns a function that renders the template `text`, which must already be validated.

    A template of only text and variables is rendered without Jinja, with the same result: Jinja would take ten times
    as long as all other work for a record.
    """
    from jinja2 import StrictUndefined, nodes

    parts: list[tuple[bool, str]] = []
    for block in environment().parse(text).body:
        if not isinstance(block, nodes.Output):
            return compiled(text).render
        for node in block.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append((False, node.data))
            elif isinstance(node, nodes.Name):
                parts.append((True, node.name))
            else:
                return compiled(text).render

    def render(variables: Mapping[str, object]) -> str:
        return "".join(
            [str(variables.get(part, StrictUndefined(name=part))) if is_name else part for is_name, part in parts]
        )

    return render


def reads(text: str) -> frozenset[str]:
    """Returns the names of the variables that the template `text` uses."""
    from jinja2 import meta

    return frozenset(meta.find_undeclared_variables(environment().parse(text)))


def examples_of(cases: Sequence[Case]) -> list[dict[str, object]]:
    """Returns the value of the variable `few_shot` in templates."""
    return [{"input": dict(case.input), "expected": case.expected} for case in cases]


def rendering_issues(
    templates: Mapping[str, str], *, spec: TaskSpec, cases: tuple[Case, ...], shown: Callable[[str], str]
) -> list[ValidationIssue]:
    """Returns, for each template that cannot be rendered for every golden case, the first such case and the reason."""
    files = spec.prompts.files
    examples = examples_of(few_shot_cases(spec, cases))
    found: list[ValidationIssue] = []
    for role, text in templates.items():
        template = compiled(text)
        for case in cases:
            try:
                template.render({**case.input, EXAMPLES_VARIABLE: examples})
            except Exception as error:  # noqa: BLE001 - a template is the user's code and may raise anything
                problem = f"rendering case {case.case_id!r} failed: {type(error).__name__}: {error}"
                found.append(ValidationIssue(shown(files[role] or role), _line_of(error), problem=problem))
                break
    return found


def _line_of(error: Exception) -> int:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return frames[-1].lineno or 1 if frames else 1


def template_issues(
    templates: Mapping[str, str], *, spec: TaskSpec, shown: Callable[[str], str]
) -> list[ValidationIssue]:
    """Returns syntax errors, and variables that match no input field, each with its line."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    known = {*spec.input.fields, EXAMPLES_VARIABLE}
    files = spec.prompts.files
    found: list[ValidationIssue] = []
    for role, text in templates.items():
        file = shown(files[role] or role)
        try:
            tree = environment().parse(text)
            environment().compile(text)  # finds unknown filters and tests, which parsing does not
        except TemplateSyntaxError as error:
            problem = f"not a valid Jinja template: {error.message or 'syntax error'}"
            found.append(ValidationIssue(file, error.lineno, problem=problem))
            continue
        unknown = meta.find_undeclared_variables(tree) - known
        lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
        wanted = ", ".join(sorted(known))
        found += [
            ValidationIssue(
                file, lines.get(name, 1), problem=f"unknown variable `{name}`; `input.fields` defines {wanted}"
            )
            for name in sorted(unknown)
        ]
    return found
