"""Renders a record into the messages and the body of a request.

What is sent belongs here; masking has happened before, sending comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assay.tasks.output_model import is_strict
from assay.tasks.task import Task
from assay.tasks.templates import EXAMPLES_VARIABLE, compiled

Message = dict[str, str]

REPAIR = (
    "That answer does not follow the schema: {fault}. Give the corrected answer as one JSON object and nothing else."
)


class PromptRenderer:
    """Renders the prompts of one task; the static parts are prepared once, examples go through `mask`."""

    def __init__(self, task: Task, *, mask: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        self._examples = [{"input": dict(mask(case.input)), "expected": case.expected} for case in task.few_shot]
        self.parameters: Mapping[str, Any] = dict(task.spec.parameters)
        self._templates = {role: compiled(text) for role, text in task.templates.items()}
        self._frame: dict[str, Any] = {
            **task.spec.parameters,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": task.name,
                    "schema": dict(task.output_schema),
                    "strict": is_strict(task.output_schema),
                },
            },
        }

    def messages(self, fields: Mapping[str, str]) -> list[Message]:
        """System and user message for one record's (masked) fields."""
        return [
            {"role": role, "content": template.render({**fields, EXAMPLES_VARIABLE: self._examples})}
            for role, template in self._templates.items()
        ]

    def body(self, messages: list[Message], model: str) -> dict[str, Any]:
        """The JSON body of the request."""
        return {"model": model, "messages": messages, **self._frame}


def repair_messages(messages: list[Message], *, answer: str, fault: str) -> list[Message]:
    """The same conversation with the faulty answer and what is wrong with it."""
    return [
        *messages,
        {"role": "assistant", "content": answer},
        {"role": "user", "content": REPAIR.format(fault=fault)},
    ]
