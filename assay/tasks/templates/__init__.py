"""Prompt templates: sandboxed Jinja; an undefined variable is an error."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from assay.tasks.case import Case, few_shot_cases
from assay.tasks.issues import ValidationIssue
from assay.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.nodes import Node

    from assay.tasks.templates.bounded_environment import BoundedEnvironment

EXAMPLES_VARIABLE = "few_shot"
RESERVED_FRAMES = 200
Result = TypeVar("Result")
PREDICTION = "prediction"
"""Role of the template that renders the predicted output; the other roles are messages."""


@lru_cache(maxsize=1)
def environment() -> BoundedEnvironment:
    """Returns the Jinja environment of all templates: bounded, strict, without HTML escaping or a loader."""
    from jinja2 import StrictUndefined

    from assay.tasks.templates.bounded_environment import BoundedEnvironment

    shared = BoundedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
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
    printed: list[nodes.Node] = []
    for block in environment().parse(text).body:
        printed.extend(block.nodes if isinstance(block, nodes.Output) else (block,))
    for node in printed:
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


@dataclass(frozen=True, slots=True)
class SyntaxIssue:
    """Why a text is no template, with the line in the text."""

    line: int
    problem: str


def syntax_issue(text: str) -> SyntaxIssue | None:
    """Returns why the text cannot be compiled, or None.

    It is compiled `RESERVED_FRAMES` deeper in the stack than necessary, because a run compiles it at another depth.
    """
    from jinja2 import TemplateSyntaxError
    from jinja2.parser import Parser

    parser: Parser | None = None
    try:
        parser = Parser(environment(), text)
        tree = _deeper(RESERVED_FRAMES, parser.parse)
        parser = None
        _deeper(RESERVED_FRAMES, lambda: environment().compile(text))  # finds also unknown filters and tests
    except TemplateSyntaxError as error:
        return SyntaxIssue(error.lineno, f"not a valid Jinja template: {error.message or 'syntax error'}")
    except RecursionError:
        line = parser.stream.current.lineno if parser else _deepest_line(tree)
        return SyntaxIssue(line, "not a valid Jinja template: too deeply nested")
    except Exception as error:  # noqa: BLE001 - Python's own compiler rejects the code that Jinja has made of the text
        line = parser.stream.current.lineno if parser else _deepest_line(tree)
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return SyntaxIssue(line, f"not a valid Jinja template: {reason or type(error).__name__}")
    return None


def _deeper(frames: int, work: Callable[[], Result]) -> Result:
    return work() if frames == 0 else _deeper(frames - 1, work)


def _deepest_line(tree: Node) -> int:
    """The line of the most deeply nested part."""
    level = last = [tree]
    while level:
        last, level = level, [child for node in level for child in node.iter_child_nodes()]
    return last[0].lineno or 1


def template_issues(
    templates: Mapping[str, str], *, spec: TaskSpec, shown: Callable[[str], str]
) -> list[ValidationIssue]:
    """Returns syntax errors, and variables that match no input field, each with its line."""
    from jinja2 import meta, nodes

    known = {*spec.input.fields, EXAMPLES_VARIABLE}
    files = spec.prompts.files
    found: list[ValidationIssue] = []
    for role, text in templates.items():
        file = shown(files[role] or role)
        if issue := syntax_issue(text):
            found.append(ValidationIssue(file, issue.line, problem=issue.problem))
            continue
        tree = environment().parse(text)
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
