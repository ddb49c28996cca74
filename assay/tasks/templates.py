"""Prompt templates: sandboxed Jinja in which an unknown variable is an error.

Checking and rendering templates belongs here; which messages are made of them is the prompts' question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from assay.tasks.mistakes import Mistake
from assay.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

EXAMPLES_VARIABLE = "few_shot"


@lru_cache(maxsize=1)
def environment() -> ImmutableSandboxedEnvironment:
    """The one environment all templates share: sandboxed, strict, nothing escaped, no loader."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )


def compiled(text: str) -> Template:
    """The template of `text`, which has been checked before."""
    return environment().from_string(text)


def template_mistakes(templates: Mapping[str, str], *, spec: TaskSpec, shown: Callable[[str], str]) -> list[Mistake]:
    """Syntax errors and variables that no input field gives, each with its line."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    known = {*spec.input.fields, EXAMPLES_VARIABLE}
    files = {"system": spec.prompts.system, "user": spec.prompts.user}
    found: list[Mistake] = []
    for role, text in templates.items():
        file = shown(files[role] or role)
        try:
            tree = environment().parse(text)
        except TemplateSyntaxError as error:
            found.append(Mistake(file, error.lineno, "a valid Jinja template", error.message or "a syntax error"))
            continue
        unknown = meta.find_undeclared_variables(tree) - known
        lines = {name.name: name.lineno for name in reversed(list(tree.find_all(nodes.Name)))}
        wanted = ", ".join(sorted(known))
        found += [
            Mistake(file, lines.get(name, 1), f"a variable of input.fields ({wanted})", f"`{name}`")
            for name in sorted(unknown)
        ]
    return found
