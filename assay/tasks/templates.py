"""Prompt templates: sandboxed Jinja in which an unknown variable is an error.

Checking and rendering templates belongs here; which messages are made of them is the prompts' question.
"""

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
"""The template of the output that is expected, beside those of the messages."""


@lru_cache(maxsize=1)
def environment() -> ImmutableSandboxedEnvironment:
    """The one environment all templates share: sandboxed, strict, nothing escaped, no loader."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    shared = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    shared.filters["tojson"] = _json_text
    return shared


def _json_text(value: object) -> str:
    """JSON as a model writes it; Jinja's own filter escapes `<`, `>`, `&` and `'` for HTML, which is no prompt."""
    return json.dumps(value, ensure_ascii=False)


def compiled(text: str) -> Template:
    """The template of `text`, which has been checked before."""
    return environment().from_string(text)


Render = Callable[[Mapping[str, object]], str]


def renderer(text: str) -> Render:
    """Renders the template of `text`, which has been checked before.

    A template of nothing but text and variables is joined without Jinja's machinery, which would cost ten times more
    than the rest of what a record needs; the result is the same.
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
    """The variables that the template of `text` takes from outside."""
    from jinja2 import meta

    return frozenset(meta.find_undeclared_variables(environment().parse(text)))


def examples_of(cases: Sequence[Case]) -> list[dict[str, object]]:
    """The cases as templates see them under `few_shot`."""
    return [{"input": dict(case.input), "expected": case.expected} for case in cases]


def rendering_issues(
    templates: Mapping[str, str], *, spec: TaskSpec, cases: tuple[Case, ...], shown: Callable[[str], str]
) -> list[ValidationIssue]:
    """The first golden case that each template cannot be rendered with, and why."""
    files = spec.prompts.files
    examples = examples_of(few_shot_cases(spec, cases))
    found: list[ValidationIssue] = []
    for role, text in templates.items():
        template = compiled(text)
        for case in cases:
            try:
                template.render({**case.input, EXAMPLES_VARIABLE: examples})
            except Exception as error:  # noqa: BLE001 - a template is the user's code and may raise anything
                fault = f"{type(error).__name__}: {error}"
                wanted = f"a template that case {case.case_id!r} can be put in"
                found.append(ValidationIssue(shown(files[role] or role), _line_of(error), wanted, fault))
                break
    return found


def _line_of(error: Exception) -> int:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return frames[-1].lineno or 1 if frames else 1


def template_issues(
    templates: Mapping[str, str], *, spec: TaskSpec, shown: Callable[[str], str]
) -> list[ValidationIssue]:
    """Syntax errors and variables that no input field gives, each with its line."""
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
            found.append(
                ValidationIssue(file, error.lineno, "a valid Jinja template", error.message or "a syntax error")
            )
            continue
        unknown = meta.find_undeclared_variables(tree) - known
        lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
        wanted = ", ".join(sorted(known))
        found += [
            ValidationIssue(file, lines.get(name, 1), f"a variable of input.fields ({wanted})", f"`{name}`")
            for name in sorted(unknown)
        ]
    return found
