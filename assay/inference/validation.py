"""Decides whether an answer is the answer: JSON that the task's output model accepts.

Only judging the text belongs here; asking again is the engine's part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError

from assay.inference.rescue import completed, unwrapped
from assay.performance.fast_init import quick_init
from assay.tasks.output_model import is_closed, strict_schema

FAULTS_SHOWN = 3
FAULT_CHARACTERS = 500
MOST_CHARACTERS = 1_000_000
"""A longer answer is none: its row would not fit into one request to the warehouse."""
REPAIR_NAME = "answer"


@quick_init
@dataclass(frozen=True, slots=True)
class Valid:
    """An accepted answer, as the model normalised it, and as JSON.

    `rescued` says that the text had to be completed or unwrapped.
    """

    output: dict[str, Any]
    written: str
    rescued: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """A refused answer and what is wrong with it, in words that may be shown to the model."""

    fault: str


def validate(text: str, model: type[BaseModel]) -> Valid | Invalid:
    """The answer as a dict in JSON terms, or the fault.

    A single JSON object is wanted, without keys that the schema does not name; a Markdown fence around it is taken
    off. A text that is not JSON is completed or unwrapped only where one reading is possible, see `rescue.py`.
    """
    if len(text) > MOST_CHARACTERS:
        return Invalid(f"it has {len(text):,} characters, more than {MOST_CHARACTERS:,}")
    try:
        content = orjson.loads(_without_fence(text))
    except orjson.JSONDecodeError as error:
        fault = Invalid(f"it is not JSON ({error.msg} at character {error.pos})")
        return _rescued(text, model) or fault
    if not isinstance(content, dict):
        return Invalid(f"it is a JSON {type(content).__name__}, not an object")
    return _accepted(content, model)


def _rescued(text: str, model: type[BaseModel]) -> Valid | None:
    content = unwrapped(text)
    if content is None and not _has_everything(content := completed(text), model):
        return None
    accepted = _accepted(content, model) if isinstance(content, dict) else None
    return replace(accepted, rescued=True) if isinstance(accepted, Valid) else None


def _has_everything(content: object, model: type[BaseModel]) -> bool:
    """True when no property of the schema is missing: one that is optional might have been cut off."""
    if not isinstance(content, dict):
        return False
    return all((field.alias or name) in content for name, field in model.model_fields.items())


def _accepted(content: dict[str, Any], model: type[BaseModel]) -> Valid | Invalid:
    try:
        output = model.model_validate(content, extra=_extra(model)).model_dump(mode="json")
        written = orjson.dumps(output).decode()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:FAULTS_SHOWN]
        stated = "; ".join(f"{'.'.join(map(str, fault['loc'])) or REPAIR_NAME}: {fault['msg']}" for fault in faults)
        return Invalid(stated[:FAULT_CHARACTERS])
    # The task's own validators may raise anything, and what is nested too deep cannot be written again.
    except Exception as error:  # noqa: BLE001
        return Invalid(f"the model {model.__name__} cannot take it ({type(error).__name__})")
    return Valid(output, written)


@lru_cache(maxsize=64)
def _extra(model: type[BaseModel]) -> Literal["forbid"] | None:
    """As the schema on the wire has it: closed, unless the model itself opens an object."""
    return "forbid" if is_closed(strict_schema(model)) else None


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped[stripped.index("\n") + 1 : -3]
    return stripped
