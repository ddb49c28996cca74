"""Decides whether an answer is the answer: JSON that the task's output model accepts.

Only judging the text belongs here; asking again is the engine's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

FAULTS_SHOWN = 3
REPAIR_NAME = "answer"


@dataclass(frozen=True, slots=True)
class Valid:
    """An accepted answer, as the model normalised it."""

    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invalid:
    """A refused answer and what is wrong with it, in words that may be shown to the model."""

    fault: str


def validate(text: str, model: type[BaseModel]) -> Valid | Invalid:
    """The answer as a dict in JSON terms, or the fault.

    A single JSON object is wanted; a Markdown fence around it is taken off, nothing else is guessed.
    """
    try:
        content = orjson.loads(_without_fence(text))
    except orjson.JSONDecodeError as error:
        return Invalid(f"it is not JSON ({error.msg} at character {error.pos})")
    if not isinstance(content, dict):
        return Invalid(f"it is a JSON {type(content).__name__}, not an object")
    try:
        accepted = model.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:FAULTS_SHOWN]
        return Invalid(
            "; ".join(f"{'.'.join(map(str, fault['loc'])) or REPAIR_NAME}: {fault['msg']}" for fault in faults)
        )
    return Valid(accepted.model_dump(mode="json"))


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped[stripped.index("\n") + 1 : -3]
    return stripped
